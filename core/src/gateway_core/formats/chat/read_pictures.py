"""How clients of chat completions ask for pictures, read into the hosted tool that paints them.

Three ways are in use: a tool `image_generation` as in the Responses format, routers' spelling of it
(`openrouter:image_generation`, options under `parameters`), and `modalities` with `image` in it,
beside which routers take an `image_config`. Pictures come back as `images` of the message. Sources:
OpenRouter's guide to image generation, and the types of the official SDK.
"""

from typing import Any, Final

from gateway_core.formats.base import optional
from gateway_core.formats.chat.read_content import FORMAT_NAME
from gateway_core.json import JsonObject
from gateway_core.request import HostedTool, Tool, ToolChoice

__all__ = ["is_painting", "only_pictures", "read_painting", "wished_painting"]

_TOOL: Final = "image_generation"
_OPTIONS: Final = ("size", "quality", "background", "output_format", "partial_images", "model")
_WIDE, _TALL, _SQUARE = "1536x1024", "1024x1536", "1024x1024"


def is_painting(kind: str) -> bool:
    """Whether a tool of this type paints."""
    return kind.rpartition(":")[2] == _TOOL


def read_painting(tool: JsonObject) -> HostedTool:
    """A tool that paints, with its options."""
    parameters = tool.get("parameters")
    said = tool | parameters if isinstance(parameters, dict) else tool
    return HostedTool(_TOOL, _TOOL, _options(said), extras={FORMAT_NAME: tool})


def wished_painting(body: JsonObject, tools: list[Tool]) -> HostedTool | None:
    """The tool that `modalities` ask for; None when they do not, or it is among the tools."""
    if "image" not in _modalities(body):
        return None
    if any(isinstance(tool, HostedTool) and tool.kind == _TOOL for tool in tools):
        return None
    options = _options(optional(body, "image_config", dict) or {})
    return HostedTool(_TOOL, _TOOL, options, wished_in="modalities")


def only_pictures(body: JsonObject, choice: ToolChoice) -> ToolChoice:
    """The choice that makes the model paint, where no text is among the `modalities` and the client
    left the choice open; else the given one.
    """
    if set(_modalities(body)) != {"image"} or choice.mode != "auto":
        return choice
    return ToolChoice("tool", [_TOOL], parallel=choice.parallel)


def _modalities(body: JsonObject) -> list[Any]:
    return [word for word in optional(body, "modalities", list) or [] if isinstance(word, str)]


def _options(said: JsonObject) -> JsonObject:
    options = {key: said[key] for key in _OPTIONS if said.get(key) is not None}
    if "size" not in options and (size := _size(said.get("aspect_ratio"))):
        options["size"] = size
    return options


def _size(ratio: object) -> str | None:
    """The size that comes closest to a ratio such as `16:9`."""
    width, _, height = ratio.partition(":") if isinstance(ratio, str) else ("", "", "")
    if not (width.isdecimal() and height.isdecimal()):
        return None
    if int(width) == int(height):
        return _SQUARE
    return _WIDE if int(width) > int(height) else _TALL
