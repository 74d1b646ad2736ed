"""The real SDKs through a gateway with the Codex provider: whole conversations, nothing refused.

The simulator refuses whatever the backend would; `no_violations` holds after each test.
"""

from base64 import b64decode
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import pytest

from gateway_core.json import JsonObject, loads_object
from simulators.codex.installed import codex_gateway
from simulators.codex.server import CodexSimulator
from support.about import each
from support.conversations import AnthropicTalk, ChatTalk, ResponsesTalk, Spent, Talk, Turn
from support.pictures import PDF_BASE64, PNG_BASE64
from support.server import Gateway

TURNS = 12
LONG_NAME = "mcp__a_server_with_a_very_long_name__and_a_tool_with_a_name_that_is_longer_still"
STEP = f"""\
think: **Thinking {{number}}**\\n\\nWith a second part.
commentary: Step {{number}}.
tool: lookup {{{{"topic": "number {{number}}"}}}}
tool: {LONG_NAME} {{{{"city": "Riga"}}}}
"""
SHAPES = (
    "split",
    "crlf",
    "unknown",
    "empty-output",
    "null-ids",
    "no-deltas",
    "no-added",
    "no-deltas no-added",
    "no-deltas no-added no-done",
    "interleave",
    "interleave split",
)


@pytest.fixture(scope="module")
def backend() -> Iterator[CodexSimulator]:
    with CodexSimulator() as simulator:
        yield simulator


