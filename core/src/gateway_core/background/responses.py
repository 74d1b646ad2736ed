"""Responses that are made in the background: the client comes back for them.

Each is in the store from the moment on that its client is answered, with a run beside it that names
the process which makes it. Whoever removes the run has ended the response: the process that makes
it, whoever cancels or deletes it, or whoever finds that its process has died. So no response is
lost, and none ends or begins twice. One that had not begun when its process ended is begun by the
next.

So many run at once as the settings say; the others wait.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway_core.background.run import BackgroundRun, pack_request, turn_request, unpack_request
from gateway_core.errors import (
    GatewayError,
    Internal,
    InvalidRequest,
    Overloaded,
    RateLimited,
    UpstreamTimeout,
)
from gateway_core.exchange import Turn
from gateway_core.formats.openai_errors import error_status
from gateway_core.formats.responses.schema import FORMAT_NAME
from gateway_core.formats.responses.stored_items import input_items
from gateway_core.formats.responses.write_background import BackgroundWriter, ended_response
from gateway_core.json import JsonObject, dumps, loads_object
from gateway_core.keeping import insist, not_kept
from gateway_core.request import Request
from gateway_core.state.store import ResponseRun, StateError, StateStore, StoredResponse

if TYPE_CHECKING:
    from gateway_core.provider import StoredAction
    from gateway_core.runtime import Runtime

__all__ = ["BackgroundResponses"]

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""How often a process looks whether others have ended its responses."""
TAKE_OVER_SECONDS = 5.0
"""How often it looks for those of dead processes."""
LONGEST_QUEUE = 1000
"""Responses that may wait in one process."""
OLDEST_START = 3600.0
"""Seconds after which a response is not begun any more by another process than it was given to:
nobody expects it.
"""
CLOSING_SECONDS = 3.0
"""How long an end waits for upstreams to be closed and for the store."""
_TRIES = 5


