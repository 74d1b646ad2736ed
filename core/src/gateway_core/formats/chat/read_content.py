"""Content parts of chat messages to canonical parts.

Knows one part at a time: not the message around it, not the conversation. Parts of a type that is
not known become `Foreign`; known ones that lack what makes them raise `InvalidRequest`.
"""

from base64 import b64decode, b64encode
from typing import Any
from urllib.parse import unquote_to_bytes

from gateway_core.content import Extras, Foreign, Media, MediaKind, Text
from gateway_core.errors import InvalidRequest
from gateway_core.formats.base import optional, required
from gateway_core.json import JsonObject

__all__ = ["FORMAT_NAME", "as_object", "read_content", "read_image"]

FORMAT_NAME = "chat"

_AUDIO_TYPES = {"mp3": "audio/mpeg", "mpeg": "audio/mpeg", "m4a": "audio/mp4"}
_FILE_TYPES = {
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "json": "application/json",
}


def read_content(value: Any, path: str) -> list[Text | Media | Foreign]:
    """A `content` field: null, a string, or a list of parts. Empty text yields no part.

    path: where the field is (`messages[1].content`). Raises `InvalidRequest`.
    """
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [Text(value)]
    if not isinstance(value, list):
        raise InvalidRequest(
            f"{path}: expected a string or a list of parts, got {type(value).__name__}", param=path
        )
    parts = (_read_part(item, f"{path}[{index}]") for index, item in enumerate(value))
    return [part for part in parts if not (isinstance(part, Text) and not part.text)]


def as_object(value: Any, path: str) -> JsonObject:
    """The value if it is an object. Raises `InvalidRequest` naming `path` otherwise."""
    if not isinstance(value, dict):
        raise InvalidRequest(f"{path}: expected an object, got {type(value).__name__}", param=path)
    return value


def read_image(part: JsonObject, path: str) -> Media:
    """An `image_url` part, or an entry of the `images` extension of assistant messages."""
    return _read_url(part, "image", path)


def _read_part(value: Any, path: str) -> Text | Media | Foreign:
    if isinstance(value, str):
        return Text(value)
    part = as_object(value, path)
    kind = required(part, "type", str, f"{path}.")
    if kind == "text":
        return Text(required(part, "text", str, f"{path}."), extras=_cache_control(part))
    if kind == "image_url":
        return _read_url(part, "image", path)
    if kind == "file":
        return _read_file(part, path)
    if kind == "input_audio":
        return _read_audio(part, path)
    if kind == "refusal":
        return Text(required(part, "refusal", str, f"{path}."), refusal=True)
    if kind == "video_url":
        return _read_url(part, "video", path)
    return Foreign(FORMAT_NAME, kind, part)


def _cache_control(part: JsonObject) -> Extras | None:
    """Anthropic's cache marks, which clients of routers put on chat parts."""
    mark = part.get("cache_control")
    return {"anthropic": {"cache_control": mark}} if isinstance(mark, dict) else None


def _read_url(part: JsonObject, kind: MediaKind, path: str) -> Media:
    field = f"{kind}_url"
    holder = part.get(field)
    if isinstance(holder, str):  # the short form that some clients send
        holder = {"url": holder}
    holder = as_object(holder, f"{path}.{field}")
    extras = _cache_control(part) or {}
    file = optional(holder, "file_id", str, f"{path}.{field}.")
    if file is not None and holder.get("url") is None:
        return Media(kind, file=file, extras=extras or None)
    url = required(holder, "url", str, f"{path}.{field}.")
    detail = optional(holder, "detail", str, f"{path}.{field}.")
    if detail is not None:
        extras[FORMAT_NAME] = {"detail": detail}
    if url[:5].lower() != "data:":
        return Media(kind, url=url, extras=extras or None)
    type_, data = _split_data_url(url, f"{path}.{field}.url")
    return Media(kind, type_, data=data, extras=extras or None)


def _split_data_url(url: str, path: str) -> tuple[str | None, str]:
    """Media type and base64 data of a `data:` URL."""
    head, comma, data = url[5:].partition(",")
    if not comma or not data:
        raise InvalidRequest(f"{path}: a data URL needs a comma and data after it", param=path)
    type_, *parameters = head.split(";")
    if "base64" not in (parameter.strip().lower() for parameter in parameters):
        data = b64encode(unquote_to_bytes(data)).decode()
    return type_.strip().lower() or None, data


def _read_audio(part: JsonObject, path: str) -> Media:
    path = f"{path}.input_audio"
    audio = as_object(part.get("input_audio"), path)
    data = required(audio, "data", str, f"{path}.")
    format_ = required(audio, "format", str, f"{path}.")
    return Media("audio", _AUDIO_TYPES.get(format_, f"audio/{format_}"), data=data)


def _read_file(part: JsonObject, path: str) -> Media:
    path = f"{path}.file"
    file = as_object(part.get("file"), path)
    name = optional(file, "filename", str, f"{path}.")
    id_ = optional(file, "file_id", str, f"{path}.")
    data = optional(file, "file_data", str, f"{path}.")
    extras = _cache_control(part)
    if data is None:
        if id_ is None:
            raise InvalidRequest(f"{path}: file_data or file_id is required", param=path)
        return Media("document", name=name, file=id_, extras=extras)
    if data.startswith(("https://", "http://")):
        return Media("document", name=name, url=data, extras=extras)
    if data[:5].lower() == "data:":
        type_, data = _split_data_url(data, f"{path}.file_data")
    else:
        ending = (name or "").rpartition(".")[2].lower()
        type_ = _FILE_TYPES.get(ending, "application/pdf")
    if type_ == "text/plain":
        data = _decode_text(data, f"{path}.file_data")
    return Media("document", type_, name, data, extras=extras)


def _decode_text(data: str, path: str) -> str:
    try:
        return b64decode(data, validate=True).decode()
    except ValueError as error:
        raise InvalidRequest(f"{path}: not base64 of UTF-8 text", param=path) from error
