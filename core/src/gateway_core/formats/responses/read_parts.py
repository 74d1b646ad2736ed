"""Content parts of Responses items, read into canonical text and media.

Knows parts only, neither items nor the request. Types that it does not know become `Foreign`; known
ones that lack a field or hold a wrong type raise `InvalidRequest` with the path of the field.
"""

import binascii
from base64 import b64decode
from typing import Any

from gateway_core.content import Citation, Foreign, Media, ResultPart, Text
from gateway_core.errors import InvalidRequest
from gateway_core.formats.base import optional, required
from gateway_core.formats.responses.schema import FORMAT_NAME, kept_fields
from gateway_core.json import JsonObject

__all__ = ["read_citations", "read_content"]

_AUDIO_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav"}
# What is told in other ways, or is only about the presentation of an answer.
_TEXT_KEYS = ("type", "text", "refusal", "annotations", "logprobs")


def read_content(content: Any, path: str) -> list[ResultPart]:
    """The parts of an item's content; `path` names it in errors. Empty texts are left out."""
    if isinstance(content, str):
        return [Text(content)] if content else []
    if not isinstance(content, list):
        raise InvalidRequest(
            f"{path}: expected a string or a list of parts, got {type(content).__name__}",
            param=path,
        )
    parts: list[ResultPart] = []
    for index, part in enumerate(content):
        at = f"{path}[{index}]"
        if not isinstance(part, dict):
            raise InvalidRequest(f"{at}: expected an object, got {type(part).__name__}", param=at)
        read = _read_part(part, f"{at}.")
        if read is not None:
            parts.append(read)
    return parts


def read_citations(annotations: Any) -> list[Citation] | None:
    """The cited URLs among a text's annotations, or None; other annotations are left out."""
    if not isinstance(annotations, list):
        return None
    citations = [
        Citation(
            url=annotation["url"],
            title=_text_or_none(annotation.get("title")),
            start=_int_or_none(annotation.get("start_index")),
            end=_int_or_none(annotation.get("end_index")),
        )
        for annotation in annotations
        if isinstance(annotation, dict)
        and annotation.get("type") == "url_citation"
        and isinstance(annotation.get("url"), str)
    ]
    return citations or None


def _read_part(part: JsonObject, path: str) -> ResultPart | None:
    kind = required(part, "type", str, path)
    if kind in ("input_text", "output_text", "text"):
        text = required(part, "text", str, path)
        if not text:
            return None
        citations = read_citations(part.get("annotations"))
        return Text(text, citations=citations, extras=kept_fields(part, _TEXT_KEYS))
    if kind == "refusal":
        text = required(part, "refusal", str, path)
        return Text(text, refusal=True) if text else None
    if kind == "input_image":
        return _read_image(part, path)
    if kind == "input_file":
        return _read_file(part, path)
    if kind == "input_audio":
        audio = required(part, "input_audio", dict, path)
        data = required(audio, "data", str, f"{path}input_audio.")
        format = required(audio, "format", str, f"{path}input_audio.")
        return Media("audio", type=_AUDIO_TYPES.get(format, f"audio/{format}"), data=data)
    return Foreign(FORMAT_NAME, kind, part)


def _read_image(part: JsonObject, path: str) -> Media:
    url = optional(part, "image_url", str, path)
    file = optional(part, "file_id", str, path)
    extras = kept_fields(part, ("type", "image_url", "file_id"))
    if url is None and file is None:
        raise InvalidRequest(
            f"{path}image_url: an image needs `image_url` or `file_id`", param=f"{path}image_url"
        )
    if url is not None and (inline := _read_data_url(url)) is not None:
        media_type, data = inline
        return Media("image", type=media_type, data=data, extras=extras)
    return Media("image", url=url, file=None if url is not None else file, extras=extras)


def _read_file(part: JsonObject, path: str) -> Media:
    name = optional(part, "filename", str, path)
    data = optional(part, "file_data", str, path)
    url = optional(part, "file_url", str, path)
    file = optional(part, "file_id", str, path)
    extras = kept_fields(part, ("type", "filename", "file_data", "file_url", "file_id"))
    if data is None:
        if url is None and file is None:
            raise InvalidRequest(
                f"{path}file_data: a file needs `file_data`, `file_url` or `file_id`",
                param=f"{path}file_data",
            )
        file = None if url is not None else file
        return Media("document", name=name, url=url, file=file, extras=extras)
    media_type, data = _read_data_url(data) or (_type_by_name(name), data)
    if media_type == "text/plain":
        try:
            data = b64decode(data, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise InvalidRequest(
                f"{path}file_data: expected UTF-8 text in base64: {error}", param=f"{path}file_data"
            ) from error
    return Media("document", type=media_type, name=name, data=data, extras=extras)


def _read_data_url(url: str) -> tuple[str, str] | None:
    """Media type and base64 data of a data URL; None for any other URL."""
    if not url.startswith("data:"):
        return None
    head, comma, data = url[5:].partition(",")
    media_type, *parameters = head.split(";")
    if not comma or "base64" not in parameters:
        return None
    return media_type or "text/plain", data


def _type_by_name(name: str | None) -> str | None:
    return "application/pdf" if name is not None and name.lower().endswith(".pdf") else None


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _int_or_none(value: object) -> int | None:
    return value if type(value) is int else None
