"""Requests for pictures: when, with what, and at which of xAI's endpoints."""

from typing import Any

import pytest

from gateway_core import FunctionTool, HostedTool, JsonObject, Message, Request, Text
from gateway_core.content import Media
from gateway_core.errors import InvalidRequest, Unsupported
from gateway_core.formats import images
from gateway_core.request import ToolChoice
from gateway_grok.settings import GrokSettings
from support.about import each
from support.grok_asking import body_of, degraded, hello, translated
from support.pictures import PNG_BASE64

PAINT = HostedTool("image_generation", "image_generation")
FORCED = ToolChoice("tool", ["image_generation"])
URL = f"data:image/png;base64,{PNG_BASE64}"


def ordered(**body: Any) -> Request:
    return images.read_request({"prompt": "A dot", **body}).request


def painted(request: Request, model: str = "grok-4.5", **settings: Any) -> tuple[str, JsonObject]:
    """Path and body of the call."""
    call = translated(degraded(request, model), model, GrokSettings(rail="api", **settings))
    return call.url.removeprefix("https://api.x.ai/v1"), body_of(call)


def test_a_picture_is_asked_of_xais_own_endpoint() -> None:
    assert painted(ordered()) == (
        "/images/generations",
        {
            "model": "grok-imagine-image-quality",
            "prompt": "A dot",
            "n": 1,
            "response_format": "b64_json",
        },
    )


@each(
    "model, tools, choice, path",
    [
        ("grok-4.5", [PAINT], FORCED, "/images/generations"),
        ("grok-4.5", [PAINT], ToolChoice(), "/images/generations"),
        ("grok-4.5", [PAINT], ToolChoice("required"), "/images/generations"),
        ("grok-4.5", [PAINT], ToolChoice("none"), "/responses"),
        ("grok-4.6", [PAINT], FORCED, "/images/generations"),
        ("grok-4.6", [PAINT], ToolChoice(), "/responses"),
        ("grok-4.5", [PAINT, FunctionTool("f", None, {})], FORCED, "/images/generations"),
        ("grok-4.5", [PAINT, FunctionTool("f", None, {})], ToolChoice(), "/responses"),
        ("grok-imagine-image", [], ToolChoice(), "/images/generations"),
    ],
)
def test_when_a_picture_is_all_that_is_wanted(
    model: str, tools: list[Any], choice: ToolChoice, path: str
) -> None:
    assert painted(hello(tools=tools, tool_choice=choice), model)[0] == path


@each(
    "size, ratio",
    [
        ("1024x1024", "1:1"),
        ("1536x1024", "3:2"),
        ("1024x1536", "2:3"),
        ("1792x1024", "16:9"),
        ("16:9", "16:9"),
        ("auto", None),
        ("0x5", None),
        ("large", None),
    ],
)
def test_a_size_becomes_the_nearest_ratio(size: str, ratio: str | None) -> None:
    assert painted(ordered(size=size))[1].get("aspect_ratio") == ratio


@each(
    "asked, model, painter, notices",
    [
        (None, "grok-4.5", "grok-imagine-image-quality", []),
        ("gpt-image-2", "grok-4.5", "grok-imagine-image-quality", ["mapped_model"]),
        ("grok-imagine-image-2.0", "grok-4.5", "grok-imagine-image-2.0", []),
        (None, "grok-imagine-image", "grok-imagine-image", []),
    ],
)
def test_who_paints(asked: str | None, model: str, painter: str, notices: list[str]) -> None:
    request = ordered()
    if asked:
        images.use_image_model(request, asked)
    call = translated(request, model)
    assert body_of(call)["model"] == painter
    assert call.headers["x-grok-model-override"] == painter
    assert [notice.code for notice in call.notices] == notices


def test_the_settings_name_another_painter() -> None:
    assert painted(ordered(), image_model="grok-imagine-image-2.0")[1]["model"] == (
        "grok-imagine-image-2.0"
    )


def test_what_xai_cannot_be_told_is_left_out_and_told() -> None:
    call = translated(ordered(quality="high", background="transparent", output_format="webp"))
    assert body_of(call).keys() == {"model", "prompt", "n", "response_format"}
    assert [notice.code for notice in call.notices] == [
        "dropped_quality",
        "dropped_background",
        "dropped_output_format",
    ]


def test_pictures_beside_the_words_are_changed() -> None:
    picture = Media("image", "image/png", data=PNG_BASE64)
    linked = Media("image", url="https://a.example/b.png")
    one = Request("m", [Message("user", [Text("Blue, please"), picture])])
    path, body = painted(one, "grok-imagine-image")
    assert (path, body["prompt"]) == ("/images/edits", "Blue, please")
    assert body["image"] == {"url": URL, "type": "image_url"}
    two = Request("m", [Message("user", [Text("Join them"), picture, linked])])
    assert painted(two, "grok-imagine-image")[1]["images"] == [
        {"url": URL, "type": "image_url"},
        {"url": "https://a.example/b.png", "type": "image_url"},
    ]


def test_what_was_said_last_is_painted() -> None:
    said = [Message("user", [Text("A cat")]), Message("assistant", [Text("Done")])]
    request = Request("m", [*said, Message("user", [Text("A dog")])])
    assert painted(request, "grok-imagine-image")[1]["prompt"] == "A dog"


def test_nothing_to_paint_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="nothing is said"):
        picture = Media("image", url="https://a.example")
        painted(Request("m", [Message("user", [picture])]), "grok-imagine-image")
    with pytest.raises(Unsupported, match="by file id"):
        picture = Media("image", file="file_1")
        painted(Request("m", [Message("user", [Text("x"), picture])]), "grok-imagine-image")


def test_painting_may_take_its_time() -> None:
    call = translated(ordered())
    assert (call.idle_timeout, call.total_timeout) == (300.0, 300.0)
    assert call.headers["accept"] == "application/json"
