"""Canonical parts as content parts of chat messages, for an upstream."""

from base64 import b64encode
from collections.abc import Iterable, Sequence

from gateway_core.content import Foreign, Media, Part, Text
from gateway_core.errors import Unsupported
from gateway_core.formats.chat.read_content import FORMAT_NAME
from gateway_core.formats.chat.write_body import TEXT_GAP, image_url
from gateway_core.json import JsonObject

__all__ = ["join_texts", "write_content", "write_media"]

_AUDIO_FORMATS = {"audio/mpeg": "mp3", "audio/mp4": "m4a", "audio/x-wav": "wav"}


def join_texts(parts: Sequence[Part]) -> str:
    """The texts of an assistant message as one string: neighbours are joined as they are, and a
    blank line stands where something else was between them.
    """
    joined = ""
    last = -1
    for index, part in enumerate(parts):
        if isinstance(part, Text) and part.text:
            joined += (TEXT_GAP if joined and last != index - 1 else "") + part.text
            last = index
    return joined


def write_content(parts: Iterable[Part], *, cache_control: bool = False) -> str | list[JsonObject]:
    """Content of a user or tool message: a string for one plain text, a list of parts otherwise.

    cache_control: keep Anthropic's cache marks on the parts. Empty texts are left out, which some
    upstreams refuse. Raises `Unsupported` for a part that the format has no place for.
    """
    written: list[JsonObject] = []
    for part in parts:
        if isinstance(part, Text):
            if not part.text:
                continue
            item: JsonObject = {"type": "text", "text": part.text}
        elif isinstance(part, Media):
            item = write_media(part)
        elif isinstance(part, Foreign) and part.namespace == FORMAT_NAME:
            written.append(part.data)
            continue
        else:
            kind = part.kind if isinstance(part, Foreign) else type(part).__name__
            raise Unsupported(f"content of kind {kind!r} cannot be sent to this provider")
        mark = ((part.extras or {}).get("anthropic") or {}).get("cache_control")
        if cache_control and mark is not None:
            item["cache_control"] = mark
        written.append(item)
    if not written:
        return ""
    if len(written) == 1 and written[0].keys() == {"type", "text"}:
        text: str = written[0]["text"]
        return text
    return written


def write_media(media: Media) -> JsonObject:
    """A picture, document, audio or video as a content part. Raises `Unsupported`."""
    if media.kind == "image" and media.file is None:
        part = image_url(media)
        detail = ((media.extras or {}).get(FORMAT_NAME) or {}).get("detail")
        if detail is not None:
            part["image_url"]["detail"] = detail
        return part
    if media.kind == "video" and media.file is None:
        return {"type": "video_url", "video_url": {"url": media.url or _data_url(media)}}
    if media.kind == "audio" and media.data is not None:
        type_ = media.type or "audio/wav"
        format_ = _AUDIO_FORMATS.get(type_, type_.partition("/")[2])
        return {"type": "input_audio", "input_audio": {"data": media.data, "format": format_}}
    if media.kind == "document":
        file: JsonObject = {} if media.name is None else {"filename": media.name}
        if media.file is not None:
            file["file_id"] = media.file
        else:
            file["file_data"] = media.url or _data_url(media)
        return {"type": "file", "file": file}
    source = "file id" if media.file is not None else "URL"
    raise Unsupported(f"{media.kind} by {source} cannot be sent to this provider")


def _data_url(media: Media) -> str:
    type_ = media.type or ("application/pdf" if media.kind == "document" else "video/mp4")
    data = media.data or ""
    if media.kind == "document" and type_ == "text/plain":
        data = b64encode(data.encode()).decode()
    return f"data:{type_};base64,{data}"
