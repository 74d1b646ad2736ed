"""Requests as the Kiro plugin translates them, streams as it decodes them, and the fixtures."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from gateway_core import Credential, Event, JsonObject, Request, Route, UpstreamCall
from gateway_core.degrade import degrade
from gateway_core.grammar import check_stream
from gateway_core.json import loads_object
from gateway_kiro.models import STATIC_MODELS, read_models
from gateway_kiro.plugin import KiroProvider
from gateway_kiro.settings import KiroSettings
from gateway_kiro.state import CallState
from gateway_kiro.stream import KiroDecoder
from gateway_kiro.structure import problems

__all__ = [
    "ARN",
    "CREDENTIAL",
    "Recorded",
    "answers",
    "asked",
    "body_of",
    "decoded",
    "degraded",
    "document",
    "listed",
    "messages_of",
    "recorded_streams",
    "state",
    "translated",
]

FIXTURES = Path(__file__).parents[1] / "kiro" / "fixtures"
ARN = "arn:aws:codewhisperer:us-east-1:111122223333:profile/ABCDEFGHIJKL"
CREDENTIAL = Credential(
    provider="kiro",
    account="account-1",
    access_token=SecretStr("fake-access-1"),
    refresh_token=SecretStr("fake-refresh-1"),
    extra={"kind": "social", "provider": "Google", "profile_arn": ARN},
)


def document(name: str) -> Any:
    """A JSON fixture."""
    return json.loads((FIXTURES / "json" / f"{name}.json").read_text())


def answers(name: str, *path: str) -> dict[str, JsonObject]:
    """The scripted answers of a fixture, by name or else by number."""
    value = document(name)
    for key in path:
        value = value[key]
    return {answer.get("name", str(index)): answer for index, answer in enumerate(value)}


@dataclass(slots=True, frozen=True)
class Recorded:
    """A stream fixture: its bytes, and what its sidecar says of them."""

    name: str
    data: bytes
    facts: JsonObject

    def __str__(self) -> str:
        return self.name

    @property
    def expected(self) -> JsonObject:
        """What must come out."""
        expected: JsonObject = self.facts["expect"]
        return expected

    def splits(self) -> list[list[bytes]]:
        """The same bytes as one read, byte by byte, and in the reads that the sidecar names."""
        whole = [[self.data], [self.data[i : i + 1] for i in range(len(self.data))]]
        sizes = self.facts.get("chunks")
        if sizes:
            reads, start = [], 0
            for size in sizes:
                reads.append(self.data[start : start + size])
                start += size
            assert b"".join(reads) == self.data
            whole.append(reads)
        return whole


def recorded_streams() -> list[Recorded]:
    """Every stream fixture."""
    folder = FIXTURES / "eventstream"
    return [
        Recorded(path.stem, path.read_bytes(), json.loads(path.with_suffix(".json").read_text()))
        for path in sorted(folder.glob("*.bin"))
    ]


def listed() -> dict[str, Any]:
    """The models of the live list in the fixture, by id; else of the static list."""
    live = read_models([document("list-available-models")["response"]["body"]])
    return {model.id: model for model in (*STATIC_MODELS, *live)}


_LISTED = listed()


def state(**facts: Any) -> CallState:
    """What a call remembers, with some of it set."""
    given: dict[str, Any] = {"model": "claude-sonnet-4.5", "scope": "scope-1", "window": 200_000}
    return CallState(CREDENTIAL, KiroSettings(), **(given | facts))


def translated(
    request: Request,
    model: str = "claude-sonnet-4.5",
    settings: KiroSettings | None = None,
    options: Mapping[str, str] | None = None,
    credential: Credential = CREDENTIAL,
) -> UpstreamCall:
    """The call for a request, which breaks no rule that is known."""
    route = Route("kiro", model, model, options or {}, _LISTED.get(model))
    call = KiroProvider().gateway_translate(request, route, credential, settings or KiroSettings())
    body = loads_object(call.body)
    assert "conversationState" not in body or problems(body) == []
    return call


def asked(request: Request, model: str = "claude-sonnet-4.5", **more: Any) -> JsonObject:
    """The body for a request."""
    return body_of(translated(request, model, **more))


def degraded(request: Request, model: str = "claude-sonnet-4.5") -> Request:
    """The request as the core hands it on: within the model's capabilities."""
    return degrade(request, _LISTED[model].capabilities, f"kiro/{model}")[0]


def body_of(call: UpstreamCall) -> JsonObject:
    """What a call sends."""
    return loads_object(call.body)


def messages_of(body: JsonObject) -> list[JsonObject]:
    """History and current message, each without its wrapper."""
    conversation = body["conversationState"]
    wrapped = [*conversation.get("history", []), conversation["currentMessage"]]
    return [next(iter(message.values())) for message in wrapped]


def decoded(reads: Iterable[bytes], of: CallState | None = None) -> list[Event]:
    """The events of an answer that comes in these reads; checked against the grammar."""
    decoder = KiroDecoder(of or state())
    events = [event for data in reads for event in decoder.feed(data)]
    events += decoder.end()
    check_stream(events)
    assert decoder.data_to_send() == b""
    return events
