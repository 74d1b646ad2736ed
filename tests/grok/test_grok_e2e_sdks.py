"""The real SDKs through a gateway with the Grok provider: whole conversations, nothing refused.

The simulator refuses whatever xAI would; `no_violations` holds after each test.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway_core.json import JsonObject, loads_object
from simulators.grok.installed import grok_gateway
from simulators.grok.server import GrokSimulator
from support.about import each
from support.conversations import AnthropicTalk, ChatTalk, ResponsesTalk, Spent, Talk, Turn
from support.pictures import PNG_BASE64
from support.server import Gateway

MODEL = "grok-4.5"
TURNS = 5
STEP = """\
think: Thinking {number}\\n\\nWith a second part.
text: Step {number}.
tool: lookup {{"topic": "number {number}"}}
tool: clock
"""
SHAPES = (
    "split crlf",
    "unknown bare",
    "empty-output done",
    "done-mark",
    "no-deltas",
    "no-deltas empty-output bare",
)


@pytest.fixture(scope="module")
def running() -> Iterator[GrokSimulator]:
    with GrokSimulator() as simulator:
        yield simulator


@pytest.fixture(scope="module")
def gateway(running: GrokSimulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with grok_gateway(running, tmp_path_factory.mktemp("home")) as gateway:
        yield gateway


@pytest.fixture
def simulator(running: GrokSimulator) -> GrokSimulator:
    """The simulator, without what earlier tests asked."""
    running.forget_requests()
    return running


@pytest.fixture(autouse=True)
def no_violations(simulator: GrokSimulator) -> Iterator[None]:
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
    return kind(gateway, stream, MODEL)


@pytest.fixture
def streamed(kind: Callable[..., Talk], gateway: Gateway) -> Talk:
    """A fresh conversation in each dialect."""
    return kind(gateway, True, MODEL)


def results_for(turn: Turn) -> dict[str, str]:
    return {call.id: f"the result of {call.name}" for call in turn.calls}


def test_turns_with_parallel_tools(simulator: GrokSimulator, streamed: Talk) -> None:
    """Each turn repeats the earlier input byte for byte, so that xAI's cache hits; whether a turn
    is streamed makes no difference to that.
    """
    talk = streamed
    steps = [STEP.format(number=number) for number in range(1, TURNS + 1)]
    simulator.play("---\n".join([*steps, "think: So.\ntext: All of it is done.\n"]))
    turn = talk.say(f"Look things up, {type(talk).__name__}")
    for number in range(1, TURNS + 1):
        talk.stream = not talk.stream
        assert turn.text == f"Step {number}."
        assert turn.thoughts == f"Thinking {number}\n\nWith a second part."
        assert [(call.name, call.arguments) for call in turn.calls] == [
            ("lookup", {"topic": f"number {number}"}),
            ("clock", {}),
        ]
        turn = talk.give(results_for(turn))

    assert turn.text == "All of it is done."
    caches = [request.cache for request in simulator.requests]
    assert len(caches) == TURNS + 1
    assert all(cache is not None and cache.broken_at is None for cache in caches)
    assert turn.spent is not None and turn.spent.cached > 0
    last = simulator.requests[-1]
    assert len(last.of_type("function_call_output")) == 2 * TURNS
    assert {request.rail for request in simulator.requests} == {"proxy"}
    conversations = {request.headers["x-grok-conv-id"] for request in simulator.requests}
    assert conversations == {last.body["prompt_cache_key"]}


@pytest.mark.parametrize("dialect", [AnthropicTalk, ResponsesTalk])
@pytest.mark.parametrize("shape", ["bare", "hidden-reasoning", "raw-reasoning"])
def test_reasoning_comes_back_to_its_account(
    simulator: GrokSimulator, gateway: Gateway, dialect: Callable[..., Talk], shape: str
) -> None:
    simulator.play(f"shape: {shape}\nthink: Deep.\ntool: clock\n---\ntext: It is late.")
    talk = dialect(gateway, True, MODEL)
    assert talk.give(results_for(talk.say(f"{shape}?"))).text == "It is late."
    (reasoning,) = simulator.requests[-1].of_type("reasoning")
    assert reasoning["encrypted_content"]


def test_raw_reasoning_is_thinking_too(simulator: GrokSimulator, streamed: Talk) -> None:
    simulator.play("shape: raw-reasoning\nthink: Let me see.\ntext: Hello")
    assert streamed.say("Hi").thoughts == "Let me see."


@each("shapes", SHAPES)
def test_streams_of_any_shape_mean_the_same(
    simulator: GrokSimulator, gateway: Gateway, kind: Callable[..., Talk], shapes: str
) -> None:
    simulator.play(
        f"shape: {shapes}\nthink: Hm.\ntext: Größer ≥ 10 — 🚀 ok\nkeepalive: 1\n"
        'tool: lookup {"topic": "täglich ☕ and a little more"}\ntool: clock {}'
    )
    turn = kind(gateway, True, MODEL).say("Go on")
    assert turn.text == "Größer ≥ 10 — 🚀 ok"
    assert turn.thoughts == "Hm."
    assert [(call.name, call.arguments) for call in turn.calls] == [
        ("lookup", {"topic": "täglich ☕ and a little more"}),
        ("clock", {}),
    ]
    assert len({call.id for call in turn.calls}) == 2


@pytest.mark.parametrize(
    ("numbers", "spent"),
    [
        ("input=100 cached=60 output=20 reasoning=8", Spent(40, 60, 20)),
        ("input=100 cached=160 output=20 reasoning=8", Spent(0, 100, 20)),
    ],
)
def test_usage(simulator: GrokSimulator, streamed: Talk, numbers: str, spent: Spent) -> None:
    """Now and then xAI tells more cached tokens than there are."""
    simulator.play(f"text: Hi\nusage: {numbers}")
    assert streamed.say("Hello").spent == spent


@pytest.mark.parametrize("shape", ["no-usage", "no-details"])
def test_missing_usage_does_no_harm(simulator: GrokSimulator, streamed: Talk, shape: str) -> None:
    simulator.play(f"shape: {shape}\ntext: Hi")
    assert streamed.say("Hello").text == "Hi"


STOPS = {
    AnthropicTalk: {"max_output_tokens": "max_tokens", "content_filter": "refusal"},
    ChatTalk: {"max_output_tokens": "length", "content_filter": "content_filter"},
    ResponsesTalk: {"max_output_tokens": "incomplete", "content_filter": "incomplete"},
}


@pytest.mark.parametrize("reason", ["max_output_tokens", "content_filter"])
def test_incomplete_answers(simulator: GrokSimulator, talk: Talk, reason: str) -> None:
    simulator.play(f"text: Only half\nstop: {reason}")
    turn = talk.say("Hello")
    assert (turn.text, turn.stop) == ("Only half", STOPS[type(talk)][reason])


@pytest.mark.parametrize(
    ("name", "model", "effort"),
    [
        ("xai/grok-4.6-xhigh", "grok-4.6", "xhigh"),
        ("grok-4.5(low)", "grok-4.5", "low"),
        ("grok-build-0.1-high", "grok-build-0.1", None),
        ("claude-opus-4-8", "grok-4.5", "medium"),
        ("claude-haiku-4-5-20251001", "grok-build-0.1", None),
    ],
)
def test_names(
    simulator: GrokSimulator, gateway: Gateway, name: str, model: str, effort: str | None
) -> None:
    ResponsesTalk(gateway, True, name).say("Hello")
    request = simulator.requests[-1]
    assert (request.body["model"], request.headers["x-grok-model-override"]) == (model, model)
    assert request.body["reasoning"].get("effort") == effort


def test_a_name_that_xai_does_not_know_has_a_stand_in(
    simulator: GrokSimulator, gateway: Gateway
) -> None:
    simulator.play("text: Here I am.")
    talk = ResponsesTalk(gateway, True, "grok-4.3-fast")
    assert talk.say("Hello").text == "Here I am."
    assert [request.status for request in simulator.requests] == [404, 200]
    simulator.requests[0].violations.clear()  # that nobody sells it is not known before


def test_images(simulator: GrokSimulator, gateway: Gateway) -> None:
    """In what the user says, and in what a tool finds."""
    source = {"type": "base64", "media_type": "image/png", "data": PNG_BASE64}
    picture: JsonObject = {"type": "image", "source": source}
    call = {"type": "tool_use", "id": "t1", "name": "shot", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [picture]}
    messages: Any = [
        {"role": "user", "content": [picture]},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    with gateway.anthropic() as client:
        client.messages.create(model=MODEL, max_tokens=100, messages=messages)
    request = simulator.requests[-1]
    message, told = request.of_type("message")[-1], request.of_type("function_call_output")[0]
    assert [part["type"] for part in message["content"]] == ["input_image"]
    assert told["output"][0]["image_url"] == f"data:image/png;base64,{PNG_BASE64}"


def test_web_search_as_server_tool_use(simulator: GrokSimulator, gateway: Gateway) -> None:
    """What was found goes back to xAI in the next turn as its own."""
    simulator.play("search: rain in Riga\ntext: It rains.\n---\nmatch: Sure\ntext: Quite.")
    tools: Any = [
        {"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["example.com"]}
    ]
    messages: Any = [{"role": "user", "content": "Does it rain?"}]
    with gateway.anthropic() as client:
        message = client.messages.create(
            model=MODEL, max_tokens=100, messages=messages, tools=tools
        )
        messages += [
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": "Sure?"},
        ]
        client.messages.create(model=MODEL, max_tokens=100, messages=messages, tools=tools)
    kinds = [block.type for block in message.content]
    assert kinds == ["server_tool_use", "web_search_tool_result", "text"]
    first, second = simulator.requests
    assert first.body["tools"][0]["filters"] == {"allowed_domains": ["example.com"]}
    assert [item["action"]["query"] for item in second.of_type("web_search_call")] == [
        "rain in Riga"
    ]


def test_web_search_as_annotations(simulator: GrokSimulator, gateway: Gateway) -> None:
    simulator.play("search: rain in Riga\nopen: https://example.com/found\ntext: It rains.")
    with gateway.openai() as client:
        response = client.responses.create(
            model=MODEL, input="Does it rain?", tools=[{"type": "web_search"}], store=False
        )
    items = [item.model_dump(warnings=False) for item in response.output]
    assert items[0]["action"]["query"] == "rain in Riga"
    assert items[-1]["content"][0]["annotations"][0]["url"] == "https://example.com/found"


def test_what_xai_ran_by_itself_is_no_call_of_the_client(
    simulator: GrokSimulator, streamed: Talk
) -> None:
    simulator.play("x-search: rain\ncode: print(4)\ntext: People say it rains.")
    turn = streamed.say("What do people say?")
    assert turn.calls == []
    assert turn.text.startswith("People say it rains.")


def test_a_custom_tool(simulator: GrokSimulator, gateway: Gateway) -> None:
    """xAI has none: it gets a function instead, and the client its own kind back."""
    simulator.play("tool: patch *** Begin Patch\n*** End Patch\n---\ntext: Applied.")
    tools: Any = [{"type": "custom", "name": "patch", "description": "Apply a patch"}]
    with gateway.openai() as client:
        items: Any = [{"role": "user", "content": "Patch it"}]
        more: Any = {"model": MODEL, "tools": tools, "store": False}
        (call,) = client.responses.create(input=items, **more).output
        assert call.type == "custom_tool_call"
        assert call.input == "*** Begin Patch\n*** End Patch"
        kind = "custom_tool_call_output"
        items += [call, {"type": kind, "call_id": call.call_id, "output": "ok"}]
        answer = client.responses.create(input=items, **more)
    assert answer.output_text == "Applied."
    assert simulator.requests[0].body["tools"][0]["type"] == "function"


def test_structured_output(simulator: GrokSimulator, gateway: Gateway) -> None:
    simulator.play('text: {"city": "Riga"}')
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    form: Any = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema}}
    with gateway.openai() as client:
        completion = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Where?"}], response_format=form
        )
    assert loads_object(completion.choices[0].message.content or "") == {"city": "Riga"}
    assert simulator.requests[-1].body["text"]["format"]["name"] == "city"


def test_stop_sequences_are_honoured_without_xai(
    simulator: GrokSimulator, gateway: Gateway
) -> None:
    simulator.play("text: one two STOP three")
    with gateway.anthropic() as client:
        message = client.messages.create(
            model=MODEL,
            max_tokens=100,
            messages=[{"role": "user", "content": "Count"}],
            stop_sequences=["STOP"],
        )
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "STOP")
    assert message.content[0].model_dump()["text"] == "one two "


def test_what_xai_refuses_is_left_out(simulator: GrokSimulator, gateway: Gateway) -> None:
    with gateway.openai() as client:
        client.responses.create(
            model="grok-build-0.1",
            input="Hello",
            store=False,
            metadata={"trace": "1"},
            service_tier="priority",
            reasoning={"effort": "high"},
            safety_identifier="somebody",
            truncation="auto",
            text={"verbosity": "low"},
            max_output_tokens=300_000,
        )
        client.chat.completions.create(
            model="grok-4.6",
            messages=[{"role": "user", "content": "Hello"}],
            frequency_penalty=0.5,
            presence_penalty=0.5,
            seed=7,
            stop=["x"],
            parallel_tool_calls=True,
            tool_choice="auto",
            reasoning_effort="minimal",
            stream_options={"include_usage": True},
            stream=True,
        ).close()
    first = simulator.requests[0].body
    assert first["max_output_tokens"] == 256_000
    assert "effort" not in first.get("reasoning", {})


def test_broken_pairs_are_mended(simulator: GrokSimulator, gateway: Gateway) -> None:
    """What a client's own compaction leaves behind: a lonely result, and a lonely call."""
    talk = ChatTalk(gateway, False, MODEL)
    arguments = {"name": "clock", "arguments": "{}"}
    calls = [{"id": "call_lonely", "type": "function", "function": arguments}]
    talk.messages += [
        {"role": "tool", "tool_call_id": "call_gone", "content": "half past nine"},
        {"role": "assistant", "content": None, "tool_calls": calls},
    ]
    simulator.play("text: Mended.")
    assert talk.say("Go on").text == "Mended."


def test_reasoning_of_another_provider_stays_away(
    simulator: GrokSimulator, gateway: Gateway
) -> None:
    """OpenAI's would be refused; so would what anybody made up."""
    simulator.play("text: Fine.")
    with gateway.openai() as client:
        items: Any = [
            {"role": "user", "content": "Hello"},
            {"type": "reasoning", "id": "rs_9", "summary": [], "encrypted_content": "gAAAAforeign"},
            {"type": "message", "role": "assistant", "content": "Hi", "id": "msg_of_openai"},
            {"role": "user", "content": "And now?"},
        ]
        response = client.responses.create(model=MODEL, input=items, store=False)
    assert response.output_text == "Fine."
    assert simulator.requests[-1].of_type("reasoning") == []


def test_tokens_are_counted_without_asking(simulator: GrokSimulator, gateway: Gateway) -> None:
    with gateway.openai() as openai, gateway.anthropic() as anthropic:
        counted = openai.responses.input_tokens.count(model=MODEL, input="Hello there")
        messages: Any = [{"role": "user", "content": "Hello there"}]
        again = anthropic.messages.count_tokens(model=MODEL, messages=messages)
    assert counted.input_tokens > 0
    assert again.input_tokens > 0
    assert simulator.backend.requests == []
