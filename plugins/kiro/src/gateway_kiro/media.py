"""Images and documents in the service's form; what it cannot take is refused by name. Pure."""

import binascii
from base64 import b64decode
from typing import Final

from gateway_core import JsonObject, Media, Text, Unsupported
from gateway_core.text_documents import text_document as as_text

__all__ = ["document", "image", "text_document"]

_HEADS: Final = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
)
_IMAGES: Final = {"image/png", "image/jpeg", "image/jpg", "image/gif", "image/webp"}
_FORMATS: Final = ("csv", "doc", "docx", "html", "md", "pdf", "txt", "xls", "xlsx")
_DOCUMENTS: Final = {
    "application/msword": "doc",
    "application/pdf": "pdf",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "text/plain": "txt",
    "text/x-markdown": "md",
}


def image(media: Media, path: str) -> JsonObject:
    """An entry of `images`. The format is the one that the bytes show, as the service insists.

    Raises `Unsupported` for other formats, and for images that are not inline.
    """
    data = _inline(media, path)
    format = _sniffed(data)
    if format is None and (media.type or "").lower() in _IMAGES:
        format = (media.type or "").lower().removeprefix("image/").replace("jpg", "jpeg")
    if format is None:
        raise Unsupported(
            f"{path}: Kiro takes images as PNG, JPEG, GIF or WebP, not as {media.type!r}",
            param=path,
        )
    return {"format": format, "source": {"bytes": data}}


def document(media: Media, name: str, path: str) -> JsonObject:
    """An entry of `documents`, under a name that is free in its message.

    Raises `Unsupported` for other kinds of files, and for documents that are not inline.
    """
    data = _inline(media, path)
    format = _document_format(media)
    if format is None:
        known = ", ".join(_FORMATS)
        raise Unsupported(
            f"{path}: Kiro takes no documents of the type {media.type!r}, but {known}", param=path
        )
    return {"name": name, "format": format, "source": {"bytes": data}}


def text_document(media: Media) -> Text | None:
    """A document of plain text, or one that reads as text and that the service has no form for
    (code, JSON), as a text with its title; None for any other.
    """
    if media.type != "text/plain" and _document_format(media) is not None:
        return None
    return as_text(media)


def _document_format(media: Media) -> str | None:
    """The service's name for it; None for kinds of files that it does not know."""
    format = _DOCUMENTS.get((media.type or "").lower().partition(";")[0].strip())
    if format is None or format == "txt":
        ending = (media.name or "").rpartition(".")[2].lower()
        format = ending if ending in _FORMATS else format
    return format


def _inline(media: Media, path: str) -> str:
    if media.data is None:
        how = "by URL" if media.url else "by file id"
        raise Unsupported(
            f"{path}: Kiro takes no {media.kind} {how}: send it inline as base64", param=path
        )
    return media.data


def _sniffed(data: str) -> str | None:
    try:
        head = b64decode(data[:32] + "=" * (-len(data[:32]) % 4))
    except (binascii.Error, ValueError):
        return None
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    return next((format for start, format in _HEADS if head.startswith(start)), None)
