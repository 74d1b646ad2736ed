"""The OpenAI images API: a prompt, and pictures to change, to a canonical request, and pictures to
its answer.

There is no image model behind it but a chat model that is made to call the hosted tool
`image_generation`. Fields and shapes are those of the official SDK (`ImageGenerateParams`,
`ImageEditParams`, `ImagesResponse`). Which model is asked, and how often, is not decided here.
"""

import re
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from gateway_core.content import HostedCall, Media, Message, Part, Text
from gateway_core.errors import InvalidRequest, Unsupported, UpstreamProtocol
from gateway_core.events import Notice, Usage
from gateway_core.formats.base import optional, required
from gateway_core.formats.responses.read_parts import read_content
from gateway_core.formats.responses.schema import extras_of
from gateway_core.image_size import image_size
from gateway_core.json import JsonObject, loads
from gateway_core.multipart import FormField
from gateway_core.parts import Response
from gateway_core.request import HostedTool, Request, SessionHints, Source, ToolChoice

__all__ = [
    "FORMAT_NAME",
    "Order",
    "body_of_form",
    "image_model",
    "images_body",
    "read_edit",
    "read_request",
    "use_image_model",
]

FORMAT_NAME: Final = "images"
MOST_IMAGES: Final = 10
MOST_SOURCES: Final = 16

_TOOL: Final = "image_generation"
_OPTIONS: Final = ("size", "quality", "background", "output_format")
# Options of the same tool in the Responses format, without a canonical name.
_RESPONSES_OPTIONS: Final = ("output_compression", "moderation", "input_fidelity")
_IGNORED: Final = frozenset({"style", "partial_images"})
_KNOWN: Final = frozenset(
    {
        "prompt",
        "model",
        "n",
        "response_format",
        "stream",
        "user",
        "safety_identifier",
        *_OPTIONS,
        *_RESPONSES_OPTIONS,
        *_IGNORED,
    }
)
_NUMBERS: Final = frozenset({"n", "output_compression", "partial_images"})
_FLAGS: Final = {"true": True, "false": False}
# What the retired DALL-E models called it.
_QUALITIES: Final = {"standard": "auto", "hd": "high"}
_IMAGE_MODEL: Final = re.compile(r"(?:chatgpt|gpt)-image(?:-.+)?|dall-e-.+")
_RETIRED: Final = re.compile(r"dall-e-.+")
_QUOTED: Final = 300
_BEGINNINGS: Final = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)


@dataclass(slots=True)
class Order:
    """What was asked for: the request for one picture, and how many of them."""

    request: Request
    count: int


def image_model(name: str) -> str | None:
    """The name itself when it is one of OpenAI's image models, which no chat provider lists."""
    return name if _IMAGE_MODEL.fullmatch(name) else None


def read_request(body: JsonObject) -> Order:
    """The order in a decoded body; its `model` is empty when the client named none.

    Raises `InvalidRequest` or `Unsupported` with the name of the field.
    """
    return _read(body, [])


def read_edit(body: JsonObject) -> Order:
    """The order in the decoded body of an edit: `images` are what is to be changed. Raises as
    `read_request` does.
    """
    if body.get("mask") is not None:
        raise Unsupported(
            "mask: only whole pictures can be changed here; say in the prompt what is to change",
            param="mask",
        )
    listed = required(body, "images", list)
    if not 1 <= len(listed) <= MOST_SOURCES:
        raise InvalidRequest(
            f"images: expected 1 to {MOST_SOURCES}, got {len(listed)}", param="images"
        )
    pictures: list[Part] = []
    for index, image in enumerate(listed):
        at = f"images[{index}]"
        if not isinstance(image, dict):
            raise InvalidRequest(f"{at}: expected an object", param=at)
        if image.get("file_id") is not None:
            raise Unsupported(
                f"{at}.file_id: the gateway keeps no files; send the picture in `image_url`",
                param=f"{at}.file_id",
            )
        url = required(image, "image_url", str, f"{at}.")
        pictures += read_content([{"type": "input_image", "image_url": url}], at)
    return _read(body, pictures)


def body_of_form(form: Sequence[FormField]) -> JsonObject:
    """The JSON body that an uploaded form stands for. Raises `InvalidRequest`."""
    body: JsonObject = {}
    pictures: list[JsonObject] = []
    for field in form:
        name = field.name.removesuffix("[]")
        if name in ("image", "mask"):
            data = b64encode(field.data).decode()
            picture = {"image_url": f"data:{_type_of(field)};base64,{data}"}
            if name == "mask":
                body["mask"] = picture
            else:
                pictures.append(picture)
        elif name in _NUMBERS and field.text.isdecimal() and len(field.text) < 10:
            body[name] = int(field.text)
        elif name == "stream":
            body[name] = _FLAGS.get(field.text, field.text)
        else:
            body[name] = field.text
    if pictures:
        body["images"] = pictures
    elif "images" not in body:
        raise InvalidRequest("image: field required", param="image")
    return body


def _type_of(picture: FormField) -> str:
    """Its type by its first bytes, as clients tend to call every upload a stream of bytes."""
    for beginning, type in _BEGINNINGS:
        if picture.data.startswith(beginning):
            return type
    if picture.data[8:12] == b"WEBP":
        return "image/webp"
    raise InvalidRequest(
        f"{picture.name}: expected a PNG, JPEG, GIF or WebP picture", param=picture.name
    )