class BackgroundResponses:
    """The responses that this process makes in the background, and what clients ask of all."""

    def __init__(self, runtime: "Runtime", store: StateStore) -> None:
        self._runtime = runtime
        self._store = store
        self._settings = runtime.settings.state
        self._presence = runtime.presence
        self._runs: dict[str, BackgroundRun] = {}
        self._waiting: deque[BackgroundRun] = deque()
        self._making: set[BackgroundRun] = set()
        self._closing = False
        self._began = asyncio.Event()

    async def submit(self, request: Request, turn_id: str) -> tuple[BackgroundRun, Turn]:
        """A run for the request, which begins when there is room, and the prepared turn.

        Raises what is wrong with the request; `RateLimited` when too many wait, `Internal` when the
        store fails.
        """
        self._check(request)
        turn = Turn(self._runtime, turn_request(request), turn_id)
        try:
            run = await self._put(request, turn)
        except Exception as error:
            known = error if isinstance(error, GatewayError) else None
            turn.finish(FORMAT_NAME, error_status(known) if known else 500, known)
            raise
        self._begin(run)
        return run, turn

    def find(self, id: str) -> BackgroundRun | None:
        """The run of a response that this process makes."""
        return self._runs.get(id)

    async def act(self, action: "StoredAction", id: str, query: Mapping[str, str]) -> JsonObject:
        """As `KeptResponses.act`, for responses that may still be made."""
        kept = self._runtime.responses
        run = self._runs.get(id)
        if run is not None and run.final is not None and action in ("retrieve", "cancel"):
            return await asyncio.to_thread(loads_object, run.final)
        if action == "retrieve":
            await self._bury(id)
        elif action == "cancel":
            return await self._cancel(id)
        answer = await kept.act(action, id, query)
        if action == "delete" and run is not None:
            self._cut(run, None)
        return answer

    async def course(self, id: str) -> bytes:
        """How a complete answer came; empty when that is not known."""
        try:
            return await self._store.runs.pieces(id)
        except StateError:
            return b""

    async def keep_watch(self) -> None:
        """Until cancelled: notice what others have ended, and take over what dead ones left."""
        loop = asyncio.get_running_loop()
        take_over_at = 0.0
        while True:
            try:
                if self._runtime.takes_over and loop.time() >= take_over_at:
                    take_over_at = loop.time() + TAKE_OVER_SECONDS
                    await self._take_over()
                if self._runs:
                    await self._look()
            except StateError as error:
                log.debug("background responses were not looked after: %s", error)
            except Exception:
                log.exception("background responses were not looked after")
            self._began.clear()
            if self._runs:
                await asyncio.sleep(LOOK_SECONDS)
            else:
                with suppress(TimeoutError):
                    # Not `wait_for`, which may lose a cancellation in Python 3.11.
                    async with asyncio.timeout(TAKE_OVER_SECONDS):
                        await self._began.wait()

    async def aclose(self) -> None:
        """End those that have begun with a failure that says so; others can begin the rest."""
        self._closing = True
        reason = Overloaded("the gateway was stopped before the response was complete")
        tasks = []
        for run in self._runs.values():
            if run.task is not None:
                run.stop(reason)
                tasks.append(run.task)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=CLOSING_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _put(self, request: Request, turn: Turn) -> BackgroundRun:
        """Prepare the turn, and put a run for it into the store."""
        route = await turn.prepare()
        writer = BackgroundWriter(request, request.model)
        run = BackgroundRun(self._runtime, self._store, writer, turn)
        items = input_items(request.source.body.get("input"))
        stored = StoredResponse(
            id=run.id,
            previous=turn.previous,
            provider=route.provider,
            model=route.model,
            created=run.queued.created_at,
            response=run.queued.body,
            input=await asyncio.to_thread(dumps, items),
        )
        packed = await asyncio.to_thread(pack_request, request)
        try:
            await self._presence.announce()
            await self._store.runs.begin(stored, self._presence.id, packed)
        except StateError as error:
            raise Internal(f"the response cannot be kept until it is complete: {error}") from error
        self._runtime.responses.was_put(len(stored.input))
        return run

    def _check(self, request: Request) -> None:
        if request.session.store is False:
            raise InvalidRequest(
                "store: background mode requires `store` to be true, as the client comes back for "
                "the response",
                param="store",
            )
        if self._settings.stored_responses == "never":
            raise InvalidRequest(
                "background: a response that is made in the background has to be stored, and "
                '`[state] stored_responses` is "never" here; wait for the answer, or run `gateway '
                "config set state.stored_responses asked`",
                param="background",
            )
        if len(self._waiting) >= LONGEST_QUEUE:
            raise RateLimited(
                f"{LONGEST_QUEUE} background responses wait already; ask again when some are "
                "complete, or let more run at once ([state] max_background)"
            )

    def _begin(self, run: BackgroundRun) -> None:
        self._runs[run.id] = run
        self._began.set()
        self._waiting.append(run)
        self._go_on()
        if run.task is None:
            run.postpone()

    def _go_on(self) -> None:
        """Start as many as there is room for."""
        most = self._settings.max_background
        while self._waiting and len(self._making) < most and not self._closing:
            self._start(self._waiting.popleft())

    def _start(self, run: BackgroundRun) -> None:
        self._making.add(run)
        run.task = asyncio.create_task(self._work(run))
        # A task that is cancelled before its first step runs none of its code.
        run.task.add_done_callback(lambda _: self._make_room(run))

    def _make_room(self, run: BackgroundRun) -> None:
        self._making.discard(run)
        self._go_on()

    async def _work(self, run: BackgroundRun) -> None:
        try:
            try:
                await run.make()
            finally:
                self._make_room(run)
            if not (run.made and await run.settle()):
                await self._lost(run)
        except Exception:
            log.exception("the background response %s failed", run.id)
            mine = ResponseRun(run.id, self._presence.id, started=True)
            await insist(lambda: self._fail(mine, Internal("the gateway failed; see its log")))
            await self._lost(run)
        finally:
            self._runs.pop(run.id, None)

    async def _lost(self, run: BackgroundRun) -> None:
        """Tell its readers how somebody else has ended it."""
        stored = await insist(lambda: self._store.responses.get(run.id))
        run.task = None
        run.cut(None if stored is None else stored.response)

    def _cut(self, run: BackgroundRun, body: bytes | None) -> None:
        """Stop one that was ended by somebody else: with this object, or by a deletion."""
        if run in self._waiting:
            self._waiting.remove(run)
        self._runs.pop(run.id, None)
        run.cut(body)

    async def _cancel(self, id: str) -> JsonObject:
        """The response after it was cancelled, or as it had ended before."""
        kept = self._runtime.responses
        for _ in range(_TRIES):
            await self._bury(id)
            response = await kept.act("retrieve", id, {})
            if response.get("background") is not True:
                return await kept.act("cancel", id, {})
            try:
                found = await self._store.runs.get(id)
                if found is None:
                    return await kept.act("retrieve", id, {})
                body = ended_response(dumps(response), "cancelled")
                if not await self._store.runs.finish(id, found.owner, body):
                    continue  # it ended or changed hands at this moment
            except StateError as error:
                raise Internal(f"the response cannot be cancelled: {error}") from error
            run = self._runs.get(id)
            if run is not None:
                task = run.task
                self._cut(run, body)
                if task is not None:  # its upstream is closed when the client is told
                    await asyncio.wait((task,), timeout=CLOSING_SECONDS)
            return loads_object(body)
        raise not_kept(id)

    async def _bury(self, id: str) -> None:
        """End a response whose process died while it made it."""
        try:
            run = await self._store.runs.get(id)
            if run is not None and run.started and not await self._presence.is_alive(run.owner):
                await self._fail(run, _died())
        except StateError:
            return  # who asks for the response will be told

    async def _look(self) -> None:
        mine = {id: run for id, run in self._runs.items() if not run.made}
        there = {run.id for run in await self._store.runs.all()}
        for id, run in mine.items():
            if id in there or run.made or self._runs.get(id) is not run:
                continue
            stored = await self._store.responses.get(id)
            self._cut(run, None if stored is None else stored.response)

    async def _take_over(self) -> None:
        runs = await self._store.runs.all()
        alive = {owner: await self._presence.is_alive(owner) for owner in {r.owner for r in runs}}
        for run in runs:
            if alive[run.owner]:
                continue
            try:
                if run.started:
                    await self._fail(run, _died())
                else:
                    await self._resume(run)
            except StateError:
                raise
            except Exception:  # of a damaged one; the others are not to wait for it
                log.exception("the background response %s was not taken over", run.id)

    async def _resume(self, found: ResponseRun) -> None:
        """Begin what a dead process had not."""
        stored = await self._store.responses.get(found.id)
        if stored is None:
            return
        if time.time() - stored.created > OLDEST_START:
            await self._fail(found, UpstreamTimeout("the response waited too long for a gateway"))
            return
        packed = await self._store.runs.request(found.id)
        try:
            request = await asyncio.to_thread(unpack_request, packed, stored)
        except (GatewayError, ValueError, KeyError, TypeError):
            reason = Internal("the request was stored by another version of the gateway")
            await self._fail(found, reason)
            return
        await self._presence.announce()
        if await self._store.runs.take(found, self._presence.id):
            log.info("the background response %s waited in a process that is gone", found.id)
            writer = BackgroundWriter(request, request.model, stored.id, stored.created)
            self._begin(BackgroundRun(self._runtime, self._store, writer))

    async def _fail(self, run: ResponseRun, reason: GatewayError) -> None:
        stored = await self._store.responses.get(run.id)
        if stored is not None:
            body = ended_response(stored.response, "failed", reason)
            if await self._store.runs.finish(run.id, run.owner, body):
                log.warning("the background response %s failed: %s", run.id, reason.message)


def _died() -> GatewayError:
    return Internal(
        "the gateway ended before the response was complete (its process was killed, or the "
        "machine was switched off); ask again"
    )
