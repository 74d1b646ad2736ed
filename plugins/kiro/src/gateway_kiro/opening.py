"""Opening an answer: the call itself, and what can be mended about it before anything came back.

A call that the current host does not know goes to the older one, one with the wrong profile is sent
with the right one, one whose schemas were refused with barer ones: each once. What cannot be mended
is handed on. An account that was told to slow down, or was locked, is not asked for a while.
"""

import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gateway_core import (
    Credential,
    Forbidden,
    GatewayError,
    RateLimited,
    UpstreamCall,
    UpstreamFailed,
    UpstreamProtocol,
    UpstreamStream,
)
from gateway_core.http import Transport, read_body
from gateway_core.http_errors import translate_http_errors
from gateway_core.json import loads_object
from gateway_core.network import NoConnection
from gateway_kiro.control import resolve_profile
from gateway_kiro.endpoints import Form, generate_call, mcp_call
from gateway_kiro.errors import (
    Failure,
    concerns_account,
    error_of,
    is_auth,
    is_profile,
    is_suspension,
    is_throttling,
    is_wrong_endpoint,
    read_failure,
)
from gateway_kiro.identity import needs_profile
from gateway_kiro.rounds import SearchingStream, play_rounds
from gateway_kiro.tools import with_strict_schemas

if TYPE_CHECKING:
    from gateway_kiro.state import CallState

__all__ = ["Opener"]

_log = logging.getLogger(__name__)
_LOCKED_SECONDS = 600.0


@dataclass(slots=True, frozen=True)
class _Pause:
    """Until when an account is not asked, in seconds of a clock, and why."""

    until: float
    error: GatewayError


@dataclass(slots=True)
class _Read:
    """An `UpstreamStream` over an answer that was read already."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.body

    async def send(self, data: bytes) -> None:
        """The service takes nothing while it answers."""
        raise UpstreamProtocol("Kiro takes no bytes after the request")


@dataclass(slots=True)
class _Attempt:
    """A call, the form it has, and what was mended about it."""

    call: UpstreamCall
    form: Form
    mended: set[str] = field(default_factory=set)


class Opener:
    """Opens answers, and remembers of each account its profile and whether to leave it alone.

    clock: seconds, only differences count.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pauses: dict[str, _Pause] = {}
        self._learned: dict[str, dict[str, str]] = {}

    def note(self, account: str, failure: Failure) -> None:
        """Learn from a failure of an account."""
        if is_throttling(failure) or is_suspension(failure):
            error = error_of(failure)
            wait = _LOCKED_SECONDS if is_suspension(failure) else error.retry_after or 0.0
            self._pauses[account] = _Pause(self._clock() + wait, error)

    @asynccontextmanager
    async def open(self, call: UpstreamCall, transport: Transport) -> AsyncIterator[UpstreamStream]:
        """The answer to a call. Raises `GatewayError` when the service cannot be reached, or is not
        to be asked now.
        """
        state: CallState = call.state
        account = state.credential.account
        self._check(account)
        attempt = _Attempt(call, state.settings.endpoint)
        credential = await self._with_profile(state, transport, attempt)
        async with AsyncExitStack() as stack:
            if state.search is not None and state.search.query is not None:
                if credential is not state.credential:
                    url, headers = mcp_call(credential, state.settings, attempt.form)
                    call = replace(call, url=url, headers=headers)
                yield await _searched(call, transport, stack)
                return
            if credential is not state.credential:
                _set_credential(attempt, credential)
            stream = await self._opened(attempt, transport, stack)
            if state.search is None or not 200 <= stream.status < 300:
                yield stream
                return
            reads = play_rounds(
                stream,
                attempt.call,
                transport,
                attempt.form,
                lambda failure: self.note(account, failure),
            )
            async with aclosing(reads):
                yield SearchingStream(stream.status, stream.headers, reads)

    def _check(self, account: str) -> None:
        pause = self._pauses.get(account)
        if pause is None:
            return
        left = pause.until - self._clock()
        if left <= 0:
            del self._pauses[account]
            return
        error = pause.error
        if isinstance(error, RateLimited):
            raise RateLimited(
                f"{error.message} The gateway asks nothing in this account's name until then",
                retry_after=left,
                code=error.code,
            )
        raise Forbidden(error.message, code=error.code)

    async def _with_profile(
        self, state: "CallState", transport: Transport, attempt: _Attempt
    ) -> Credential:
        """The credential with the profile that it needs and does not name."""
        credential = state.credential
        known = self._learned.get(credential.account)
        if known is not None and not state.settings.profile_arn:
            if known.items() <= credential.extra.items():
                return credential
            return credential.model_copy(update={"extra": {**credential.extra, **known}})
        if needs_profile(credential, state.settings):
            return await self._asked_anew(attempt, transport) or credential
        return credential

    async def _opened(
        self, attempt: _Attempt, transport: Transport, stack: AsyncExitStack
    ) -> UpstreamStream:
        while True:
            async with AsyncExitStack() as trial:
                try:
                    stream = await trial.enter_async_context(transport.stream(attempt.call))
                except UpstreamFailed as error:
                    if not (_was_never_asked(error) and _mend_endpoint(attempt)):
                        raise
                    continue
                if 200 <= stream.status < 300:
                    stack.push_async_exit(trial.pop_all())
                    return stream
                body = await read_body(stream)
            failure = read_failure(stream.status, stream.headers, body)
            if not await self._mend(attempt, failure, transport):
                return _Read(stream.status, stream.headers, body)

    async def _mend(self, attempt: _Attempt, failure: Failure, transport: Transport) -> bool:
        """Whether there is something about the call to try again with."""
        if is_wrong_endpoint(failure):
            return _mend_endpoint(attempt)
        if failure.reason == "TOOL_SCHEMA_INVALID" and "schemas" not in attempt.mended:
            attempt.mended.add("schemas")
            body = with_strict_schemas(loads_object(attempt.call.body))
            if body is not None:
                _set_body(attempt, body)
                return True
            return False
        unknown = failure.reason == "REQUEST_BODY_INVALID"  # said of profiles that are gone, too
        if (is_profile(failure) or unknown) and not is_auth(failure):
            return await self._mend_profile(attempt, transport)
        return False

    async def _mend_profile(self, attempt: _Attempt, transport: Transport) -> bool:
        credential = await self._asked_anew(attempt, transport)
        if credential is not None:
            _set_credential(attempt, credential)
        return credential is not None

    async def _asked_anew(self, attempt: _Attempt, transport: Transport) -> Credential | None:
        """The credential with the profile that the service names now; None when that is no news.

        One that the settings name is the person's own choice.
        """
        state: CallState = attempt.call.state
        if "profile" in attempt.mended or state.settings.profile_arn:
            return None
        attempt.mended.add("profile")
        extra = state.credential.extra
        bare = {key: value for key, value in extra.items() if key != "profile_arn"}
        credential = state.credential.model_copy(update={"extra": bare})
        if not needs_profile(credential, state.settings):
            return None
        try:
            with translate_http_errors("Kiro"):
                resolved = await resolve_profile(credential, transport.http, state.settings)
        except GatewayError as error:
            _log.warning("the profile of the Kiro login is not known: %s", error.message)
            return None
        learned = dict(resolved.extra.items() - extra.items())
        if not learned:
            return None
        self._learned[credential.account] = learned
        return resolved


