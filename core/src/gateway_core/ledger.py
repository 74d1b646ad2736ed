"""The usage ledger: what each request cost, for `gateway usage`.

A request is noted at its end, at the price of one object, and written with its neighbours a moment
later: a killed process may forget its last second. No prompt and no answer is in it.
"""

import asyncio
import logging
import time
from collections import deque
from typing import TYPE_CHECKING

from gateway_core.events import Usage
from gateway_core.state.store import StateError, StateStore, UsageRecord

if TYPE_CHECKING:
    from gateway_core.provider import Exchange

__all__ = ["UsageLedger"]

log = logging.getLogger(__name__)

WRITE_SECONDS = 1.0
"""How long a request may wait for others to be written with it."""
PRUNE_SECONDS = 3600.0
MOST_WAITING = 10_000
"""Requests that wait for a store that fails; beyond them the oldest are forgotten."""
LONGEST_NAME = 200
"""Characters of a model's name: clients may ask for anything."""
MOST_TOKENS = 10**12
_DAY = 86_400.0


class UsageLedger:
    """Writes down the requests of one process. days: how long they are kept; 0 keeps none."""

    def __init__(self, store: StateStore, days: float) -> None:
        self._store = store
        self._days = days
        self._waiting: deque[UsageRecord] = deque(maxlen=MOST_WAITING)
        self._something_waits = asyncio.Event()
        self._adding: asyncio.Task[None] | None = None
        self._told: str | None = None

    def note(self, exchange: "Exchange") -> None:
        """Take down a request that has ended. Not counted is one that no provider was asked: none
        was found, it was refused here, or it needed no answer, as a warm-up does not.
        """
        if not self._days or not exchange.provider or not exchange.asked:
            return
        usage = exchange.usage or Usage()
        self._waiting.append(
            UsageRecord(
                at=exchange.started_at.timestamp(),
                format=exchange.format,
                provider=exchange.provider,
                account=exchange.account_label or exchange.account,
                model=exchange.model[:LONGEST_NAME],
                status=exchange.status,
                error=exchange.error,
                input=_tokens(usage.input),
                cache_read=_tokens(usage.cache_read),
                cache_write=_tokens(usage.cache_write),
                output=_tokens(usage.output),
                reasoning=_tokens(usage.reasoning),
                first_event=exchange.first_event,
                duration=exchange.duration,
            )
        )
        self._something_waits.set()

    async def keep_writing(self) -> None:
        """Until cancelled: write what waits, and remove what is too old at once and each hour."""
        prune_at = 0.0
        while True:
            if time.monotonic() >= prune_at:
                prune_at = time.monotonic() + PRUNE_SECONDS
                await self.prune()
            try:
                left = prune_at - time.monotonic()
                # Not `wait_for`, which may lose a cancellation in Python 3.11.
                async with asyncio.timeout(left):
                    await self._something_waits.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(WRITE_SECONDS)
            await self.write()

    async def write(self) -> None:
        """Write what waits; what cannot be written waits on. Whoever is cancelled here leaves a
        write that goes on, and that the next one waits for.
        """
        if self._adding is not None:
            await asyncio.shield(self._adding)
        self._something_waits.clear()
        records = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if records:
            self._adding = asyncio.create_task(self._add(records))
            await asyncio.shield(self._adding)

    async def prune(self) -> int:
        """Remove what is too old; how many requests those were."""
        try:
            return await self._store.usage.prune(time.time() - self._days * _DAY)
        except StateError as error:
            self._tell(error)
        except Exception:
            log.exception("usage that is too old was not removed")
        return 0

    async def _add(self, records: list[UsageRecord]) -> None:
        try:
            await self._store.usage.add(records)
        except StateError as error:
            records += self._waiting
            self._waiting.clear()
            self._waiting.extend(records)  # from the right, so that the oldest are forgotten
            self._tell(error)
        except Exception:  # what a store cannot take once it cannot take again
            log.exception("usage of %d requests was not written down", len(records))

    def _tell(self, error: StateError) -> None:
        """Log a failure, the same one once."""
        text = str(error)
        level = logging.DEBUG if text == self._told else logging.WARNING
        self._told = text
        log.log(level, "usage is not written down (%s)", text)


def _tokens(told: object) -> int | None:
    """A number of tokens, if it is one: upstreams say what they like, and a store that cannot take
    one record would take none after it.
    """
    return told if type(told) is int and 0 <= told <= MOST_TOKENS else None
