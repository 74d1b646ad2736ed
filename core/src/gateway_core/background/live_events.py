"""The events of an answer that is being made, for any number of clients that read along.

Clients come and go and read at their own pace; the answer waits for none of them. What was written
first is let go when it grows too much.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence

from gateway_core.formats.responses.replay import NumberedEvent

__all__ = ["LARGEST_BUFFER", "LiveEvents"]

LARGEST_BUFFER = 8_000_000
"""Bytes of events that are held for clients that come later: those of some 40,000 deltas."""
_LARGEST_BATCH = 500


class LiveEvents:
    """The events of one answer; their numbers are their places. `over` says that no more come."""

    def __init__(self) -> None:
        self.over = False
        self._events: deque[bytes] = deque()
        self._first = 0
        self._size = 0
        self._news = asyncio.Event()

    @property
    def next(self) -> int:
        """The number that the next event will have."""
        return self._first + len(self._events)

    def add(self, events: Sequence[bytes]) -> None:
        """Events that were written, in their order."""
        if not events or self.over:
            return
        self._events.extend(events)
        self._size += sum(map(len, events))
        # However large they are, who has read all before them can read these.
        while self._size > LARGEST_BUFFER and len(self._events) > len(events):
            self._size -= len(self._events.popleft())
            self._first += 1
        self._wake()

    def end(self, events: Sequence[bytes] = ()) -> None:
        """The last events; later ones are left out."""
        self.add(events)
        self.over = True
        self._wake()

    async def after(self, number: int) -> AsyncIterator[list[NumberedEvent]]:
        """The events behind this number as they come, until the last.

        Ends early, before what is over, when the next event was let go: it can be asked for again
        when the answer is complete.
        """
        place = number + 1
        while True:
            news = self._news
            if place < self._first:
                return
            start = place - self._first
            stop = min(start + _LARGEST_BATCH, len(self._events))
            batch = [
                NumberedEvent(self._first + index, self._events[index])
                for index in range(start, stop)
            ]
            if batch:
                place = batch[-1].number + 1
                yield batch
            elif self.over:
                return
            else:
                await news.wait()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
