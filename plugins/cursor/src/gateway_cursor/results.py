"""The results that a request ends with, as answers to calls of a run that is held open. Pure."""

from collections.abc import Iterable

from gateway_cursor.entries import Entry, Picture, Piece
from gateway_cursor.media import result_image
from gateway_cursor.plan import CallResult
from gateway_cursor.proto import agent_pb2 as pb

__all__ = ["call_results"]


def call_results(entry: Entry | None) -> tuple[CallResult, ...]:
    """One result for each call that the entry answers, under the client's ids; of several for one
    call the last counts.

    A run that waits takes nothing but results: what the user says beside them is told at the end of
    the last one, between `<user_message>` tags. Raises like `result_image`.
    """
    if entry is None or entry.role != "user" or not entry.given:
        return ()
    given = {result.given: result for result in entry.given}
    found = [
        CallResult(id, _result(result.pieces, failed=result.failed)) for id, result in given.items()
    ]
    if entry.pieces:
        _tell(found[-1].result.success, entry.pieces)
    return tuple(found)


def _result(pieces: Iterable[Piece], *, failed: bool) -> pb.McpResult:
    success = pb.McpSuccess(content=_items(pieces), is_error=failed)
    if not success.content:
        # A success without content makes models go on with made-up results.
        success.content.append(_text(""))
    return pb.McpResult(success=success)


def _tell(success: pb.McpSuccess, pieces: Iterable[Piece]) -> None:
    images = [piece for piece in pieces if isinstance(piece, Picture)]
    text = "\n\n".join(piece for piece in pieces if isinstance(piece, str))
    if text:
        success.content.append(_text(f"<user_message>\n{text}\n</user_message>"))
    success.content.extend(_items(images))


def _items(pieces: Iterable[Piece]) -> list[pb.McpToolResultContentItem]:
    return [
        pb.McpToolResultContentItem(image=result_image(piece.media, piece.path))
        if isinstance(piece, Picture)
        else _text(piece)
        for piece in pieces
    ]


def _text(text: str) -> pb.McpToolResultContentItem:
    return pb.McpToolResultContentItem(text=pb.McpTextContent(text=text))
