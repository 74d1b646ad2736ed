"""The two hosts that take one token, and how a call gets from one to the other.

The public API keeps responses and is closed to most subscriptions; the proxy of Grok's CLI is open
to them, wants headers of its own and keeps nothing. A call says where it starts; `opened` follows
it, and asks once more when the answer says that the other rail, or the request without one field,
would do. What was learnt of an account is remembered for a while.
"""

import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from gateway_core import Credential, JsonObject, ModelNotFound, UpstreamCall, UpstreamStream
from gateway_core.events import Notice
from gateway_core.http import read_body
from gateway_core.json import dumps, loads_object
from gateway_grok.errors import is_other_rail, read_error, read_told, refused_field
from gateway_grok.models import STAND_INS
from gateway_grok.refusals import no_compaction
from gateway_grok.settings import GrokSettings, Rail

if TYPE_CHECKING:
    from gateway_core.http import Transport

__all__ = ["CallState", "RailMemory", "account_headers", "on_rail", "opened", "other_rail"]

_log = logging.getLogger(__name__)

_MEMORY_SECONDS: Final = 3600.0
_PROXY_HEADERS: Final = (
    "x-xai-token-auth",
    "x-grok-client-version",
    "x-grok-client-identifier",
    "x-authenticateresponse",
    "x-grok-model-override",
)
# Fields that a request can do without, by the names that a refusal gives them.
_DISPENSABLE: Final[Mapping[str, tuple[str, ...]]] = {
    "stop": ("stop",),
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "user": ("user",),
    "logprobs": ("logprobs",),
    "top_logprobs": ("top_logprobs",),
    "prompt_cache_key": ("prompt_cache_key",),
    "max_output_tokens": ("max_output_tokens",),
    "parallel_tool_calls": ("parallel_tool_calls",),
    "reasoning": ("reasoning",),
    "reasoningeffort": ("reasoning", "effort"),
    "reasoning_effort": ("reasoning", "effort"),
    "reasoning.effort": ("reasoning", "effort"),
    "reasoning.summary": ("reasoning", "summary"),
}


@dataclass(slots=True)
class CallState:
    """What the decoder and `opened` must know of a call; the latter keeps it up to date.

    rail: the host that is asked. path: below that host's base. other: whether the other rail may be
    asked. stored: whether the answer is kept upstream. continues: whether it goes on from one that
    is. compacts: whether a compaction was asked for. stop: sequences that end the answer. paints:
    the prompt, where a picture was asked for. tool_names: see `StreamReader`. notices: what came up
    on the way. refusal: what the first rail said, when both refused.
    """

    account: str
    scope: str
    settings: GrokSettings
    rail: Rail
    path: str = "/responses"
    other: bool = False
    stored: bool = False
    continues: bool = False
    compacts: bool = False
    stop: tuple[str, ...] = ()
    paints: str | None = None
    tool_names: Mapping[str, str] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    refusal: str | None = None


