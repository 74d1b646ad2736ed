"""Documents that are texts, as texts: for providers that take no documents.

Nothing is lost by it, so nobody is told. Code, JSON and the like have a hundred types, and clients
send half of them without any: what reads as UTF-8 is a text, whatever it is called. Pure; what is
no text stays as it is.
"""

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import replace
from operator import is_
from typing import Any, Final

from gateway_core.content import Media, Message, Text, ToolResult

__all__ = ["text_document", "text_documents"]

_MARKUP: Final = frozenset({"application/pdf", "application/postscript", "application/rtf"})
"""May read as UTF-8, but not as what they show."""
_MARKUP_STARTS: Final = ("%PDF-", "%!PS", "{\\rtf")
"""How they begin, whatever type they are sent as; many a `.doc` is RTF."""


def text_document(media: Media) -> Text | None:
    """An inline document that is a text as a text with its name; None for any other."""
    if media.kind != "document" or media.data is None:
        return None
    type_ = (media.type or "").lower().partition(";")[0].strip()
    if media.type == "text/plain":  # written like this it holds the text itself
        text = media.data
    elif type_ in _MARKUP or (read := _read(media.data)) is None:
        return None
    else:
        text = read
    return Text(f"{media.name}:\n{text}" if media.name else text)


def _read(data: str) -> str | None:
    """The text in base64; None for bytes that are none."""
    try:
        text = b64decode(data, validate=True).decode()
    except ValueError:
        return None
    begins = text[:64].lstrip("\ufeff \t\r\n")
    return None if "\0" in text or begins.startswith(_MARKUP_STARTS) else text


def text_documents(messages: Sequence[Message]) -> list[Message]:
    """The messages with such documents as texts, those in tool results too; a message that has none
    is the same object.
    """
    return [_with_texts(message) for message in messages]


def _with_texts(message: Message) -> Message:
    parts = [_told(part) for part in message.parts]
    return message if all(map(is_, parts, message.parts)) else replace(message, parts=parts)


def _told(part: Any) -> Any:
    if type(part) is Media:
        return text_document(part) or part
    if type(part) is ToolResult:
        content = [_told(inner) for inner in part.content]
        if not all(map(is_, content, part.content)):
            return replace(part, content=content)
    return part
