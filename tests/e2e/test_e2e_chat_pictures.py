"""Pictures in chat completions: asked for as clients do, given as `images` of the message."""

from base64 import b64decode
from collections.abc import Iterator
from typing import Any, NamedTuple

import openai
import pytest

from gateway_core import Capabilities, Event, HostedCall, HostedTool, Media, Text
from gateway_core.events import Close, Delta, End, Open, Whole
from gateway_core.provider import Model
from gateway_core.request import ToolChoice
from gateway_demo.plugin import DemoProvider
from support.about import about
from support.pictures import PNG_BASE64
from support.scripted_provider import ScriptedProvider
from support.server import running_gateway

DATA_URL = f"data:image/png;base64,{PNG_BASE64}"
PAINTED = {"media_type": "image/png", "data": PNG_BASE64}
DRAWN: list[Event] = [
    Open(0, Text("")),
    Delta(0, "Here."),
    Close(0),
    Whole(1, HostedCall("ig_1", "image_generation", "{}", PAINTED)),
    End("stop"),
]
PAINTS = Model("paints", capabilities=Capabilities(hosted_tools=frozenset({"image_generation"})))
BOTH = ["text", "image"]
FUNCTION: Any = {"type": "function", "function": {"name": "look"}}
TOOL = {"type": "image_generation", "size": "1024x1536"}
ROUTERS_TOOL = {"type": "openrouter:image_generation", "parameters": {"aspect_ratio": "16:9"}}


class Setting(NamedTuple):
    """The SDK in front of the demo and a scripted provider."""

    client: openai.OpenAI
    provider: ScriptedProvider

    def ask(self, model: str = "paints", text: str = "A dot", **more: Any) -> Any:
        """One turn, with fields that the SDK may have no name for."""
        said: Any = [{"role": "user", "content": text}]
        create = self.client.chat.completions.with_raw_response.create
        return create(model=model, messages=said, extra_body=more)


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    provider = ScriptedProvider(models=[PAINTS, Model("words")])
    with (
        running_gateway(
            tmp_path_factory.mktemp("home"), extra_plugins=[provider, DemoProvider()]
        ) as gateway,
        gateway.openai() as client,
    ):
        yield Setting(client, provider)


def test_every_way_to_ask_becomes_the_tool_that_paints(setting: Setting) -> None:
    forced = ToolChoice("tool", ["image_generation"])
    ways: list[tuple[dict[str, Any], dict[str, str], ToolChoice]] = [
        ({"modalities": BOTH}, {}, ToolChoice()),
        (
            {"modalities": BOTH, "image_config": {"aspect_ratio": "3:4"}},
            {"size": "1024x1536"},
            ToolChoice(),
        ),
        ({"modalities": ["image"]}, {}, forced),
        ({"tools": [TOOL]}, {"size": "1024x1536"}, ToolChoice()),
        ({"tools": [TOOL], "modalities": BOTH}, {"size": "1024x1536"}, ToolChoice()),
        ({"tools": [ROUTERS_TOOL]}, {"size": "1536x1024"}, ToolChoice()),
        ({"tools": [TOOL], "tool_choice": TOOL}, {"size": "1024x1536"}, forced),
    ]
    for more, options, choice in ways:
        with about(more):
            setting.provider.script = [DRAWN]
            answer = setting.ask(**more)
            message = answer.parse().choices[0].message
            assert message.content == "Here."
            (image,) = message.images
            assert image == {"type": "image_url", "image_url": {"url": DATA_URL}}
            asked = setting.provider.requests[-1]
            (tool,) = asked.tools
            assert isinstance(tool, HostedTool)
            assert (tool.kind, tool.options, asked.tool_choice) == (
                "image_generation",
                options,
                choice,
            )
            assert "x-gateway-notice" not in answer.headers


def test_pictures_come_in_streams_too(setting: Setting) -> None:
    with setting.client.chat.completions.create(
        model="demo",
        messages=[{"role": "user", "content": "text: Look.\nimage: 20x10 red"}],
        extra_body={"modalities": BOTH},
        stream=True,
    ) as stream:
        deltas: list[Any] = [chunk.choices[0].delta for chunk in stream]
    (images,) = [delta.images for delta in deltas if hasattr(delta, "images")]
    assert images[0]["image_url"]["url"].startswith("data:image/png;base64,")
    assert "".join(delta.content or "" for delta in deltas) == "Look."


def test_a_picture_is_shown_to_the_model_again(setting: Setting) -> None:
    setting.provider.script = [DRAWN, DRAWN]
    said: Any = [{"role": "user", "content": "A dot"}]
    body = {"modalities": BOTH}
    create = setting.client.chat.completions.create
    message = create(model="paints", messages=said, extra_body=body).choices[0].message
    said += [message.model_dump(exclude_none=True), {"role": "user", "content": "Bluer"}]
    create(model="paints", messages=said, extra_body=body)
    shown = [
        part
        for message in setting.provider.requests[-1].messages
        for part in message.parts
        if isinstance(part, Media)
    ]
    assert [b64decode(part.data or "") for part in shown] == [b64decode(PNG_BASE64)]


def test_a_model_that_cannot_paint_says_so(setting: Setting) -> None:
    for more, field in (({"modalities": BOTH}, "modalities"), ({"tools": [TOOL]}, "tools")):
        with about(field), pytest.raises(openai.BadRequestError, match="scripted/words") as no:
            setting.ask("words", **more)
        assert no.value.param == field
        assert "image_generation" in no.value.message


def test_beside_other_tools_the_wish_is_dropped_with_a_notice(setting: Setting) -> None:
    setting.provider.script = [[Open(0, Text("")), Delta(0, "Hi"), Close(0), End("stop")]]
    answer = setting.ask("words", modalities=BOTH, tools=[FUNCTION])
    assert "'image_generation': it was left out" in answer.headers["x-gateway-notice"]
    assert [tool.name for tool in setting.provider.requests[-1].tools] == ["look"]