class RailMemory:
    """Which rail an account is served on, where the other refused it.

    Kept for an hour, because plans and permissions change. clock: in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, tuple[Rail, float]] = {}

    def rail(self, account: str) -> Rail | None:
        """The rail that serves the account; None when either may."""
        rail, until = self._known.get(account, (None, 0.0))
        return rail if self._clock() < until else None

    def keep(self, account: str, rail: Rail) -> None:
        """Remember that this rail serves the account, and the other does not."""
        self._known[account] = (rail, self._clock() + _MEMORY_SECONDS)


def account_headers(
    credential: Credential, settings: GrokSettings, rail: Rail, model: str | None = None
) -> dict[str, str]:
    """Headers of every request in the name of an account. model: what the proxy routes by."""
    bearer = f"Bearer {credential.access_token.get_secret_value()}"
    headers = {"authorization": bearer, "user-agent": settings.agent}
    return headers | (_proxy_headers(settings, model) if rail == "proxy" else {})


def _proxy_headers(settings: GrokSettings, model: str | None) -> dict[str, str]:
    headers = {
        "x-xai-token-auth": "xai-grok-cli",
        "x-grok-client-version": settings.client_version,
        "x-grok-client-identifier": settings.client_identifier,
        "x-authenticateresponse": "authenticate-response",
    }
    if model and model.isascii() and model.isprintable():
        headers["x-grok-model-override"] = model
    return headers


def on_rail(body: JsonObject, state: CallState, rail: Rail) -> JsonObject:
    """The body within the rules of a rail: the proxy streams and keeps nothing."""
    if rail == "api" or state.paints is not None:
        return body
    left = {key: value for key, value in body.items() if key not in ("stop", "seed")}
    return left | {"store": False, "stream": True}


def other_rail(call: UpstreamCall) -> UpstreamCall:
    """The same request to the other rail, with its state.

    Raises `Unsupported` for a compaction, which only one of them has: the core then asks for a
    summary.
    """
    state: CallState = call.state
    if state.compacts:
        raise no_compaction(state.refusal or "this account is served by the proxy for now")
    rail: Rail = "api" if state.rail == "proxy" else "proxy"
    body = loads_object(call.body)
    headers = {name: value for name, value in call.headers.items() if name not in _PROXY_HEADERS}
    if rail == "proxy":
        headers |= _proxy_headers(state.settings, body.get("model"))
        if state.stored:
            state.stored = False
            said = "this account's plan keeps no responses at xAI: the answer is not stored there"
            state.notices.append(Notice("not_stored", said))
    state.rail = rail
    state.other = False
    url = state.settings.base_url(rail) + state.path
    return replace(call, url=url, headers=headers, body=dumps(on_rail(body, state, rail)))


@asynccontextmanager
async def opened(
    call: UpstreamCall, transport: "Transport", memory: RailMemory
) -> AsyncIterator[UpstreamStream]:
    """The answer to a call, from the rail that gives one.

    Starts where the account was served before. At most one fallback to the other rail, and at most
    one repetition with what xAI named as not supported taken out. Both change `call.state`, which
    decoder and error see.
    """
    state: CallState = call.state
    if state.other and (memory.rail(state.account) or state.rail) != state.rail:
        call = other_rail(call)
        state.other = True
    mended = False
    while True:
        async with AsyncExitStack() as stack:
            answer = await stack.enter_async_context(transport.stream(call))
            if 200 <= answer.status < 300 or answer.status >= 500:
                if state.refusal is not None and answer.status < 300:
                    memory.keep(state.account, state.rail)
                    _log.warning(
                        "xAI: served by the rail %r for now; refused by %s",
                        state.rail,
                        state.refusal,
                    )
                yield answer
                return
            body = await read_body(answer)
        if state.other and is_other_rail(answer.status, answer.headers, body, state.rail):
            told = read_told(answer.headers, body)
            state.refusal = f"{state.rail}: {told.words if told and told.words else answer.status}"
            if state.compacts:  # the summary in its place is a call of its own
                memory.keep(state.account, "proxy")
            call = other_rail(call)
            continue
        again = None if mended else _mended(call, answer.status, answer.headers, body)
        if again is None:
            yield _Answered(answer.status, answer.headers, body)
            return
        mended, call = True, again


def _mended(
    call: UpstreamCall, status: int, headers: Mapping[str, str], body: bytes
) -> UpstreamCall | None:
    """The call without the field that xAI named, or with a model that stands in for one that it
    does not know; None when neither is the matter.
    """
    if status not in (400, 404):
        return None
    request: JsonObject = loads_object(call.body)
    state: CallState = call.state
    if status == 404:
        model = request.get("model")
        other = STAND_INS.get(model) if isinstance(model, str) else None
        if other is None or state.continues:
            return None
        if state.compacts and not _lacks_model(status, headers, body, state):
            return None  # it is the endpoint that does not exist
        said = f"xAI does not know {model!r} (any more): {other!r} was asked"
        state.notices.append(Notice("mapped_model", said))
        sent = {"x-grok-model-override": other} if "x-grok-model-override" in call.headers else {}
        return replace(call, headers=call.headers | sent, body=dumps({**request, "model": other}))
    name = (refused_field(status, headers, body) or "").lower()
    path = _DISPENSABLE.get(name)
    if path is None or not _without(request, path):
        return None
    said = f"xAI does not take `{'.'.join(path)}` here: it was left out"
    state.notices.append(Notice(f"dropped_{path[-1]}", said))
    return replace(call, body=dumps(request))


def _lacks_model(status: int, headers: Mapping[str, str], body: bytes, state: CallState) -> bool:
    return isinstance(read_error(status, headers, body, state.rail), ModelNotFound)


def _without(request: JsonObject, path: tuple[str, ...]) -> bool:
    """Take a field out of a body; False when it is not there."""
    place: Any = request
    for key in path[:-1]:
        place = place.get(key)
        if not isinstance(place, dict):
            return False
    return place.pop(path[-1], None) is not None


class _Answered:
    """An answer whose body was read, as an `UpstreamStream`."""

    __slots__ = ("_body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self._body = body

    def __aiter__(self) -> "_Answered":
        return self

    async def __anext__(self) -> bytes:
        body, self._body = self._body, b""
        if not body:
            raise StopAsyncIteration
        return body

    async def send(self, data: bytes) -> None:
        """Nothing: an HTTP upstream takes no bytes while it answers."""
