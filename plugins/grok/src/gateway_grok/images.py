"""Pictures: requests that ask for nothing else, and the answers to them.

xAI paints at endpoints of its own, in JSON and in one piece. The tool `image_generation` is served
with them wherever a request forces it, and image models do nothing else. Pure.
"""

import re
from typing import Final

from gateway_core import (
    Event,
    HostedCall,
    HostedTool,
    InvalidRequest,
    Media,
    Request,
    Text,
    Unsupported,
    UpstreamProtocol,
)
from gateway_core.events import Begin, End, Fail, Notice, Whole
from gateway_core.json import JsonObject, dumps_text
from gateway_grok.models import GrokModel
from gateway_grok.settings import GrokSettings

__all__ = ["image_body", "read_picture", "wants_picture"]

_TOOL: Final = "image_generation"
_RATIOS: Final = (
    ("1:1", 1.0),
    ("16:9", 16 / 9),
    ("9:16", 9 / 16),
    ("4:3", 4 / 3),
    ("3:4", 3 / 4),
    ("3:2", 3 / 2),
    ("2:3", 2 / 3),
)
_SIZE: Final = re.compile(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})")
_LEFT_OUT: Final = ("quality", "background", "output_format", "partial_images")
# How the base64 of a picture begins, by its type.
_BEGINNINGS: Final = (
    ("/9j/", "image/jpeg"),
    ("iVBOR", "image/png"),
    ("UklGR", "image/webp"),
    ("R0lGOD", "image/gif"),
)


def wants_picture(request: Request, model: GrokModel) -> bool:
    """Whether the answer is to be a picture and nothing else: the tool is forced, or it is the only
    one and the model would not have it.
    """
    if model.paints:
        return True
    choice = request.tool_choice
    if choice.mode == "tool":
        kinds = {tool.name: tool.kind for tool in request.tools if isinstance(tool, HostedTool)}
        return choice.required_among and {kinds.get(name) for name in choice.names} == {_TOOL}
    kinds_offered = [getattr(tool, "kind", None) for tool in request.tools]
    asked = choice.mode == "required" or (choice.mode == "auto" and not model.draws)
    return asked and kinds_offered == [_TOOL]


def image_body(
    request: Request, model: GrokModel, settings: GrokSettings, notices: list[Notice]
) -> tuple[str, JsonObject]:
    """Path and body: to paint what the user said last, or to change the pictures beside it.

    notices: told what is left out. Raises `InvalidRequest` when nothing was said.
    """
    prompt, sources = _asked(request)
    tool = next((tool for tool in request.tools if getattr(tool, "kind", "") == _TOOL), None)
    options = tool.options if isinstance(tool, HostedTool) else {}
    named = options.get("model")
    painter = model.id if model.paints else settings.image_model
    if isinstance(named, str) and named.startswith("grok-"):
        painter = named
    elif named:
        said = f"xAI has no image model {named!r}: {painter!r} was asked"
        notices.append(Notice("mapped_model", said))
    left_out = [name for name in _LEFT_OUT if options.get(name) not in (None, "auto", 0)]
    notices += [
        Notice(f"dropped_{name}", f"xAI paints without `{name}`: it was left out")
        for name in left_out
    ]
    body: JsonObject = {"model": painter, "prompt": prompt, "n": 1, "response_format": "b64_json"}
    if ratio := _ratio(options.get("size")):
        body["aspect_ratio"] = ratio
    if not sources:
        return "/images/generations", body
    if len(sources) == 1:
        return "/images/edits", body | {"image": sources[0]}
    return "/images/edits", body | {"images": sources}


def read_picture(body: JsonObject, prompt: str) -> list[Event]:
    """The events of an answer with a picture; `prompt` is what it was asked for with."""
    data = body.get("data")
    entries = [each for each in data if isinstance(each, dict)] if type(data) is list else []
    pictures = [each for each in entries if isinstance(each.get("b64_json"), str)]
    filtered = any(each.get("respect_moderation") is False for each in entries)
    events: list[Event] = [Begin()]
    if filtered or not pictures:
        if filtered:
            return [*events, End("refusal", "moderation")]
        return [*events, Fail(UpstreamProtocol("xAI was asked for a picture and sent none"))]
    for index, picture in enumerate(pictures):
        encoded: str = picture["b64_json"]
        if encoded.startswith("data:"):
            encoded = encoded.partition(",")[2]
        said = picture.get("revised_prompt") or prompt
        result = {"media_type": _type_of(encoded), "data": encoded}
        call = HostedCall(f"ig_{index}", _TOOL, dumps_text({"prompt": said}), result)
        events.append(Whole(index, call))
    return [*events, End("stop")]  # xAI tells what it cost in money, not in tokens


def _asked(request: Request) -> tuple[str, list[JsonObject]]:
    """What the user said last, and the pictures in it."""
    last = next((each for each in reversed(request.messages) if each.role == "user"), None)
    parts = last.parts if last is not None else []
    prompt = "\n".join(part.text for part in parts if isinstance(part, Text)).strip()
    if not prompt:
        raise InvalidRequest("nothing is said about the picture to paint", param="messages")
    media = [part for part in parts if isinstance(part, Media) and part.kind == "image"]
    return prompt, [{"url": _url(each), "type": "image_url"} for each in media]


def _url(media: Media) -> str:
    if media.data is not None:
        return f"data:{media.type or 'image/png'};base64,{media.data}"
    if media.url is not None:
        return media.url
    raise Unsupported("send the picture itself or its URL, not a file id", param="messages")


def _ratio(size: object) -> str | None:
    """The nearest ratio of sides to a size such as `1536x1024`; None leaves it to the model."""
    if not isinstance(size, str) or size == "auto":
        return None
    if any(size == name for name, _ in _RATIOS):
        return size
    sides = _SIZE.fullmatch(size)
    if sides is None:
        return None
    wanted = int(sides[1]) / int(sides[2])
    return min(_RATIOS, key=lambda ratio: max(wanted / ratio[1], ratio[1] / wanted))[0]


def _type_of(encoded: str) -> str:
    return next((kind for start, kind in _BEGINNINGS if encoded.startswith(start)), "image/jpeg")
