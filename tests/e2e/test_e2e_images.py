"""Pictures through every door: the images API, the hosted tool, the Anthropic extension."""

from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from gateway_core import (
    Capabilities,
    Event,
    HostedCall,
    HostedTool,
    Media,
    Request,
    Text,
    UpstreamFailed,
)
from gateway_core.events import End, Whole
from gateway_core.json import JsonObject, loads_object
from gateway_core.provider import Model
from gateway_demo.plugin import DemoProvider
from support.dialects import CHAT
from support.pictures import PNG_BASE64
from support.providers import LineProvider
from support.scripted_provider import ScriptedProvider
from support.server import Gateway, running_gateway

PROMPT = "image: 20x10 red"
PATH = "/v1/images/generations"
PAINTS = Capabilities(hosted_tools=frozenset({"image_generation"}))
DRAWN: list[Event] = [
    Whole(
        0,
        HostedCall(
            "ig_1", "image_generation", "{}", {"media_type": "image/png", "data": PNG_BASE64}
        ),
    ),
    End("stop"),
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A provider that cannot paint, and the demo, which can."""
    home = tmp_path_factory.mktemp("home")
    with running_gateway(home, extra_plugins=[LineProvider(), DemoProvider()]) as gateway:
        yield gateway


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with gateway.openai() as client:
        yield client


@pytest.fixture
def painter() -> ScriptedProvider:
    models = [Model("words"), Model("paints", capabilities=PAINTS), Model("too", None, ("t",))]
    return ScriptedProvider(models=models)


@pytest.fixture
def painting(painter: ScriptedProvider, tmp_path: Path) -> Iterator[openai.OpenAI]:
    """The SDK in front of the scripted provider."""
    with (
        running_gateway(tmp_path, extra_plugins=[painter]) as gateway,
        gateway.openai() as client,
    ):
        yield client


def is_png(data: str | None, size: tuple[int, int]) -> bool:
    head = b64decode(data or "")[:24]
    found = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    return head.startswith(b"\x89PNG") and found == size


def image_tool(request: Request) -> HostedTool:
    (tool,) = request.tools
    assert isinstance(tool, HostedTool)
    return tool


# --- the images API --------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["demo", "gpt-image-2", "demo/gpt-image-2", "dall-e-3", None])
def test_the_sdk_gets_a_picture(client: openai.OpenAI, model: str | None) -> None:
    answer = client.images.generate(model=model, prompt=PROMPT)
    assert answer.data is not None
    (image,) = answer.data
    assert is_png(image.b64_json, (20, 10))
    assert image.revised_prompt == "a #d64545 picture"
    assert (answer.size, answer.output_format) == ("20x10", "png")
    assert answer.usage is not None
    assert answer.usage.total_tokens > 0


def test_several_pictures_are_several_turns(
    painting: openai.OpenAI, painter: ScriptedProvider
) -> None:
    painter.script = [DRAWN] * 6
    answer = painting.images.generate(model="paints", prompt="A dot", n=6)
    assert [image.b64_json for image in answer.data or ()] == [PNG_BASE64] * 6
    assert len({painter.exchanges.get(timeout=10).id for _ in range(6)}) == 6


def test_when_one_picture_fails_all_do(painting: openai.OpenAI, painter: ScriptedProvider) -> None:
    painter.script = [DRAWN, *[UpstreamFailed("no paint left", retry_after=60)] * 2]
    with pytest.raises(openai.InternalServerError, match="no paint left"):
        painting.images.generate(model="paints", prompt="A dot", n=3)


def test_an_image_model_goes_to_the_first_model_that_paints(
    painting: openai.OpenAI, painter: ScriptedProvider
) -> None:
    painter.script = [DRAWN]
    painting.images.generate(model="gpt-image-2", prompt="A dot", size="1536x1024")
    assert painter.exchanges.get(timeout=10).model == "paints"
    assert image_tool(painter.requests[0]).options == {"size": "1536x1024", "model": "gpt-image-2"}


def test_the_model_of_a_chat_is_asked_without_an_image_model(
    painting: openai.OpenAI, painter: ScriptedProvider
) -> None:
    painter.script = [DRAWN]
    painting.images.generate(model="paints", prompt="A dot")
    assert image_tool(painter.requests[0]).options == {}


@pytest.mark.parametrize(
    ("setting", "value"),
    [("routing.fallback", "second"), ("routing.aliases", {"gpt-image-2": "scripted/second"})],
)
def test_the_settings_choose_who_paints(tmp_path: Path, setting: str, value: object) -> None:
    models = [Model("first", capabilities=PAINTS), Model("second", capabilities=PAINTS)]
    painter = ScriptedProvider([DRAWN], models=models)
    with (
        running_gateway(tmp_path, extra_plugins=[painter], settings={setting: value}) as gateway,
        gateway.openai() as client,
    ):
        client.images.generate(model="gpt-image-2", prompt="A dot")
    assert painter.exchanges.get(timeout=10).model == "second"
    assert image_tool(painter.requests[0]).options == {"model": "gpt-image-2"}


def test_a_fallback_that_cannot_paint_is_passed_over(tmp_path: Path) -> None:
    models = [Model("words"), Model("paints", capabilities=PAINTS)]
    painter = ScriptedProvider([DRAWN], models=models)
    settings = {"routing.fallback": "words"}
    with (
        running_gateway(tmp_path, extra_plugins=[painter], settings=settings) as gateway,
        gateway.openai() as client,
    ):
        client.images.generate(model="gpt-image-2", prompt="A dot")
    assert painter.exchanges.get(timeout=10).model == "paints"


def test_a_listed_image_model_is_asked_itself(tmp_path: Path) -> None:
    models = [Model("gpt-image-2", capabilities=PAINTS)]
    painter = ScriptedProvider([DRAWN], models=models)
    with (
        running_gateway(tmp_path, extra_plugins=[painter]) as gateway,
        gateway.openai() as client,
    ):
        client.images.generate(model="gpt-image-2", prompt="A dot")
    assert painter.exchanges.get(timeout=10).model == "gpt-image-2"
    assert image_tool(painter.requests[0]).options == {}


def test_without_anybody_who_paints_the_model_is_not_found(tmp_path: Path) -> None:
    with (
        running_gateway(tmp_path, extra_plugins=[LineProvider()]) as gateway,
        gateway.openai() as client,
        pytest.raises(openai.NotFoundError, match="can generate images"),
    ):
        client.images.generate(model="gpt-image-2", prompt="A dot")


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"model": "line-1"}, "image_generation"),
        ({"stream": True}, "stream"),
        ({"response_format": "url"}, "response_format"),
        ({"n": 11}, "n: expected 1 to 10"),
        ({"prompt": "text: I would rather not."}, "I would rather not."),
    ],
)
def test_what_cannot_be_painted_is_refused(gateway: Gateway, more: JsonObject, word: str) -> None:
    with gateway.http() as http:
        answer = http.post(PATH, json={"model": "demo", "prompt": PROMPT, **more})
    assert answer.status_code == 400
    assert word in CHAT.error(answer.content)["message"]


def test_fields_without_effect_are_told_in_a_header(gateway: Gateway) -> None:
    with gateway.http() as http:
        answer = http.post(PATH, json={"model": "demo", "prompt": PROMPT, "style": "vivid"})
    assert "'style'" in answer.headers["x-gateway-notice"]
    assert answer.headers["x-gateway-provider"] == "demo"
    assert answer.headers["x-request-id"].startswith("req_")


# --- the hosted tool of the Responses format -------------------------------------------------


def test_the_sdk_streams_pictures_on_their_way(client: openai.OpenAI) -> None:
    with client.responses.stream(
        model="demo",
        input=PROMPT,
        tools=[{"type": "image_generation", "partial_images": 2}],
    ) as stream:
        partials = [
            event
            for event in stream
            if event.type == "response.image_generation_call.partial_image"
        ]
        (call,) = stream.get_final_response().output
    assert [event.partial_image_index for event in partials] == [0, 1]
    assert all(is_png(event.partial_image_b64, (20, 10)) for event in partials)
    assert call.type == "image_generation_call"
    assert {event.item_id for event in partials} == {call.id}
    assert call.result not in {event.partial_image_b64 for event in partials}
    assert is_png(call.result, (20, 10))


def test_without_partial_images_only_the_picture_comes(client: openai.OpenAI) -> None:
    stream = client.responses.create(
        model="demo", input=PROMPT, tools=[{"type": "image_generation"}], stream=True
    )
    steps = [event.type.removeprefix("response.image_generation_call.") for event in stream]
    assert steps[3:5] == ["in_progress", "generating"]
    assert "partial_image" not in steps


# --- the extension of the Anthropic format ---------------------------------------------------


def test_a_message_may_hold_a_picture(gateway: Gateway) -> None:
    body = {
        "model": "demo",
        "max_tokens": 100,
        "tools": [{"name": "image_generation"}],
        "messages": [{"role": "user", "content": PROMPT}],
    }
    with gateway.http() as http:
        answer = http.post("/v1/messages", json=body)
    (block,) = loads_object(answer.content)["content"]
    assert (block["type"], block["source"]["type"]) == ("image", "base64")
    assert block["source"]["media_type"] == "image/png"
    assert is_png(block["source"]["data"], (20, 10))


@pytest.mark.parametrize("partial_images", [0, 2])
def test_the_sdk_streams_the_picture_when_it_is_complete(
    gateway: Gateway, partial_images: int
) -> None:
    tool: Any = {"type": "image_generation", "name": "draw", "partial_images": partial_images}
    with (
        gateway.anthropic() as client,
        client.messages.create(
            model="demo",
            max_tokens=100,
            tools=[tool],
            messages=[{"role": "user", "content": f"text: Look.\n{PROMPT}"}],
            stream=True,
        ) as stream,
    ):
        # As they were sent: the SDK has no type for pictures in answers.
        started = [
            event.content_block.model_dump(mode="json", warnings=False)
            for event in stream
            if event.type == "content_block_start"
        ]
    assert [block["type"] for block in started] == ["text", "image"]
    source = started[1]["source"]
    assert (source["type"], source["media_type"]) == ("base64", "image/png")
    assert is_png(source["data"], (20, 10))


def test_the_sdk_has_a_picture_changed(painting: openai.OpenAI, painter: ScriptedProvider) -> None:
    painter.script = [DRAWN]
    pictures = [b64decode(PNG_BASE64)] * 2
    answer = painting.images.edit(
        image=pictures, prompt="Bluer", model="gpt-image-2", size="1024x1024", n=1
    )
    assert [image.b64_json for image in answer.data or ()] == [PNG_BASE64]
    [request] = painter.requests
    [message] = request.messages
    assert [type(part) for part in message.parts] == [Media, Media, Text]
    assert image_tool(request).options == {"size": "1024x1024", "model": "gpt-image-2"}


def test_a_picture_to_change_may_come_in_json(
    painting: openai.OpenAI, painter: ScriptedProvider
) -> None:
    painter.script = [DRAWN]
    url = f"data:image/png;base64,{PNG_BASE64}"
    body = {"prompt": "Bluer", "images": [{"image_url": url}]}
    answer = painting.post("/images/edits", cast_to=dict[str, Any], body=body)
    assert answer["data"] == [{"b64_json": PNG_BASE64}]


def test_a_mask_is_refused_by_name(painting: openai.OpenAI) -> None:
    picture = b64decode(PNG_BASE64)
    with pytest.raises(openai.BadRequestError, match="mask: only whole pictures"):
        painting.images.edit(image=picture, mask=picture, prompt="Bluer")
