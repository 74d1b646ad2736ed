"""One exchange: from a canonical request to batches of canonical events, whatever happens upstream.

The steps: route, degrade, fresh credential, translate, open, decode. Everything up to the first
part of the answer may be tried again; from then on a failure becomes a `Fail` event. The upstream
stream is entered inside the caller's own task, so cancelling that task closes it at once.

This module knows no client format and no HTTP server.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from gateway_core.asked import Asked
from gateway_core.compaction import SummaryToItem
from gateway_core.custom_tools import RestoreCustomTools
from gateway_core.errors import (
    GatewayError,
    Unauthorized,
    UpstreamProtocol,
    UpstreamTimeout,
)
from gateway_core.events import (
    Begin,
    End,
    Event,
    Fail,
    Notice,
    Open,
    Partial,
    Whole,
)
from gateway_core.grammar import GrammarChecker
from gateway_core.http import read_body
from gateway_core.logs import log_exchange
from gateway_core.parts import Collector, Response
from gateway_core.plugin_health import WrongResult
from gateway_core.provider import Route, UpstreamCall, UpstreamStream
from gateway_core.recording import Recording, hide
from gateway_core.request import Request
from gateway_core.response_ids import pack_id

if TYPE_CHECKING:
    from gateway_core.credentials.store import Credential
    from gateway_core.runtime import Runtime

__all__ = ["Deliver", "Turn"]

log = logging.getLogger(__name__)

Deliver = Callable[[Sequence[Event]], Awaitable[None]]

RETRIES = 2
BACKOFF_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 5.0
_ANSWERS = (Open, Whole, Partial)


class Turn:
    """Runs one request to its end.

    `prepare` does what needs no upstream and raises what is wrong with the request itself. `run`
    then hands batches of events to `deliver`: the first batch holds everything up to and including
    the first part, later ones are one per upstream read. A failure before the first part is
    raised, a later one is delivered as `Fail`.
    """

    def __init__(self, runtime: "Runtime", request: Request, id: str) -> None:
        self.id = id
        self.request = request
        self.route: Route | None = None
        self.account: str | None = None
        self._account_label: str | None = None
        self._runtime = runtime
        self._asked: Asked | None = None
        self._answered = False
        self._over = False
        self._loop = asyncio.get_running_loop()
        self._waiting_since: float | None = None
        self._timed_out: str | None = None
        self._watching: asyncio.TimerHandle | None = None
        self._deadline: asyncio.Timeout | None = None
        self._idle_timeout = runtime.settings.timeouts.idle
        self._total_timeout = runtime.settings.timeouts.total
        self._record = Recording(request, id)

    @property
    def notices(self) -> list[Notice]:
        """What was done to the request or seen in the answer so far."""
        return self._record.notices

    @property
    def recalled(self) -> Request:
        """The request with the conversation in it that it goes on from, as far as that is kept
        here.
        """
        return self.request if self._asked is None else self._asked.recalled

    @property
    def previous(self) -> str | None:
        """The id by which the conversation that it goes on from is known here."""
        return None if self._asked is None else self._asked.previous

    async def whole(self) -> Request:
        """As `recalled`, with what is left to the provider too, if the gateway has all of that."""
        assert self._asked is not None, "prepare() comes first"
        return await self._asked.whole()

    @property
    def answered(self) -> bool:
        """Whether a part of the answer has come."""
        return self._answered

    async def prepare(self, *, whole: bool = False) -> Route:
        """Find the provider and the conversation that the request goes on from, and hold it against
        what the provider can take; `whole` as in `Asked.prepare`.

        Raises `ModelNotFound`, `Unsupported`, `InvalidRequest`, `Internal`.
        """
        self._asked = asked = Asked(self._runtime, self.request, self._record.told)
        self.route = asked.route
        await asked.prepare(whole=whole)
        return asked.route

    async def token_counter(self) -> Callable[[], int]:
        """A function that counts the input tokens of the request as its provider would be sent it.

        Slow: to be called in a worker thread. Nothing is asked of the upstream, nor is a login
        renewed. Raises as `prepare` does, and the function as a translation does.
        """
        route = await self.prepare(whole=True)
        credential = await self._runtime.known_credential(route.provider)
        assert self._asked is not None
        return partial(self._asked.count_tokens, credential)

    async def run(self, deliver: Deliver) -> None:
        """Deliver the answer. Raises `GatewayError` when it failed before its first part."""
        assert self._asked is not None, "prepare() comes first"
        try:
            async with asyncio.timeout(self._total_timeout) as self._deadline:
                await self._attempts(self._asked, deliver)
        except TimeoutError as timeout:
            await self._give_up(self._timeout(), deliver, timeout)
        except GatewayError as error:
            self._record.failed(error)
            raise

    def _timeout(self) -> UpstreamTimeout:
        assert self._deadline is not None
        if self._timed_out is not None:
            return UpstreamTimeout(self._timed_out)
        if self._deadline.expired():
            own = self._total_timeout != self._runtime.settings.timeouts.total
            limit = f"{self._total_timeout:g} s" + ("" if own else " ([timeouts] total)")
            return UpstreamTimeout(f"the answer was not complete after {limit}")
        return UpstreamTimeout("the upstream did not answer in time")

    async def collect(self) -> Response:
        """The whole answer, for a client that does not stream. Raises as `run` does, and the error
        of an answer that broke off.
        """
        collector = Collector()

        async def deliver(events: Sequence[Event]) -> None:
            collector.feed(events)

        await self.run(deliver)
        return collector.response

    def finish(self, format: str, status: int, error: GatewayError | None) -> None:
        """Tell the log and every plugin what happened; called once, whatever happened."""
        if error is not None:
            self._record.failed(error)
        exchange = self._record.exchange(format, status, self.route, self.account)
        exchange.account_label = self._account_label
        log_exchange(exchange)
        self._runtime.usage.note(exchange)
        self._runtime.plugins.observe(exchange)

    async def _attempts(self, asked: Asked, deliver: Deliver) -> None:
        credential = await self._credential(asked.route)
        renewed = False
        attempt = 0
        while True:
            try:
                await self._attempt(asked, credential, deliver)
                return
            except GatewayError as error:
                if self._answered:
                    await self._give_up(error, deliver)
                    return
                if isinstance(error, Unauthorized) and credential is not None and not renewed:
                    renewed = True
                    credential = await self._runtime.credentials.refreshed(credential)
                    hide(credential)
                    continue
                if await asked.mended(error):
                    continue
                wait = _wait_before_retry(error, attempt)
                if wait is None:
                    await self._give_up(error, deliver)
                    return
            attempt += 1
            await asyncio.sleep(wait)

    async def _credential(self, route: Route) -> "Credential | None":
        credential = await self._runtime.credential(route.provider)
        if credential is not None:
            self.account = credential.account
            self._account_label = credential.label
            hide(credential)
        return credential

    async def _attempt(
        self, asked: Asked, credential: "Credential | None", deliver: Deliver
    ) -> None:
        route, relay = asked.route, asked.relay
        call = relay.translate(asked.request, route, credential)
        self._record.told(call.notices)
        self._idle_timeout = call.idle_timeout or self._runtime.settings.timeouts.idle
        if call.total_timeout is not None and self._deadline is not None:
            self._total_timeout = call.total_timeout
            self._deadline.reschedule(self._record.started + call.total_timeout)
        transport = self._runtime.transports.get(route.provider, self.account)
        self._record.asked = True
        self._waiting_since = self._loop.time()
        self._watch()
        try:
            async with AsyncExitStack() as stack:
                opening = stack.enter_async_context(relay.open(call, transport))
                stream = await relay.guard("gateway_open", opening)
                if not 200 <= stream.status < 300:
                    body = await read_body(stream)
                    raise relay.error(stream.status, stream.headers, body, call)
                await self._pump(asked, stream, call, deliver)
        except Exception as error:
            if not self._over:
                raise
            log.warning("a stream of %s could not be closed: %r", route.provider, error)
        finally:
            self._waiting_since = None
            if self._watching is not None:
                self._watching.cancel()

    def _watch(self) -> None:
        """End the wait for an upstream that is silent for too long; else look again when it may
        be. One look at a time, and none for each read: there are many.
        """
        now, since = self._loop.time(), self._waiting_since
        due = (now if since is None else since) + self._idle_timeout
        if due > now:
            self._watching = self._loop.call_at(due, self._watch)
        elif self._deadline is not None and not self._deadline.expired():
            own = self._idle_timeout != self._runtime.settings.timeouts.idle
            limit = f"{self._idle_timeout:g} s" + ("" if own else " ([timeouts] idle)")
            self._timed_out = f"the upstream sent nothing for {limit}"
            self._deadline.reschedule(now)

    async def _pump(
        self, asked: Asked, stream: UpstreamStream, call: UpstreamCall, deliver: Deliver
    ) -> None:
        relay = asked.relay
        decoder = relay.decoder(call, asked.route, stream.headers)
        restore = RestoreCustomTools(asked.bridged) if asked.bridged else None
        summary = SummaryToItem() if asked.summarises else None
        checker = GrammarChecker() if log.isEnabledFor(logging.DEBUG) else None
        held: list[Event] = []
        reader = aiter(stream)
        ended = False
        while not ended:
            try:
                self._waiting_since = self._loop.time()
                data = await anext(reader, None)
                self._waiting_since = None
                if data is None:
                    events = decoder.end()
                    ended = True
                else:
                    events = decoder.feed(data)
                    if reply := decoder.data_to_send():
                        await stream.send(reply)
                if type(events) is not list:
                    _expect_batch(events, "end" if ended else "feed")
                if checker is not None:
                    checker.check(events)
            except GatewayError:
                raise
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                # Nobody cancelled this turn: it leaked out of a task of the plugin's own.
                raise relay.bug("gateway_open", RuntimeError("cancelled itself")) from error
            except (Exception, SystemExit) as error:
                reading = self._waiting_since is not None
                hook = "gateway_open" if reading else "gateway_decoder"
                raise relay.bug(hook, error) from error
            if restore is not None:
                events = restore.feed(events)
            if summary is not None:
                events = summary.feed(events)
            if not events:
                continue
            last = type(events[-1])
            ended = ended or last is End or last is Fail
            if not self._answered:
                held += events
                if not (ended or any(type(event) in _ANSWERS for event in events)):
                    continue
                events, held = self._release(held), []
            self._record.note(events)  # not of an attempt that is made again
            await deliver(events)
            if last is End or last is Fail:
                self._over = True
                return
        raise UpstreamProtocol("the upstream closed the stream before the answer was complete")

    def _release(self, held: list[Event]) -> list[Event]:
        """The first batch; raises when it fails before any part, so that it can be tried again."""
        last = held[-1]
        answered = any(type(event) in _ANSWERS for event in held)
        if type(last) is Fail and not answered:
            raise last.error
        if type(last) is End and last.reason == "stop" and not answered:
            # Overloaded models do that; clients take it for a fault of their own.
            raise UpstreamProtocol("the model returned an empty answer")
        self._answered = True
        self._record.answered()
        first = held[0]
        if type(first) is Begin and first.stored and first.id is not None:
            assert self.route is not None
            held[0] = replace(first, id=pack_id(self.route.provider, first.id))
        return held

    async def _give_up(
        self, error: GatewayError, deliver: Deliver, cause: BaseException | None = None
    ) -> None:
        if self._over:  # only the stream was still to be closed
            log.warning("a stream was not closed in time: %s", error.message)
            return
        self._record.failed(error)
        if not self._answered:
            raise error from cause
        await deliver([Fail(error)])


def _expect_batch(events: object, method: str) -> None:
    """Raise `WrongResult` unless what a decoder's method returned reads like a list of events."""
    if not isinstance(events, Sequence) or isinstance(events, str | bytes | bytearray):
        kind = type(events).__name__
        raise WrongResult(f"gave a decoder whose {method}() returned {kind}, not events")


def _wait_before_retry(error: GatewayError, attempt: int) -> float | None:
    """Seconds to wait before trying again, or None when the error is final."""
    if attempt >= RETRIES or not error.retryable:
        return None
    if error.retry_after is not None:
        return error.retry_after if error.retry_after <= LONGEST_WAIT_SECONDS else None
    return BACKOFF_SECONDS * (1 << attempt) * random.uniform(0.8, 1.2)
