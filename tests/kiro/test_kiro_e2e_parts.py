"""Pictures, papers and searches of the web, through a gateway with the Kiro provider, by the SDKs.

The simulator refuses whatever the service would; `no_violations` holds after each test.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from simulators.kiro.installed import kiro_gateway
from simulators.kiro.server import KiroSimulator
from support.pictures import PDF_BASE64, PNG_BASE64
from support.server import Gateway

NATIVE = "claude-opus-4.8"
BY_TAGS = "claude-sonnet-4.5"
SEARCH: Any = {"type": "web_search_20250305", "name": "web_search"}


@pytest.fixture(scope="module")
def running() -> Iterator[KiroSimulator]:
    with KiroSimulator() as simulator:
        yield simulator


@pytest.fixture(scope="module")
def gateway(running: KiroSimulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with kiro_gateway(running, tmp_path_factory.mktemp("home")) as gateway:
        yield gateway


@pytest.fixture
def simulator(running: KiroSimulator) -> KiroSimulator:
    """The simulator, without what earlier tests asked."""
    running.forget_requests()
    return running


@pytest.fixture(autouse=True)
def no_violations(simulator: KiroSimulator) -> Iterator[None]:
    yield
    assert simulator.violations == []


def test_images_and_documents(simulator: KiroSimulator, gateway: Gateway) -> None:
    """In what the user says, and in what a tool finds."""
    source = {"type": "base64", "media_type": "image/png", "data": PNG_BASE64}
    paper = {"type": "base64", "media_type": "application/pdf", "data": PDF_BASE64}
    picture: Any = {"type": "image", "source": source}
    document = {"type": "document", "source": paper, "title": "notes (1).pdf"}
    messages: Any = [
        {"role": "user", "content": [picture, document, document]},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t1", "name": "shot", "input": {}}],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [picture]}],
        },
    ]
    with gateway.anthropic() as client:
        client.messages.create(model=BY_TAGS, max_tokens=100, messages=messages)
    first, _, current = simulator.requests[-1].messages
    image = {"format": "png", "source": {"bytes": PNG_BASE64}}
    assert first["images"] == current["images"] == [image]
    assert [one["name"] for one in first["documents"]] == ["notes (1)", "notes (1) 2"]
    assert simulator.requests[-1].results[0]["content"][0]["text"]


def test_images_of_the_other_dialects(simulator: KiroSimulator, gateway: Gateway) -> None:
    url = f"data:image/png;base64,{PNG_BASE64}"
    file = {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF_BASE64}"}
    chat: Any = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "file", "file": file},
    ]
    items: Any = [
        {
            "role": "user",
            "content": [
                {"type": "input_image", "image_url": url, "detail": "auto"},
                {"type": "input_file", **file},
            ],
        }
    ]
    with gateway.openai() as client:
        client.chat.completions.create(model=BY_TAGS, messages=[{"role": "user", "content": chat}])
        client.responses.create(model=BY_TAGS, input=items)
    for request in simulator.requests:
        said = request.messages[-1]
        assert said["images"][0]["source"]["bytes"] == PNG_BASE64
        assert (said["documents"][0]["name"], said["documents"][0]["format"]) == ("a", "pdf")


def test_a_turn_that_is_one_search(simulator: KiroSimulator, gateway: Gateway) -> None:
    """What Claude Code makes of its own search tool: no model is asked at all."""
    prompt = "Perform a web search for the query: rain in Riga"
    with gateway.anthropic() as client:
        message = client.messages.create(
            model=BY_TAGS,
            max_tokens=100,
            messages=[{"role": "user", "content": prompt}],
            tools=[SEARCH],
        )
    kinds = [block.type for block in message.content]
    assert kinds == ["server_tool_use", "web_search_tool_result", "text"]
    assert "It rains there." in message.model_dump_json()
    assert message.usage.server_tool_use is not None
    assert message.usage.server_tool_use.web_search_requests == 1
    assert (simulator.searches, simulator.requests) == (["rain in Riga"], [])


@pytest.mark.parametrize("model", [BY_TAGS, NATIVE])
def test_a_model_searches_within_its_turn(
    simulator: KiroSimulator, gateway: Gateway, model: str
) -> None:
    simulator.play(
        'think: Hm.\ntext: I look.\ntool: web_search {"query": "rain in Riga"}\n---\n'
        'tool: web_search {"query": "sun in Riga"}\n---\n'
        "text: It rains."
    )
    with gateway.anthropic() as client:
        message = client.messages.create(
            model=model,
            max_tokens=5000,
            thinking={"type": "enabled", "budget_tokens": 2000},
            messages=[{"role": "user", "content": "Does it rain?"}],
            tools=[SEARCH],
        )
    kinds = [block.type for block in message.content]
    search = ["server_tool_use", "web_search_tool_result"]
    assert kinds == ["thinking", "text", *search, *search, "text"]
    assert simulator.searches == ["rain in Riga", "sun in Riga"]
    assert len(simulator.requests) == 3
    assert "https://example.com/found" in simulator.requests[-1].results[0]["content"][0]["text"]


@pytest.mark.parametrize("fault", ["rpc-error", "tool-error", "http-400"])
def test_a_search_that_does_not_work_does_not_end_the_turn(
    simulator: KiroSimulator, gateway: Gateway, fault: str
) -> None:
    simulator.search_fault = fault
    simulator.play('tool: web_search {"query": "rain in Riga"}\n---\ntext: I do not know.')
    with gateway.openai() as client:
        response = client.responses.create(
            model=BY_TAGS, input="Does it rain?", tools=[{"type": "web_search"}]
        )
    assert response.output_text == "I do not know."
    assert simulator.requests[-1].results[0]["status"] == "error"


def test_the_older_host_searches_too(simulator: KiroSimulator, gateway: Gateway) -> None:
    simulator.state.gone = {"runtime"}
    simulator.play('tool: web_search {"query": "rain"}\n---\ntext: It rains there.')
    with gateway.anthropic() as client:
        message = client.messages.create(
            model=BY_TAGS,
            max_tokens=100,
            messages=[{"role": "user", "content": "Does it rain?"}],
            tools=[SEARCH],
        )
    assert "It rains there." in message.model_dump_json()
    assert simulator.searches == ["rain"]