def _read(body: JsonObject, pictures: list[Part]) -> Order:
    prompt = required(body, "prompt", str)
    if not prompt.strip():
        raise InvalidRequest("prompt: must not be empty", param="prompt")
    if optional(body, "stream", bool):
        raise Unsupported(
            "stream: images are not streamed here; use /v1/responses with the tool "
            "`image_generation` and `partial_images`",
            param="stream",
        )
    response_format = optional(body, "response_format", str) or "b64_json"
    if response_format != "b64_json":
        raise Unsupported(
            f"response_format: {response_format!r} is not possible, images come as 'b64_json'",
            param="response_format",
        )
    count = optional(body, "n", int)
    if count is not None and not 1 <= count <= MOST_IMAGES:
        raise InvalidRequest(f"n: expected 1 to {MOST_IMAGES}, got {count}", param="n")
    notices = [
        Notice("unknown_field", f"the field {key!r} is not known: left out")
        for key in body
        if key not in _KNOWN and not (pictures and key == "images")
    ]
    notices += [
        Notice("ignored_field", f"the field {key!r} has no effect here")
        for key in sorted(_IGNORED)
        if body.get(key)
    ]
    user = optional(body, "safety_identifier", str) or optional(body, "user", str)
    request = Request(
        model=optional(body, "model", str) or "",
        messages=[Message("user", [*pictures, Text(prompt)])],
        tools=[_read_tool(body)],
        tool_choice=ToolChoice("tool", [_TOOL]),
        session=SessionHints(user=user),
        source=Source(FORMAT_NAME, body),
        notices=notices,
    )
    return Order(request, 1 if count is None else count)


def use_image_model(request: Request, name: str) -> None:
    """Ask the tool for an image model. One that was retired is left to the upstream's default."""
    if _RETIRED.fullmatch(name):
        request.notices.append(
            Notice("mapped_model", f"{name} was retired: the provider's image model was used")
        )
        return
    for tool in request.tools:
        if isinstance(tool, HostedTool):
            tool.options["model"] = name


def images_body(
    order: Order, answers: Sequence[Response], created_at: int | None = None
) -> JsonObject:
    """The answer: as many pictures as were ordered, what is known of them, and the usage.

    created_at: Unix seconds; now, unless given. Raises `InvalidRequest` when the model answered in
    words instead, and `UpstreamProtocol` when it did not answer at all.
    """
    calls = [call for answer in answers for call in _pictures(answer)][: order.count]
    first = extras_of(calls[0].extras)
    body: JsonObject = {"created": int(time.time()) if created_at is None else created_at}
    body["data"] = [_image(call) for call in calls]
    body |= {key: first[key] for key in ("background", "quality") if first.get(key)}
    result = calls[0].result or {}
    body["output_format"] = str(result["media_type"]).removeprefix("image/")
    size = image_size(result["data"])
    if size is not None:
        body["size"] = f"{size[0]}x{size[1]}"
    elif first.get("size"):
        body["size"] = first["size"]
    if usage := _usage([answer.usage for answer in answers if answer.usage is not None]):
        body["usage"] = usage
    return body


def _read_tool(body: JsonObject) -> HostedTool:
    options: JsonObject = {}
    for key in _OPTIONS:
        if (value := optional(body, key, str)) is not None:
            options[key] = _QUALITIES.get(value, value) if key == "quality" else value
    more = {key: body[key] for key in _RESPONSES_OPTIONS if body.get(key) is not None}
    return HostedTool(_TOOL, _TOOL, options, {"responses": more} if more else None)


def _pictures(answer: Response) -> Iterator[HostedCall]:
    """The pictures in an answer, however they came; at least one."""
    found = False
    words = []
    for part in answer.parts:
        if isinstance(part, Media) and part.kind == "image" and part.data:
            result = {"media_type": part.type or "image/png", "data": part.data}
            part = HostedCall("", _TOOL, "", result, extras=part.extras)
        if isinstance(part, HostedCall) and part.name == _TOOL and (part.result or {}).get("data"):
            found = True
            yield part
        elif isinstance(part, Text):
            words.append(part.text)
    if found:
        return
    text = " ".join("".join(words).split())[:_QUOTED]
    if text or answer.stop == "refusal":
        raise InvalidRequest(
            f"the model made no picture: {text or 'it declined'}",
            param="prompt",
            code="moderation_blocked" if answer.stop == "refusal" else "no_image",
        )
    raise UpstreamProtocol("the upstream was asked for a picture and sent none")


def _image(call: HostedCall) -> JsonObject:
    image: JsonObject = {"b64_json": (call.result or {})["data"]}
    try:
        arguments = loads(call.arguments) if call.arguments else {}
    except ValueError:
        arguments = {}
    prompt = arguments.get("prompt") if isinstance(arguments, dict) else None
    return image | ({"revised_prompt": prompt} if isinstance(prompt, str) and prompt else {})


def _usage(usages: list[Usage]) -> JsonObject | None:
    """The sum over all pictures; None when the upstream told nothing. How much of the input was
    pictures is not told, so all of it counts as text.
    """
    if not usages:
        return None
    inputs = sum(usage.input or 0 for usage in usages)
    outputs = sum(usage.output or 0 for usage in usages)
    return {
        "input_tokens": inputs,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": inputs},
        "output_tokens": outputs,
        "total_tokens": inputs + outputs,
    }
