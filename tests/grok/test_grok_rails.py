"""From one host to the other: when a call falls back, and what is remembered of it."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway_core import JsonObject, Request, Unsupported, UpstreamCall, UpstreamStream
from gateway_core.compaction import trigger
from gateway_core.errors import Forbidden, InvalidRequest
from gateway_core.events import Notice
from gateway_core.json import dumps, loads_object
from gateway_core.request import Sampling, SessionHints
from gateway_grok.plugin import GrokProvider
from gateway_grok.rails import RailMemory, opened
from gateway_grok.settings import GrokSettings, Rail
from support.about import each
from support.grok_asking import ACCOUNT, body_of, hello, translated

API, PROXY = "https://api.x.ai/v1/responses", "https://cli-chat-proxy.grok.com/v1/responses"
DENIED: JsonObject = {"code": "permission-denied", "error": "Access denied."}
SPENT: JsonObject = {"code": "personal-team-blocked:spending-limit", "error": "No credit."}
OK = (200, {"fine": True})
STORED = SessionHints(store=True)


class Answer:
    """An upstream's answer, in one read."""

    def __init__(self, status: int, body: Any) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {}
        self._pieces = [body if isinstance(body, bytes) else dumps(body)]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece

    async def send(self, data: bytes) -> None:
        raise AssertionError("nothing is sent back")


@dataclass
class Hosts:
    """Both hosts: they give these answers in turn, and remember what they were asked."""

    answers: list[tuple[int, Any]]
    asked: list[UpstreamCall] = field(default_factory=list)

    @asynccontextmanager
    async def stream(self, call: UpstreamCall) -> AsyncIterator[UpstreamStream]:
        self.asked.append(call)
        yield Answer(*self.answers[len(self.asked) - 1])

    @property
    def urls(self) -> list[str]:
        return [call.url for call in self.asked]

    @property
    def bodies(self) -> list[JsonObject]:
        return [body_of(call) for call in self.asked]


async def answered(
    hosts: Hosts,
    request: Request | None = None,
    memory: RailMemory | None = None,
    settings: GrokSettings | None = None,
    model: str = "grok-4.5",
) -> tuple[int, JsonObject, UpstreamCall]:
    """Status and body of what comes in the end, and the call that was made."""
    call = translated(request or hello(), model, settings)
    async with opened(call, hosts, memory or RailMemory()) as stream:  # type: ignore[arg-type]  # all it needs
        body = b"".join([piece async for piece in stream])
    return stream.status, loads_object(body or b"{}"), call


@each(
    "request_, rail, url",
    [
        (hello(), "auto", PROXY),
        (hello(session=STORED), "auto", API),
        (hello(session=SessionHints(previous_response_id="resp_01")), "auto", API),
        (hello(session=STORED), "proxy", PROXY),
        (hello(), "api", API),
    ],
)
async def test_the_rail_that_suits_the_request_is_asked_first(
    request_: Request, rail: Any, url: str
) -> None:
    hosts = Hosts([OK])
    assert (await answered(hosts, request_, settings=GrokSettings(rail=rail)))[:2] == OK
    assert hosts.urls == [url]


async def test_a_refusal_of_the_proxy_is_followed_by_the_api() -> None:
    hosts, memory = Hosts([(403, DENIED), OK]), RailMemory()
    status, _, call = await answered(hosts, memory=memory)
    assert (status, hosts.urls, memory.rail(ACCOUNT)) == (200, [PROXY, API], "api")
    first, second = hosts.asked
    assert first.headers["x-xai-token-auth"] == "xai-grok-cli"
    assert second.headers == {
        name: value
        for name, value in first.headers.items()
        if not name.startswith(("x-xai", "x-grok-client", "x-auth", "x-grok-model"))
    }
    assert hosts.bodies[0] == hosts.bodies[1]
    assert call.state.rail == "api"


async def test_a_version_that_is_too_old_for_the_proxy_is_followed_by_the_api() -> None:
    hosts = Hosts([(426, {"error": "outdated"}), OK])
    assert (await answered(hosts))[0] == 200
    assert hosts.urls == [PROXY, API]


@each("refusal", [(402, SPENT), (403, SPENT), (429, SPENT), (403, DENIED)])
async def test_a_refusal_of_the_api_is_followed_by_the_proxy(refusal: tuple[int, Any]) -> None:
    hosts, memory = Hosts([refusal, OK]), RailMemory()
    status, _, call = await answered(hosts, hello(session=STORED), memory)
    assert (status, hosts.urls, memory.rail(ACCOUNT)) == (200, [API, PROXY], "proxy")
    assert [body["store"] for body in hosts.bodies] == [True, False]
    assert hosts.asked[1].headers["x-grok-model-override"] == "grok-4.5"
    assert not call.state.stored
    assert [notice.code for notice in call.state.notices] == ["not_stored"]


def remembered(rail: Rail, clock: Callable[[], float] = time.monotonic) -> RailMemory:
    """A memory in which the account is served on a rail."""
    memory = RailMemory(clock)
    memory.keep(ACCOUNT, rail)
    return memory


async def test_what_was_learnt_of_an_account_is_remembered() -> None:
    memory = remembered("proxy")
    hosts = Hosts([OK])
    await answered(hosts, hello(session=STORED), memory)
    assert hosts.urls == [PROXY]


async def test_a_memory_grows_old() -> None:
    now = 0.0
    memory = remembered("proxy", lambda: now)
    now = 3600.0
    hosts = Hosts([OK])
    await answered(hosts, hello(session=STORED), memory)
    assert hosts.urls == [API]