@pytest.fixture(scope="module")
def gateway(backend: CodexSimulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with codex_gateway(backend, tmp_path_factory.mktemp("home")) as gateway:
        yield gateway


@pytest.fixture
def simulator(backend: CodexSimulator) -> CodexSimulator:
    """The simulator, without what earlier tests asked."""
    backend.forget_requests()
    return backend


@pytest.fixture(autouse=True)
def no_violations(simulator: CodexSimulator) -> Iterator[None]:
    yield
    assert simulator.violations == []


@pytest.fixture(params=[True, False], ids=["streamed", "whole"])
def stream(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(params=[AnthropicTalk, ChatTalk, ResponsesTalk])
def kind(request: pytest.FixtureRequest) -> Callable[..., Talk]:
    """A dialect."""
    made: Callable[..., Talk] = request.param
    return made


@pytest.fixture
def talk(kind: Callable[..., Talk], gateway: Gateway, stream: bool) -> Talk:
    """A fresh conversation in each dialect, in both manners."""
    return kind(gateway, stream)


def results_for(turn: Turn) -> dict[str, str]:
    return {call.id: f"the result of {call.name}" for call in turn.calls}


def test_twelve_turns_with_tools(
    simulator: CodexSimulator, gateway: Gateway, kind: Callable[..., Talk]
) -> None:
    """Each turn repeats the earlier input byte for byte, so that the backend's cache hits; whether
    a turn is streamed makes no difference to that.
    """
    steps = [STEP.format(number=number) for number in range(1, TURNS + 1)]
    simulator.play("---\n".join([*steps, "think: So.\nfinal: All twelve are done.\n"]))
    talk = kind(gateway, True)
    turn = talk.say(f"Look up twelve things, {type(talk).__name__}")
    for number in range(1, TURNS + 1):
        talk.stream = not talk.stream
        assert turn.text == f"Step {number}."
        assert turn.thoughts == f"**Thinking {number}**\n\nWith a second part."
        assert [(call.name, call.arguments) for call in turn.calls] == [
            ("lookup", {"topic": f"number {number}"}),
            (LONG_NAME, {"city": "Riga"}),
        ]
        turn = talk.give(results_for(turn))

    assert turn.text == "All twelve are done."
    caches = [request.cache for request in simulator.requests]
    assert len(caches) == TURNS + 1
    assert all(cache is not None and cache.broken_at is None for cache in caches)
    assert turn.spent is not None and turn.spent.cached > 0
    last = simulator.requests[-1]
    assert len(last.of_type("function_call_output")) == 2 * TURNS
    assert len({request.body["prompt_cache_key"] for request in simulator.requests}) == 1


@pytest.mark.parametrize("kind", [AnthropicTalk, ResponsesTalk])
def test_reasoning_comes_back_to_its_account(
    simulator: CodexSimulator, gateway: Gateway, stream: bool, kind: Callable[..., Talk]
) -> None:
    simulator.play("think: Deep.\ntool: clock\n---\ntext: It is late.")
    talk = kind(gateway, stream)
    assert talk.give(results_for(talk.say("What time is it?"))).text == "It is late."
    (reasoning,) = simulator.requests[-1].of_type("reasoning")
    assert reasoning["encrypted_content"].startswith("gAAAA")


@each("shapes, stream", zip(SHAPES, cycle([True, False])))
def test_streams_of_any_shape_mean_the_same(
    simulator: CodexSimulator,
    gateway: Gateway,
    kind: Callable[..., Talk],
    shapes: str,
    stream: bool,
) -> None:
    simulator.play(
        f"shape: {shapes}\nthink: Hm.\ntext: Größer ≥ 10 — 🚀 ok\n"
        'tool: lookup {"topic": "täglich ☕ and a little more"}\ntool: clock {}'
    )
    turn = kind(gateway, stream).say("Go on")
    assert turn.text == "Größer ≥ 10 — 🚀 ok"
    assert turn.thoughts == "Hm."
    assert [(call.name, call.arguments) for call in turn.calls] == [
        ("lookup", {"topic": "täglich ☕ and a little more"}),
        ("clock", {}),
    ]
    assert len({call.id for call in turn.calls}) == 2


def test_frames_of_five_megabytes(
    simulator: CodexSimulator, gateway: Gateway, kind: Callable[..., Talk]
) -> None:
    simulator.play("shape: no-deltas\nburst: 500000")
    text = kind(gateway, stream=kind is not ChatTalk).say("Much").text
    assert len(text) > 5_000_000
    assert text.endswith("word499999")


def test_usage(simulator: CodexSimulator, talk: Talk) -> None:
    simulator.play("text: Hi\nusage: input=100 cached=60 output=20 reasoning=8")
    assert talk.say("Hello").spent == Spent(40, 60, 20)


@pytest.mark.parametrize("shape", ["null-usage", "null-details"])
def test_missing_usage_does_no_harm(simulator: CodexSimulator, talk: Talk, shape: str) -> None:
    simulator.play(f"shape: {shape}\ntext: Hi")
    assert talk.say("Hello").text == "Hi"


STOPS = {
    AnthropicTalk: {"max_output_tokens": "max_tokens", "content_filter": "refusal"},
    ChatTalk: {"max_output_tokens": "length", "content_filter": "content_filter"},
    ResponsesTalk: {"max_output_tokens": "incomplete", "content_filter": "incomplete"},
}


@pytest.mark.parametrize("reason", ["max_output_tokens", "content_filter"])
def test_incomplete_answers(simulator: CodexSimulator, talk: Talk, reason: str) -> None:
    simulator.play(f"text: Only half\nstop: {reason}")
    turn = talk.say("Hello")
    assert (turn.text, turn.stop) == ("Only half", STOPS[type(talk)][reason])


@pytest.mark.parametrize(
    ("model", "effort"),
    [("gpt-5.5-high", "high"), ("gpt-5.4_low", "low"), ("gpt-5.5-xhigh[1m]", "xhigh")],
)
def test_suffixes_of_the_name(
    simulator: CodexSimulator, talk: Talk, model: str, effort: str
) -> None:
    talk.model = model
    talk.say("Hello")
    body = simulator.requests[-1].body
    assert body["model"] == model[:7]
    assert body["reasoning"]["effort"] == effort


def test_the_fast_tier(simulator: CodexSimulator, talk: Talk) -> None:
    talk.model = "gpt-5.5-fast"
    talk.say("Hello")
    assert simulator.requests[-1].body["service_tier"] == "priority"


@pytest.mark.parametrize("model", ["gpt-5.6-sol", "gpt-5.6-luna"])
def test_the_lite_lane(simulator: CodexSimulator, talk: Talk, model: str) -> None:
    simulator.play("think: Hm.\ntool: clock\n---\ntext: It is late.")
    talk.model = model
    assert talk.give(results_for(talk.say("What time is it?"))).text == "It is late."
    assert all(request.lite for request in simulator.requests)


@pytest.mark.parametrize(
    "name", ["claude-opus-4-8", "claude-sonnet-5", "claude-haiku-4-5-20251001"]
)
def test_claude_names(simulator: CodexSimulator, gateway: Gateway, name: str) -> None:
    simulator.play("text: Here I am.")
    assert AnthropicTalk(gateway, stream=True, model=name).say("Hello").text == "Here I am."


def test_images_and_documents(simulator: CodexSimulator, gateway: Gateway) -> None:
    """In what the user says, and in what a tool finds."""
    source = {"type": "base64", "media_type": "image/png", "data": PNG_BASE64}
    paper = {"type": "base64", "media_type": "application/pdf", "data": PDF_BASE64}
    picture: JsonObject = {"type": "image", "source": source}
    messages: Any = [
        {"role": "user", "content": [picture, {"type": "document", "source": paper}]},
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
        client.messages.create(model="gpt-5.5", max_tokens=100, messages=messages)
    request = simulator.requests[-1]
    message, result = request.of_type("message")[-1], request.of_type("function_call_output")[0]
    assert [part["type"] for part in message["content"]] == ["input_image", "input_file"]
    assert result["output"][0]["image_url"] == f"data:image/png;base64,{PNG_BASE64}"


def test_web_search_as_server_tool_use(simulator: CodexSimulator, gateway: Gateway) -> None:
    simulator.play("search: rain in Riga\ntext: It rains.")
    with gateway.anthropic() as client:
        message = client.messages.create(
            model="gpt-5.5",
            max_tokens=100,
            messages=[{"role": "user", "content": "Does it rain?"}],
            tools=[{"type": "web_search_20250305", "name": "web_search"}],
        )
    kinds = [block.type for block in message.content]
    assert kinds == ["server_tool_use", "web_search_tool_result", "text"]
    assert message.usage.server_tool_use is not None
    assert message.usage.server_tool_use.web_search_requests == 1


def test_web_search_as_annotations(simulator: CodexSimulator, gateway: Gateway) -> None:
    simulator.play("search: rain in Riga\ntext: It rains.")
    with gateway.openai() as client:
        response = client.responses.create(
            model="gpt-5.5", input="Does it rain?", tools=[{"type": "web_search"}]
        )
    search, message = (item.model_dump(warnings=False) for item in response.output)
    assert (search["type"], search["action"]["query"]) == ("web_search_call", "rain in Riga")
    assert message["content"][0]["annotations"][0]["url"] == "https://example.com/found"


def test_image_generation(simulator: CodexSimulator, gateway: Gateway) -> None:
    simulator.play("image: partials=2\ntext: Here it is.")
    with gateway.openai() as client:
        tool: Any = {"type": "image_generation", "partial_images": 2}
        events = list(
            client.responses.create(model="gpt-5.5", input="Draw", tools=[tool], stream=True)
        )
    kinds = [event.type for event in events]
    assert kinds.count("response.image_generation_call.partial_image") == 2
    done = [event for event in events if event.type == "response.output_item.done"]
    assert done[0].item.result == PNG_BASE64  # type: ignore[union-attr]


def test_a_custom_tool(simulator: CodexSimulator, gateway: Gateway) -> None:
    simulator.play("tool: patch *** Begin Patch\n*** End Patch\n---\ntext: Applied.")
    tools: Any = [{"type": "custom", "name": "patch", "description": "Apply a patch"}]
    with gateway.openai() as client:
        items: Any = [{"role": "user", "content": "Patch it"}]
        (call,) = client.responses.create(model="gpt-5.5", input=items, tools=tools).output
        assert call.type == "custom_tool_call"
        assert call.input == "*** Begin Patch\n*** End Patch"
        kind = "custom_tool_call_output"
        items += [call, {"type": kind, "call_id": call.call_id, "output": "ok"}]
        answer = client.responses.create(model="gpt-5.5", input=items, tools=tools)
    assert answer.output_text == "Applied."


def test_structured_output(simulator: CodexSimulator, gateway: Gateway) -> None:
    simulator.play('text: {"city": "Riga"}')
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    form: Any = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema}}
    with gateway.openai() as client:
        completion = client.chat.completions.create(
            model="gpt-5.5", messages=[{"role": "user", "content": "Where?"}], response_format=form
        )
    assert loads_object(completion.choices[0].message.content or "") == {"city": "Riga"}
    assert simulator.requests[-1].body["text"]["format"]["name"] == "city"


def test_a_refusal(simulator: CodexSimulator, gateway: Gateway) -> None:
    simulator.play("refusal: I will not.")
    with gateway.openai() as client:
        completion = client.chat.completions.create(
            model="gpt-5.5", messages=[{"role": "user", "content": "Do it"}]
        )
    assert completion.choices[0].message.refusal == "I will not."


def test_broken_pairs_are_mended(simulator: CodexSimulator, gateway: Gateway) -> None:
    """What a client's own compaction leaves behind: a lonely result, and a lonely call."""
    talk = ChatTalk(gateway, stream=False)
    arguments = {"name": "clock", "arguments": "{}"}
    calls = [{"id": "call_lonely", "type": "function", "function": arguments}]
    talk.messages += [
        {"role": "tool", "tool_call_id": "call_gone", "content": "half past nine"},
        {"role": "assistant", "content": None, "tool_calls": calls},
    ]
    simulator.play("text: Mended.")
    assert talk.say("Go on").text == "Mended."


def test_compaction_after_some_turns_and_on(simulator: CodexSimulator, gateway: Gateway) -> None:
    turns = [STEP.format(number=number) for number in (1, 2, 3)]
    simulator.play(
        "---\n".join([*turns, "text: Done.\n", "match: afterwards\ntext: Still here.\n"])
    )
    talk = ResponsesTalk(gateway, stream=True)
    turn = talk.say("Look up three things")
    while turn.calls:
        turn = talk.give(results_for(turn))
    with gateway.openai() as client:
        compacted = client.responses.compact(model="gpt-5.5", input=talk.items)
    talk.items = [item.model_dump(exclude_none=True, warnings=False) for item in compacted.output]
    assert talk.say("And afterwards?").text == "Still here."
    before, after = simulator.requests[3], simulator.requests[-1]
    assert len(before.of_type("function_call")) == 2 * 3
    assert after.of_type("function_call", "function_call_output") == []


def test_models_are_those_of_the_account(gateway: Gateway) -> None:
    with gateway.openai() as client:
        listed = {model.id for model in client.models.list()}
    assert {"gpt-5.5", "gpt-5.6-luna"} <= listed
    assert "codex-auto-review" not in listed


def test_images_by_their_own_endpoint(simulator: CodexSimulator, gateway: Gateway) -> None:
    simulator.play("image:")
    with gateway.openai() as client:
        images = client.images.generate(prompt="A dot", model="gpt-image-2")
    assert images.data is not None
    assert images.data[0].b64_json == PNG_BASE64


def test_uploaded_pictures_are_changed(simulator: CodexSimulator, gateway: Gateway) -> None:
    simulator.play("image:")
    with gateway.openai() as client:
        picture = b64decode(PNG_BASE64)
        images = client.images.edit(image=picture, prompt="Make it red", model="gpt-image-2")
    assert images.data is not None
    assert images.data[0].b64_json == PNG_BASE64
    (message,) = simulator.requests[-1].of_type("message")
    assert message["content"] == [
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG_BASE64}"},
        {"type": "input_text", "text": "Make it red"},
    ]


def test_tokens_are_counted_without_asking(simulator: CodexSimulator, gateway: Gateway) -> None:
    with gateway.openai() as client:
        counted = client.responses.input_tokens.count(model="gpt-5.5", input="Hello there")
    assert counted.input_tokens > 0
    assert simulator.requests == []
