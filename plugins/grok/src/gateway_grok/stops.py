"""Stop sequences, honoured on our side of the wire: xAI's Responses API is not known to take them.

Sans-IO. Sees the events of one answer and ends it where a sequence appears in its text.
"""

from collections.abc import Sequence

from gateway_core import Event, Text
from gateway_core.events import Close, Delta, End, Open

__all__ = ["StopFilter"]


class StopFilter:
    """Cuts an answer before the first of these sequences. `stopped` tells that it did. What the
    answer cost is then not known: xAI would have told it at the end.

    Text that may be the beginning of a sequence is held back until it is known. Only what the model
    says to the client counts, not its reasoning and not the arguments of calls.
    """

    def __init__(self, sequences: Sequence[str]) -> None:
        self.stopped = False
        self._sequences = [sequence for sequence in sequences if sequence]
        self._open: int | None = None
        self._held = ""

    def feed(self, events: Sequence[Event]) -> list[Event]:
        """The events up to the sequence, and then the end of the answer."""
        passed: list[Event] = []
        for event in events:
            if self.stopped:
                break
            kind = type(event)
            if kind is Delta and event.index == self._open:  # type: ignore[union-attr]  # kind says so
                self._text(event, passed)  # type: ignore[arg-type]  # as above
                continue
            if kind is Open:
                self._open = event.index if type(event.part) is Text else None  # type: ignore[union-attr]  # as above
            elif kind is Close and self._held:
                passed.append(Delta(event.index, self._held))  # type: ignore[union-attr]  # as above
                self._held = ""
            passed.append(event)
        return passed

    def _text(self, delta: Delta, passed: list[Event]) -> None:
        text = self._held + delta.text
        found = [(at, each) for each in self._sequences if (at := text.find(each)) >= 0]
        if found:
            at, sequence = min(found)
            if text[:at]:
                passed.append(Delta(delta.index, text[:at]))
            passed.append(Close(delta.index))
            passed.append(End("stop_sequence", stop_sequence=sequence))
            self.stopped = True
            return
        keep = max(_overlap(text, sequence) for sequence in self._sequences)
        self._held = text[len(text) - keep :]
        if said := text[: len(text) - keep]:
            passed.append(Delta(delta.index, said))


def _overlap(text: str, sequence: str) -> int:
    """How much of the text's end is the beginning of the sequence."""
    for length in range(min(len(text), len(sequence) - 1), 0, -1):
        if text.endswith(sequence[:length]):
            return length
    return 0
