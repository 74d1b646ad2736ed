"""Pictures from xAI through a gateway: by their own endpoint, and as a tool in a conversation."""

from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from simulators.grok.installed import grok_gateway
from simulators.grok.server import GrokSimulator
from simulators.grok.state import Account
from support.pictures import PNG_BASE64
from support.server import Gateway

TOOL: Any = {"type": "image_generation", "size": "1536x1024"}
FORCED: Any = {"type": "image_generation"}


@pytest.fixture(scope="module")
def running() -> Iterator[GrokSimulator]:
    with GrokSimulator() as simulator:
        yield simulator


@pytest.fixture(scope="module")
def gateway(running: GrokSimulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with grok_gateway(running, tmp_path_factory.mktemp("home")) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def shared_client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with gateway.openai() as client:
        yield client


@pytest.fixture
def simulator(running: GrokSimulator) -> Iterator[GrokSimulator]:
    """The simulator, without what earlier tests asked; it must find nothing wrong."""
    running.forget_requests()
    yield running
    assert running.violations == []


@pytest.fixture
def client(simulator: GrokSimulator, shared_client: openai.OpenAI) -> openai.OpenAI:
    return shared_client


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        ("grok-imagine-image", "grok-imagine-image"),
        ("gpt-image-2", "grok-imagine-image-quality"),
    ],
)
def test_pictures_by_their_own_endpoint(
    simulator: GrokSimulator, client: openai.OpenAI, model: str, asked: str
) -> None:
    images = client.images.generate(prompt="A dot", model=model, size="1024x1536")
    assert images.data is not None
    assert images.data[0].b64_json == PNG_BASE64
    (request,) = simulator.asked("POST", "/images/generations")
    assert (request.body["model"], request.body["prompt"]) == (asked, "A dot")
    assert request.body["aspect_ratio"] == "2:3"


def test_several_pictures_are_as_many_requests(
    simulator: GrokSimulator, client: openai.OpenAI
) -> None:
    images = client.images.generate(prompt="A dot", model="grok-imagine-image", n=2)
    assert images.data is not None
    assert len(images.data) == 2
    assert len(simulator.asked("POST", "/images/generations")) == 2


@pytest.mark.parametrize("stream", [True, False])
def test_a_forced_tool_paints(
    simulator: GrokSimulator, client: openai.OpenAI, stream: bool
) -> None:
    more: Any = {"model": "grok-4.5", "tools": [TOOL], "tool_choice": FORCED}
    response: Any = client.responses.create(input="Draw a dot", stream=stream, **more)
    if stream:
        response = list(response)[-1].response
    assert [item.result for item in response.output] == [PNG_BASE64]
    assert simulator.requests == []
    assert simulator.asked("POST", "/images/generations")[0].body["aspect_ratio"] == "3:2"


def test_a_picture_beside_the_words_is_changed(
    simulator: GrokSimulator, client: openai.OpenAI
) -> None:
    source = f"data:image/png;base64,{PNG_BASE64}"
    content = [
        {"type": "input_text", "text": "Make it red"},
        {"type": "input_image", "image_url": source},
    ]
    items: Any = [{"role": "user", "content": content}]
    client.responses.create(
        model="grok-4.5", input=items, tools=[TOOL], tool_choice=FORCED, store=False
    )
    (request,) = simulator.asked("POST", "/images/edits")
    assert request.body["image"] == {"url": source, "type": "image_url"}


def test_uploaded_pictures_are_changed(simulator: GrokSimulator, client: openai.OpenAI) -> None:
    picture = b64decode(PNG_BASE64)
    images = client.images.edit(image=[picture, picture], prompt="Make it red", model="grok-4.5")
    assert images.data is not None
    assert images.data[0].b64_json == PNG_BASE64
    (request,) = simulator.asked("POST", "/images/edits")
    source = {"url": f"data:image/png;base64,{PNG_BASE64}", "type": "image_url"}
    assert (request.body["prompt"], request.body["images"]) == ("Make it red", [source, source])


def test_newer_models_paint_in_a_conversation(
    simulator: GrokSimulator, client: openai.OpenAI
) -> None:
    """And go on from it: the picture itself does not go back to xAI."""
    simulator.play("image:\ntext: Here it is.\n---\nmatch: Nice\ntext: Thank you.")
    tools: Any = [{"type": "image_generation"}, {"type": "web_search"}]
    items: Any = [{"role": "user", "content": "Draw a dot"}]
    more: Any = {"model": "grok-4.6", "tools": tools, "store": False}
    first = client.responses.create(input=items, **more)
    items += [*first.output, {"role": "user", "content": "Nice"}]
    second = client.responses.create(input=items, **more)
    assert [item.type for item in first.output] == ["image_generation_call", "message"]
    assert second.output_text == "Thank you."
    assert PNG_BASE64 not in str(simulator.requests[-1].body)


def test_a_filtered_picture_is_an_error(
    simulator: GrokSimulator, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulator.state, "moderated", True)
    with pytest.raises(openai.APIStatusError) as raised:
        client.images.generate(prompt="A dot", model="grok-imagine-image")
    assert 400 <= raised.value.status_code < 500


def test_a_plan_without_pictures_is_told_so(simulator: GrokSimulator, tmp_path: Path) -> None:
    """Asking the other rail would not help."""
    basic = simulator.state.add_account(Account("basic", tier=2))
    with (
        grok_gateway(simulator, tmp_path, account=basic) as gateway,
        gateway.openai() as client,
        pytest.raises(openai.PermissionDeniedError, match="subscription"),
    ):
        client.images.generate(prompt="A dot", model="grok-imagine-image")
    assert len(simulator.asked("POST", "/images/generations")) == 1


def test_a_plan_without_api_credit_paints_at_the_proxy(
    simulator: GrokSimulator, tmp_path: Path
) -> None:
    simulator.account.api = "no-credit"
    with grok_gateway(simulator, tmp_path) as gateway, gateway.openai() as client:
        assert client.images.generate(prompt="A dot", model="grok-imagine-image").data
    rails = [request.rail for request in simulator.asked("POST", "/images/generations")]
    assert rails[-1] == "proxy"
    assert len(rails) <= 2