def test_the_memory_of_one_account_is_of_no_other() -> None:
    assert remembered("api").rail("u-other") is None


async def test_a_memory_that_is_no_longer_true_is_corrected() -> None:
    memory = remembered("api")
    hosts = Hosts([(402, SPENT), OK])
    await answered(hosts, memory=memory)
    assert hosts.urls == [API, PROXY]
    assert memory.rail(ACCOUNT) == "proxy"


async def test_there_is_one_fallback_and_no_more() -> None:
    hosts, memory = Hosts([(403, DENIED), (402, SPENT)]), RailMemory()
    status, body, call = await answered(hosts, memory=memory)
    assert (status, body, hosts.urls) == (402, SPENT, [PROXY, API])
    assert memory.rail(ACCOUNT) is None
    error = GrokProvider().gateway_error(status, {}, dumps(body), call)
    assert isinstance(error, Forbidden)
    assert "without API credit" in error.message
    assert "(asked before, the other host refused: proxy: Access denied.)" in str(error)


@each(
    "answer, rail",
    [
        ((403, DENIED), "proxy"),
        ((402, SPENT), "api"),
        ((401, {"error": "No."}), "auto"),
        ((429, {"error": "Too many."}), "auto"),
        ((500, {"error": "Oops."}), "auto"),
        ((403, {"code": "unauthenticated:bad-credentials"}), "auto"),
    ],
)
async def test_other_refusals_and_a_fixed_rail_are_final(
    answer: tuple[int, JsonObject], rail: Any
) -> None:
    hosts = Hosts([answer])
    assert (await answered(hosts, settings=GrokSettings(rail=rail)))[:2] == answer


async def test_what_xai_finds_objectionable_is_not_asked_elsewhere() -> None:
    hosts = Hosts([(403, {"error": "Content violates usage guidelines."})])
    assert (await answered(hosts, hello(session=STORED)))[0] == 403
    assert hosts.urls == [API]


async def test_what_only_the_api_keeps_is_never_asked_of_the_proxy() -> None:
    hosts = Hosts([(402, SPENT)])
    request = hello(session=SessionHints(previous_response_id="resp_01"))
    memory = remembered("proxy")
    assert (await answered(hosts, request, memory))[0] == 402
    assert hosts.urls == [API]


@pytest.mark.parametrize(
    ("words", "path"),
    [
        ("Argument not supported: stop", ("stop",)),
        ("Argument not supported on this model: temperature", ("temperature",)),
        ("grok-4.5 does not support parameter reasoningEffort", ("reasoning", "effort")),
    ],
)
async def test_a_field_that_xai_names_is_left_out_once(words: str, path: tuple[str, ...]) -> None:
    refusal = (400, {"code": "invalid-argument", "error": words})
    hosts = Hosts([refusal, refusal])
    request = hello(sampling=Sampling(temperature=0.5, stop=["x"]))
    request.reasoning.effort = "low"
    settings = GrokSettings(rail="api", forward_stop=True)
    status, _, call = await answered(hosts, request, settings=settings)
    first, second = hosts.bodies
    for key in path[:-1]:
        first, second = first[key], second[key]
    assert first.pop(path[-1]) is not None
    assert first == second
    assert [notice.code for notice in call.state.notices] == [f"dropped_{path[-1]}"]
    assert (status, len(hosts.asked)) == (400, 2)


@pytest.mark.parametrize("words", ["Argument not supported: input", "Argument not supported: seed"])
async def test_a_field_that_is_needed_or_was_not_sent_stays(words: str) -> None:
    hosts = Hosts([(400, {"error": words})])
    status, body, call = await answered(hosts)
    assert isinstance(GrokProvider().gateway_error(status, {}, dumps(body), call), InvalidRequest)


async def test_a_model_that_xai_does_not_know_by_this_name_has_a_stand_in() -> None:
    hosts = Hosts([(404, {"error": "model not found"}), OK])
    status, _, call = await answered(hosts, model="grok-4.3-fast")
    assert status == 200
    assert [body["model"] for body in hosts.bodies] == ["grok-4.3-fast", "grok-4.3"]
    assert hosts.asked[1].headers["x-grok-model-override"] == "grok-4.3"
    said = "xAI does not know 'grok-4.3-fast' (any more): 'grok-4.3' was asked"
    assert call.state.notices == [Notice("mapped_model", said)]


@each("body, asked", [({"error": "model not found"}, 2), ({"error": "Not found."}, 1), (b"", 1)])
async def test_a_missing_endpoint_for_compaction_is_no_missing_model(body: Any, asked: int) -> None:
    request = hello()
    request.messages.append(trigger())
    hosts = Hosts([(404, body), (200, {})])
    await answered(hosts, request, settings=GrokSettings(rail="api"), model="grok-4.3-fast")
    assert hosts.urls == [f"{API}/compact"] * asked


async def test_a_refused_compaction_is_left_to_the_model_at_once() -> None:
    request = hello(session=STORED)
    request.messages.append(trigger())
    hosts = Hosts([(402, SPENT)])
    with pytest.raises(Unsupported, match="No credit") as caught:
        await answered(hosts, request)
    assert caught.value.code == "compaction_unavailable"
    assert hosts.urls == [f"{API}/compact"]


async def test_any_other_unknown_model_is_told() -> None:
    hosts = Hosts([(404, {"error": "model not found"})])
    assert (await answered(hosts, model="grok-9"))[0] == 404
