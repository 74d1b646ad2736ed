"""Requests as the Codex plugin translates them, and streams as it decodes them."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import SecretStr

from gateway_codex.models import STATIC_MODELS
from gateway_codex.plugin import CodexProvider
from gateway_codex.settings import CodexSettings
from gateway_core import Credential, Event, JsonObject, Request, Route, UpstreamCall
from gateway_core.degrade import degrade
from gateway_core.formats import anthropic, chat, responses
from gateway_core.grammar import check_stream
from gateway_core.json import loads_object
from gateway_core.provider import Capabilities
from simulators.codex.validation import violations

__all__ = [
    "ACCOUNT",
    "CREDENTIAL",
    "asked",
    "body_of",
    "capabilities",
    "captured_requests",
    "decoded",
    "degraded",
    "route_to",
    "translated",
]

CAPTURES = Path(__file__).parents[1] / "captures"
ACCOUNT = "11111111-2222-3333-4444-555555555555"
CREDENTIAL = Credential(
    provider="codex", account=ACCOUNT, access_token=SecretStr("access-token-of-ann")
)
_LISTED = {model.id: model for model in STATIC_MODELS}
_FORMATS = {
    "/v1/messages": anthropic.FORMAT,
    "/v1/chat/completions": chat.FORMAT,
    "/v1/responses": responses.FORMAT,
    "/backend-api/codex/responses": responses.FORMAT,
}


def route_to(model: str, options: Mapping[str, str] | None = None) -> Route:
    """The way to a model, as the core resolves its name without a live list."""
    return Route("codex", model, model, options or {}, _LISTED.get(model))


def translated(
    request: Request,
    model: str = "gpt-5.5",
    settings: CodexSettings | None = None,
    options: Mapping[str, str] | None = None,
    credential: Credential = CREDENTIAL,
) -> UpstreamCall:
    """The call for a request, which the backend must welcome."""
    route = route_to(model, options)
    call = CodexProvider().gateway_translate(
        request, route, credential, settings or CodexSettings()
    )
    assert violations(call.headers, loads_object(call.body)) == []
    return call


def degraded(request: Request, model: str) -> Request:
    """The request as the core hands it on: within the model's capabilities."""
    return degrade(request, capabilities(model), f"codex/{model}")[0]


def capabilities(model: str) -> Capabilities:
    """What a listed model can take."""
    capabilities = _LISTED[model].capabilities
    assert capabilities is not None
    return capabilities


def body_of(call: UpstreamCall) -> JsonObject:
    return loads_object(call.body)


def asked(
    request: Request,
    model: str = "gpt-5.5",
    settings: CodexSettings | None = None,
    options: Mapping[str, str] | None = None,
) -> JsonObject:
    """The body for a request."""
    return body_of(translated(request, model, settings, options))


def captured_requests() -> Iterator[tuple[str, Request]]:
    """Every conversation that real clients were recorded to send, by name."""
    for path in sorted(CAPTURES.glob("*.json")):
        recorded = loads_object(path.read_bytes())
        sent = recorded["request"]
        format = _FORMATS.get(sent["path"])
        if format is None:
            continue
        headers = {name.lower(): value for name, value in sent["headers"]}
        bodies = [sent["body"], *(frame["body"] for frame in recorded.get("frames", ()))]
        for number, body in enumerate(bodies):
            if body is not None:
                name = path.stem + (f" {number}" if number else "")
                yield name, format.read_request(body, headers)


def decoded(
    reads: Iterable[bytes], call: UpstreamCall, headers: Mapping[str, str] | None = None
) -> list[Event]:
    """The events of an answer that comes in these reads; checked against the grammar."""
    decoder = CodexProvider().gateway_decoder(call, headers or {})
    events = [event for data in reads for event in decoder.feed(data)]
    events += decoder.end()
    check_stream(events)
    return events
