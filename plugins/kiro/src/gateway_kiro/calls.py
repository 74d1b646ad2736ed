"""Tool calls of an answer: fragments gathered until a call is complete, or known to be cut off.

The service sends the input of a call as fragments of one JSON text, and is known to cut long ones
off while the answer seems to end well. So a call is handed on whole or not at all.
"""

from dataclasses import dataclass, field

from gateway_core import JsonObject
from gateway_core.json import dumps_text, loads

__all__ = ["CompleteCall", "ToolCalls"]


@dataclass(slots=True, frozen=True)
class CompleteCall:
    """A call as the model made it. `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(slots=True)
class _Call:
    name: str
    fragments: list[str] = field(default_factory=list)
    stopped: bool = False

    @property
    def arguments(self) -> str:
        return "".join(self.fragments) or "{}"


class ToolCalls:
    """`take` each event about a call; what it gives are the calls completed by it, in the order in
    which the calls began. `cut` is set as soon as the input of a call is known to be incomplete.
    """

    __slots__ = ("_current", "_done", "_open", "cut")

    def __init__(self) -> None:
        self._open: dict[str, _Call] = {}
        self._done: set[str] = set()
        self._current = ""
        self.cut: str | None = None

    def take(self, event: JsonObject) -> list[CompleteCall]:
        """One `toolUseEvent`. Without an id it belongs to the call before it; a call that comes
        again after it was complete counts once.
        """
        given = event.get("toolUseId")
        id = given if isinstance(given, str) and given else self._current
        if not id or id in self._done:
            return []
        self._current = id
        call = self._open.get(id)
        if call is None:
            call = self._open[id] = _Call("")
        name = event.get("name")
        if not call.name and isinstance(name, str):
            call.name = name
        fragment = event.get("input")
        if isinstance(fragment, str):
            if fragment:
                call.fragments.append(fragment)
        elif isinstance(fragment, dict) and fragment:
            # A growing object replaces what there was; an empty one at the start says nothing.
            call.fragments = [dumps_text(fragment)]
        if event.get("stop") is not True:
            return []
        call.stopped = True
        return self._complete()

    def end(self) -> list[CompleteCall]:
        """The calls left when the answer is over: those never stopped count if they are whole."""
        for call in self._open.values():
            call.stopped = True
        return self._complete()

    def _complete(self) -> list[CompleteCall]:
        complete = []
        while self._open and self.cut is None:
            id, call = next(iter(self._open.items()))
            if not call.stopped:
                break
            arguments = call.arguments
            if not call.name or not _is_json(arguments):
                self.cut = call.name or "?"
                break
            complete.append(CompleteCall(id, call.name, arguments))
            self._done.add(id)
            del self._open[id]
        return complete


def _is_json(text: str) -> bool:
    try:
        loads(text)
    except ValueError:
        return False
    return True
