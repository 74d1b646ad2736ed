"""An answer in the Responses format that is made in the background.

Differs from one that a client waits for: it is queued before it begins, it is stored however it
ends, and the course of its events is noted, so that `replay` can tell them again under the same
numbers.
"""

from gateway_core.errors import GatewayError
from gateway_core.events import Close, Partial
from gateway_core.formats.responses.output_items import WrittenResponse, failure_of
from gateway_core.formats.responses.write_stream import StreamWriter
from gateway_core.json import JsonObject, dumps, loads_object
from gateway_core.request import Request

__all__ = ["BackgroundWriter", "ended_response"]


class BackgroundWriter(StreamWriter):
    """Writes one answer as bare JSON events: `queue`, `begin`, then `events` as they come.

    After each of them that changes its status, `written` is the response object.
    """

    __slots__ = ("_lengths", "_starts")

    def __init__(
        self,
        request: Request,
        model: str,
        response_id: str | None = None,
        created_at: int | None = None,
    ) -> None:
        super().__init__(request, model, response_id, created_at)
        self._stored = True
        self._starts: list[int] = []
        self._lengths: dict[int, list[int]] = {}

    def queue(self) -> list[bytes]:
        """The events of an answer that is not begun yet."""
        out = self._out = []
        self._framed = False
        waiting = {"status": "queued", "error": None, "incomplete_details": None}
        self._emit_response("response.created", waiting, None)
        self._emit_response("response.queued", waiting, None)
        return out

    def begin(self) -> list[bytes]:
        """The event of the beginning."""
        out = self._out = []
        self._framed = False
        self._state = "running"
        going = {"status": "in_progress", "error": None, "incomplete_details": None}
        self._emit_response("response.in_progress", going, None)
        return out

    def course(self) -> bytes:
        """How the answer came so far, for `replay`: JSON."""
        items = [
            [index, self._starts[index], *self._lengths.get(index, ())]
            for index, item in enumerate(self._items)
            if item
        ]
        return dumps({"last": self._sequence - 1, "items": items})

    def _stored_as(self, id: str) -> None:
        """The client knows the answer by the id of its beginning, whoever else stores it."""

    def _added(self, item: JsonObject) -> None:
        self._starts.append(self._sequence)
        super()._added(item)

    def _partial(self, partial: Partial) -> None:
        super()._partial(partial)
        index, _ = self._partials[partial.id]
        self._lengths.setdefault(index, []).append(0)  # it is not told again, but counted

    def _close(self, close: Close, status: str = "completed") -> None:
        self._lengths[self._index] = [len(piece) for piece in self._pieces]
        super()._close(close, status)

    def _emit_envelope(self, name: str, envelope: bytes) -> None:
        super()._emit_envelope(name, envelope)
        self.written = WrittenResponse(self._id, self._created_at, envelope)


def ended_response(body: bytes, status: str, error: GatewayError | None = None) -> bytes:
    """A response object that has not ended, as one that has without an answer."""
    failure = None if error is None else failure_of(error)
    return dumps({**loads_object(body), "status": status, "error": failure})
