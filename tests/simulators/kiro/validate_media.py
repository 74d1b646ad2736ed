"""What the service thinks of images and documents."""

import re
from base64 import b64decode
from collections.abc import Iterator
from typing import Any, Final

from gateway_core.json import JsonObject
from simulators.kiro.problem import Problem, unknown_members

__all__ = ["media_problems"]

_MAGIC: Final = {
    "png": (b"\x89PNG\r\n\x1a\n",),
    "jpeg": (b"\xff\xd8\xff",),
    "gif": (b"GIF87a", b"GIF89a"),
    "webp": (b"RIFF",),
}
_FORMATS: Final = ("csv", "doc", "docx", "html", "md", "pdf", "txt", "xls", "xlsx")
_DOCUMENT_NAME: Final = re.compile(r"[A-Za-z0-9_()\[\]-]+(?: [A-Za-z0-9_()\[\]-]+)*")
_MOST_IMAGES: Final = 20
_LARGEST_IMAGE: Final = 10_000_000
_LONGEST_NAME: Final = 200


def media_problems(message: JsonObject, place: str) -> Iterator[Problem]:
    """Problems of what is attached to one message of the user."""
    images = message.get("images", [])
    if len(images) > _MOST_IMAGES:
        yield Problem(f"{place} has too many images", "Too many images.", "IMAGE_COUNT_EXCEEDED")
    for image in images:
        yield from _image_problems(image, place)
    names: set[str] = set()
    for document in message.get("documents", []):
        name = document.get("name")
        yield from unknown_members(document, ("name", "format", "source"), f"{place}.documents")
        if not isinstance(name, str) or not _DOCUMENT_NAME.fullmatch(name):
            yield Problem(f"{place} has a document with the name {name!r}")
        elif len(name) > _LONGEST_NAME:
            yield Problem(f"{place} has a document with a long name")
        elif name in names:
            told = "Duplicate document name."
            yield Problem(f"{place} has {name!r} twice", told, "DOCUMENT_DUPLICATE_NAME")
        names.add(str(name))
        if document.get("format") not in _FORMATS:
            yield Problem(f"{place} has a document of the format {document.get('format')!r}")
        if not _data(document):
            yield Problem(f"{place} has a document without bytes")


def _image_problems(image: JsonObject, place: str) -> Iterator[Problem]:
    yield from unknown_members(image, ("format", "source"), f"{place}.images")
    magic = _MAGIC.get(str(image.get("format")))
    data = _data(image)
    if magic is None:
        told = "Unsupported image format."
        yield Problem(f"{place} has an image of no format", told, "IMAGE_FORMAT_UNSUPPORTED")
    elif data is None:
        yield Problem(f"{place} has an image without bytes")
    elif not data.startswith(magic):
        told = "The image is of another format."
        yield Problem(f"{place} has a mislabelled image", told, "IMAGE_MIME_MISMATCH")
    elif len(data) > _LARGEST_IMAGE:
        yield Problem(f"{place} has a large image", "Image is too large.", "IMAGE_SIZE_EXCEEDED")


def _data(media: JsonObject) -> bytes | None:
    source: Any = media.get("source")
    if not isinstance(source, dict) or source.keys() != {"bytes"}:
        return None
    try:
        return b64decode(source["bytes"], validate=True) or None
    except (ValueError, TypeError):
        return None