async def _searched(
    call: UpstreamCall, transport: Transport, stack: AsyncExitStack
) -> UpstreamStream:
    """A turn that is one search. One that does not work is an answer too, unless it is the login
    that was refused.
    """
    stream = await stack.enter_async_context(transport.stream(call))
    body = await read_body(stream)
    if 200 <= stream.status < 300:
        return _Read(stream.status, stream.headers, body)
    failure = read_failure(stream.status, stream.headers, body)
    if concerns_account(failure):
        return _Read(stream.status, stream.headers, body)
    _log.warning("a web search was refused with status %d", stream.status)
    return _Read(200, stream.headers, b'{"error":{}}')


def _was_never_asked(error: GatewayError) -> bool:
    """Whether there was no connection: only then is asking elsewhere no second try."""
    return isinstance(error, NoConnection)


def _mend_endpoint(attempt: _Attempt) -> bool:
    state: CallState = attempt.call.state
    if attempt.form == "legacy" or not state.settings.legacy_url:
        return False
    attempt.form = "legacy"
    _log.info("the current host of Kiro did not answer as expected; the older one is asked")
    _set_body(attempt, loads_object(attempt.call.body))
    return True


def _set_credential(attempt: _Attempt, credential: Credential) -> None:
    state: CallState = attempt.call.state
    attempt.call = replace(attempt.call, state=replace(state, credential=credential))
    _set_body(attempt, loads_object(attempt.call.body))


def _set_body(attempt: _Attempt, body: dict[str, object]) -> None:
    state: CallState = attempt.call.state
    url, headers, data = generate_call(body, state.credential, state.settings, attempt.form)
    attempt.call = replace(attempt.call, url=url, headers=headers, body=data)
