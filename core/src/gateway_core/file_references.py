"""Files by reference: the refusal that says where in the client's request one is, and what to send
instead.

The gateway keeps no files, so an id can only be one of the upstream's own, which few take. Pure.
"""

from typing import Any, Final

from gateway_core.content import Media
from gateway_core.errors import Unsupported
from gateway_core.request import Source

__all__ = ["refusal"]

_DATA_URL: Final = "`image_url` with a data URL"
_INSTEAD: Final = {
    ("responses", "image"): _DATA_URL,
    ("responses", "document"): "`file_data` with a data URL, and `filename`",
    ("chat", "image"): _DATA_URL,
    ("chat", "document"): "`file_data` with a data URL, and `filename`",
    ("anthropic", "image"): '`source` of the type "base64"',
    ("anthropic", "document"): '`source` of the type "base64" or "text"',
}


def refusal(media: Media, source: Source, path: str, title: str) -> Unsupported:
    """The error for media by file id. path: their canonical position, for requests that came in no
    format. title: names the model.
    """
    dotted = source.format == "anthropic"
    found = _path_to(source.body, media.file, dotted)
    field = path if found is None else found
    how = _INSTEAD.get((source.format, media.kind))
    return Unsupported(
        f"{field}: {title} takes no {media.kind} by file id, and the gateway keeps no files; "
        f"send it inline as base64{f' ({how})' if how else ''}",
        param=field,
    )


def _path_to(value: Any, id: str | None, dotted: bool) -> str | None:
    """Where a `file_id` with this value is: `a[0].b` in OpenAI's dialect, `a.0.b` in the other."""
    if isinstance(value, dict):
        if value.get("file_id") == id:
            return "file_id"
        for key, inner in value.items():
            if isinstance(inner, dict | list) and (rest := _path_to(inner, id, dotted)):
                return f"{key}{rest}" if rest.startswith("[") else f"{key}.{rest}"
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            if rest := _path_to(inner, id, dotted):
                return f"{index}.{rest}" if dotted else f"[{index}].{rest}"
    return None
