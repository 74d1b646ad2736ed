"""Runs the requests of message batches, a few at a time, for as long as the gateway serves.

Each request is a turn like any other: routed, logged, told to observers. Whoever begins one has
marked it in the store before, so of several processes only one runs it. It is never begun a second
time, with one exception: a provider that refused it (see `gateway_core.batches.patience`) has done
nothing. What is cut in the middle is therefore an error that says so, by the process itself when it
is stopped, and by the next that looks when it was killed.
"""

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from gateway_core.batches.patience import MOST_TRIES, Patience, is_refusal
from gateway_core.endpoint import known_error
from gateway_core.errors import GatewayError, Internal
from gateway_core.exchange import Turn
from gateway_core.formats import anthropic
from gateway_core.formats.anthropic.batches import errored_result, succeeded_result
from gateway_core.json import loads_object
from gateway_core.state.store import ClaimedRequest, StateError

if TYPE_CHECKING:
    from gateway_core.runtime import Runtime

__all__ = ["BatchWorker"]

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
"""How often what other processes have left, and what ran out of time, is looked for."""
PRUNE_SECONDS = 3600.0
"""How often results that are too old are removed."""
GRACE_SECONDS = 2.0
"""How long a stop waits for what runs, as for open answers."""
RETRY_SECONDS = 5.0
"""When a result is put again that the store did not take."""
_LOG_NAME: Final = "batches"
_CUT: Final = (
    "the gateway was stopped while it ran this request; whether the model has answered is not "
    "known, so it was not begun again"
)


class _Outcome(NamedTuple):
    state: Literal["succeeded", "errored"]
    result: bytes


class BatchWorker:
    """The one worker of a process. Does nothing until `start`."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime
        self._batches = runtime.batches
        self._store = runtime.batches.store
        self._owner = runtime.presence.id
        self._at_once = runtime.settings.batches.at_once
        self._patience = Patience()
        self._running: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._announced = False
        self._told: str | None = None

    def start(self) -> None:
        """Run what waits, and whatever comes, until `aclose`."""
        self._tasks = [asyncio.create_task(self._work()), asyncio.create_task(self._prune())]

    async def aclose(self) -> None:
        """Begin nothing more, wait a moment for what runs, and cut the rest."""
        if not self._tasks:
            return
        working, pruning = self._tasks
        self._stopping = True
        self._batches.news.set()
        pruning.cancel()
        await asyncio.wait({working, pruning})
        if self._running:
            await asyncio.wait(self._running, timeout=GRACE_SECONDS)
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=GRACE_SECONDS)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        look_at = loop.time()
        while not self._stopping:
            self._batches.news.clear()
            now = loop.time()
            try:
                if now >= look_at:
                    look_at = now + LOOK_SECONDS
                    await self._look_after()
                await self._begin_some()
            except StateError as error:
                self._tell(error)
            except Exception:
                log.exception("message batches were not looked after")
            held_until = self._patience.next_end(now)
            wake_at = look_at if held_until is None else min(look_at, held_until)
            try:
                async with asyncio.timeout_at(wake_at):
                    await self._batches.news.wait()
            except TimeoutError:
                continue

    async def _prune(self) -> None:
        while True:
            try:
                await self._batches.prune()
            except StateError as error:
                self._tell(error)
            await asyncio.sleep(PRUNE_SECONDS)

    async def _look_after(self) -> None:
        """Give up what ran out of time, and what was cut in the middle by the end of a process."""
        await self._store.expire(time.time())
        for owner in await self._store.owners():
            if not await self._runtime.presence.is_alive(owner):
                cut = errored_result(Internal(_CUT), None)
                number = await self._store.abandon(owner, cut, time.time())
                log.warning("%d requests of message batches were cut by a stop", number)

    async def _begin_some(self) -> None:
        while len(self._running) < self._at_once and not self._stopping:
            claimed = await self._claim()
            if claimed is None:
                return
            if self._stopping:
                await self._store.release(claimed, self._owner, time.time())
                return
            task = asyncio.create_task(self._run(claimed))
            self._running.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._batches.news.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a request of a message batch has no result", exc_info=error)

    async def _claim(self) -> ClaimedRequest | None:
        """The next request that this process may run; leaves no trace when there is none."""
        held_models: list[str] = []
        held = self._patience.held(asyncio.get_running_loop().time())
        if held or not self._announced:
            models = await self._store.models()
            if not models:
                return None
            await self._runtime.presence.announce()
            self._announced = True
            held_models = [model for model in models if self._provider(model) in held]
        return await self._store.claim(self._owner, held_models, time.time())

    def _provider(self, model: str) -> str | None:
        try:
            return self._runtime.router.resolve(model).provider
        except GatewayError:
            return None

    async def _run(self, claimed: ClaimedRequest) -> None:
        """Run a request to its end, and keep what came of it."""
        outcome = await self._outcome(claimed)
        while True:
            try:
                if outcome is None:
                    await self._store.release(claimed, self._owner, time.time())
                else:
                    await self._store.finish(claimed, self._owner, *outcome, time.time())
                return
            except StateError as error:
                self._tell(error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _outcome(self, claimed: ClaimedRequest) -> _Outcome | None:
        """The result of a request; None when it is to wait again."""
        id = f"{claimed.batch}_{claimed.place}"
        turn: Turn | None = None
        error: GatewayError | None = None
        message = None
        try:
            request = anthropic.FORMAT.read_request(loads_object(claimed.request), {})
            turn = Turn(self._runtime, request, id)
            await turn.prepare()
            response = await turn.collect()
            message = anthropic.FORMAT.writer(request, request.model).body(response)
        except asyncio.CancelledError:
            error = _stopped()
        except Exception as raised:
            error = known_error(raised, id)
        if turn is not None:
            status = 200 if error is None else anthropic.FORMAT.error_status(error)
            turn.finish(_LOG_NAME, status, error)
        if error is not None:
            return self._failure(claimed, turn, error, id)
        assert message is not None and turn is not None and turn.route is not None
        self._patience.answered(turn.route.provider)
        return _Outcome("succeeded", succeeded_result(message))

    def _failure(
        self, claimed: ClaimedRequest, turn: Turn | None, error: GatewayError, id: str
    ) -> _Outcome | None:
        if turn is not None and turn.route is not None and is_refusal(error) and not turn.answered:
            now = asyncio.get_running_loop().time()
            self._patience.refused(turn.route.provider, error, now)
            if claimed.tries + 1 < MOST_TRIES:
                return None
        return _Outcome("errored", errored_result(error, id))

    def _tell(self, error: StateError) -> None:
        """Log a failure, the same one once."""
        text = str(error)
        level = logging.DEBUG if text == self._told else logging.WARNING
        self._told = text
        log.log(level, "message batches do not go on (%s)", text)


def _stopped() -> Internal:
    """Called when the worker cancels a request because it stops: its task goes on for the moment
    that it takes to keep this.
    """
    task = asyncio.current_task()
    assert task is not None
    task.uncancel()
    return Internal(_CUT)
