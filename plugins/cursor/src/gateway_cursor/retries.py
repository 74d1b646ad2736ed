"""What a run can be tried again with after the server refused it, and under which id.

Only what another form of the same turn may mend is decided here; what the same call may get over by
itself (a busy server, a broken connection) is the core's to try again. Nothing does I/O.
"""

import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from gateway_cursor.connect import EndOfStream
from gateway_cursor.errors import is_bare_exhaustion, is_lost_blob
from gateway_cursor.plan import RunPlan, RunStart
from gateway_cursor.proto import agent_pb2 as pb

__all__ = ["Attempts", "Conversations", "under_id"]

MOST_ROTATIONS: Final = 3
_REFUSED: Final = frozenset({31, 36})  # CLAUDE_IMAGE_TOO_LARGE, BAD_REQUEST
_REMEMBERED: Final = 1024
_WINDOW: Final = 200_000


def _random_id() -> str:
    return str(uuid.uuid4())


class Conversations:
    """The ids under which conversations run. The server keeps state under an id, so that two runs
    at once must not share one, and one whose state went bad must not be used again.

    fresh: makes an id that nobody has.
    """

    def __init__(self, fresh: Callable[[], str] = _random_id) -> None:
        self._fresh = fresh
        self._used: set[str] = set()
        self._replaced: OrderedDict[str, str] = OrderedDict()

    def claim(self, conversation: str) -> str:
        """The id for a run of this conversation: its own, unless a run is using that now. To be
        given back with `release`.
        """
        own = self.current(conversation)
        claimed = self._fresh() if own in self._used else own
        self._used.add(claimed)
        return claimed

    def release(self, claimed: str) -> None:
        """The run under this id does nothing more."""
        self._used.discard(claimed)

    def replace(self, conversation: str) -> None:
        """Give the conversation a new id from now on."""
        self._replaced[conversation] = self._fresh()
        self._replaced.move_to_end(conversation)
        if len(self._replaced) > _REMEMBERED:
            self._replaced.popitem(last=False)

    def current(self, conversation: str) -> str:
        """The id that is the conversation's own."""
        return self._replaced.get(conversation, conversation)


@dataclass(slots=True)
class Attempts:
    """The tries of one turn: `start` is what to begin the next run with."""

    plan: RunPlan
    conversations: Conversations
    start: RunStart = field(init=False)
    _is_text: bool = False
    _lost_blob: bool = False
    _rotations: int = 0

    def __post_init__(self) -> None:
        self.start = self.plan.start

    def mend(self, failure: EndOfStream) -> bool:
        """Whether to try again with what `start` is now, after a run failed with nothing shown.

        The conversation has a new id then: whatever was wrong may be wrong with what the server
        remembers.
        """
        if failure.retryable is False or not self._change(failure):
            return False
        self.conversations.replace(self.plan.conversation)
        return True

    def _change(self, failure: EndOfStream) -> bool:
        plan = self.plan
        if failure.code == "invalid_argument" or failure.number in _REFUSED:
            if self._is_text or plan.as_text is None:
                return False
            self._is_text = True
            self.start = plan.as_text()
            return True
        if is_lost_blob(failure):
            again, self._lost_blob = not self._lost_blob, True
            return again
        if is_bare_exhaustion(failure) and not _is_long(plan):
            self._rotations += 1
            return self._rotations <= MOST_ROTATIONS
        return False


def _is_long(plan: RunPlan) -> bool:
    """Whether the prompt may be what is too much."""
    return plan.estimate is not None and plan.estimate >= (plan.window or _WINDOW) / 2


def under_id(start: RunStart, conversation: str) -> RunStart:
    """The same start of a run with another conversation id."""
    if start.request.conversation_id == conversation:
        return start
    request = pb.AgentRunRequest()
    request.CopyFrom(start.request)
    request.conversation_id = conversation
    if request.HasField("conversation_group_id"):
        request.conversation_group_id = conversation
    return replace(start, request=request)
