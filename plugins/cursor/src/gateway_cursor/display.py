"""What a run shows: to the client's turn that reads, or kept for the next one while none does.

What is shown are envelopes of the server, and a few of our own that tell the decoder the same way.
"""

from typing import Final

from gateway_cursor.connect import frame
from gateway_cursor.proto import agent_pb2 as pb

__all__ = ["LARGEST_QUEUE", "PROGRESS", "Display", "context_update", "text_update"]

LARGEST_QUEUE: Final = 8 * 1024 * 1024
"""Bytes for the next turn that a parked run keeps; one that has more to say is given up."""
PROGRESS: Final = frame(
    pb.AgentServerMessage(interaction_update=pb.InteractionUpdate()).SerializeToString()
)
"""Says nothing; keeps those who wait for the display from taking the run for dead."""


class Display:
    """The display of a run, turn by turn.

    visible: whether the turn has shown text, thoughts or a call.
    """

    __slots__ = ("_between", "_later", "_later_visible", "_now", "visible")

    def __init__(self) -> None:
        self.visible = False
        self._now = bytearray()
        self._later = bytearray()
        self._later_visible = False
        self._between = False

    def __bool__(self) -> bool:
        """Whether something lies here for the turn that reads."""
        return bool(self._now)

    @property
    def ever_visible(self) -> bool:
        """Whether this turn or the one to come has something for people to see."""
        return self.visible or self._later_visible

    def show(self, envelopes: bytes, *, visible: bool = False) -> bool:
        """Show something; False when it is more than may be kept for a turn to come."""
        if not self._between:
            self._now += envelopes
            self.visible = self.visible or visible
            return True
        self._later += envelopes
        self._later_visible = self._later_visible or visible
        return len(self._later) <= LARGEST_QUEUE

    def turn_over(self) -> None:
        """The turn ends with what was shown so far; what comes now is for the next one."""
        self._between = True

    def next_turn(self) -> None:
        """The next turn reads, and gets what was kept for it."""
        self._between = False
        self._now, self._later = self._later, bytearray()
        self.visible, self._later_visible = self._later_visible, False

    def take(self) -> bytes:
        """What the turn has not read yet."""
        data = bytes(self._now)
        self._now.clear()
        return data


def text_update(text: str) -> bytes:
    """A message in which the model says this."""
    update = pb.InteractionUpdate(text_delta=pb.TextDeltaUpdate(text=text))
    return pb.AgentServerMessage(interaction_update=update).SerializeToString()


def context_update(tokens: pb.ConversationTokenDetails) -> bytes:
    """A checkpoint with the size of the context and nothing else of the conversation."""
    known = pb.ConversationStateStructure(token_details=tokens)
    return pb.AgentServerMessage(conversation_checkpoint_update=known).SerializeToString()
