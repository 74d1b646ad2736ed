"""The real SDKs through a gateway with the Kiro provider: whole conversations, nothing refused.

The simulator refuses whatever the service would; `no_violations` holds after each test.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway_core.json import JsonObject, dumps_text, loads_object
from simulators.kiro.installed import kiro_gateway
from simulators.kiro.server import KiroSimulator
from support.about import each
from support.conversations import AnthropicTalk, ChatTalk, ResponsesTalk, Spent, Talk, Turn
from support.server import Gateway

TURNS = 5
LONG_NAME = "mcp__a_server_with_a_very_long_name__and_a_tool_with_a_name_that_is_longer_still"
STEP = f"""\
think: Thinking {{number}}.
text: Step {{number}}.
tool: lookup {{{{"topic": "number {{number}}"}}}}
tool: {LONG_NAME} {{{{"city": "Riga"}}}}
"""
SHAPES = (
    "split",
    "wrapped",
    "unknown",
    "no-about",
    "about-early",
    "object-start",
    "snapshots",
    "single",
    "id-once",
    "no-stop",
    "interleave",
    "interleave split unknown wrapped",
)
ANSWER = """\
think: Hm.
text: Größer ≥ 10 — 🚀 ok
tool: lookup {"topic": "täglich ☕ and a little more"}
tool: clock {}
"""
NATIVE = "claude-opus-4.8"
BY_TAGS = "claude-sonnet-4.5"
SEALED = "gpt-5.6-sol"


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


@pytest.fixture(params=[True, False], ids=["streamed", "whole"])
def stream(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def begun(kind: Callable[..., Talk], gateway: Gateway, stream: bool, model: str) -> Talk:
    """A fresh conversation, in which thinking is wished for in the dialect's own way."""
    talk = kind(gateway, stream, model=model)
    if kind is ChatTalk:
        talk.more["reasoning_effort"] = "medium"
    return talk


@pytest.fixture(params=[AnthropicTalk, ChatTalk, ResponsesTalk])
def talk(request: pytest.FixtureRequest, gateway: Gateway, stream: bool) -> Talk:
    return begun(request.param, gateway, stream, NATIVE)


@pytest.fixture(params=[AnthropicTalk, ChatTalk, ResponsesTalk])
def streamed(request: pytest.FixtureRequest, gateway: Gateway) -> Talk:
    return begun(request.param, gateway, True, NATIVE)


def results_for(turn: Turn) -> dict[str, str]:
    return {call.id: f"the result of {call.name}" for call in turn.calls}


@pytest.mark.parametrize("model", [NATIVE, BY_TAGS])
def test_many_turns_with_tools(simulator: KiroSimulator, streamed: Talk, model: str) -> None:
    """Two calls in each turn; both forms of thinking; what was said stays as it was, whether a turn
    is streamed or not.
    """
    talk = streamed
    steps = [STEP.format(number=number) for number in range(1, TURNS + 1)]
    simulator.play("---\n".join([*steps, "think: So.\ntext: All are done.\n"]))
    talk.model = model
    turn = talk.say(f"Look things up, {type(talk).__name__}")
    for number in range(1, TURNS + 1):
        talk.stream = not talk.stream
        assert (turn.text.strip(), turn.thoughts) == (f"Step {number}.", f"Thinking {number}.")
        assert [(call.name, call.arguments) for call in turn.calls] == [
            ("lookup", {"topic": f"number {number}"}),
            (LONG_NAME, {"city": "Riga"}),
        ]
        turn = talk.give(results_for(turn))

    assert turn.text == "All are done."
    assert len(simulator.requests) == TURNS + 1
    ids = {one.body["conversationState"]["conversationId"] for one in simulator.requests}
    assert len(ids) == 1
    for earlier, later in zip(simulator.requests, simulator.requests[1:], strict=False):
        said = [dumps_text(message) for message in without_tools(earlier.messages)]
        assert [dumps_text(message) for message in without_tools(later.messages)][
            : len(said)
        ] == said


def without_tools(messages: list[JsonObject]) -> list[JsonObject]:
    """Messages as they stand in a history, where tools have no place."""
    kept = []
    for message in messages:
        context = {
            key: value
            for key, value in message.get("userInputMessageContext", {}).items()
            if key != "tools"
        }
        bare = {key: value for key, value in message.items() if key != "userInputMessageContext"}
        kept.append(bare | ({"userInputMessageContext": context} if context else {}))
    return kept


@pytest.mark.parametrize("kind", [AnthropicTalk, ResponsesTalk])
@pytest.mark.parametrize("model", [NATIVE, SEALED])
def test_thoughts_come_back_to_their_account(
    simulator: KiroSimulator, gateway: Gateway, kind: Callable[..., Talk], model: str
) -> None:
    simulator.play("think: Deep.\ntool: clock\n---\ntext: It is late.")
    talk = begun(kind, gateway, True, model)
    assert talk.give(results_for(talk.say("What time is it?"))).text == "It is late."
    (reasoning,) = (one["reasoningContent"] for one in simulator.requests[-1].messages[1:2])
    if model == NATIVE:
        assert reasoning["reasoningText"]["text"] == "Deep."
    else:
        assert reasoning.keys() == {"redactedContent"}


def test_lost_signatures_are_cured_by_one_more_request(
    simulator: KiroSimulator, gateway: Gateway
) -> None:
    simulator.play("think: Hm.\ntool: clock\n---\ntext: It is late.")
    talk = AnthropicTalk(gateway, True, model=NATIVE)
    turn = talk.say("What time is it?")
    simulator.state.forget_signatures()
    assert talk.give(results_for(turn)).text == "It is late."
    assert [request.status for request in simulator.requests] == [200, 400, 200]
    assert "reasoningContent" not in simulator.requests[-1].messages[1]


def assert_understood(turn: Turn) -> None:
    """The one answer that is told in many shapes."""
    assert turn.text == "Größer ≥ 10 — 🚀 ok"
    assert turn.thoughts == "Hm."
    assert [(call.name, call.arguments) for call in turn.calls] == [
        ("lookup", {"topic": "täglich ☕ and a little more"}),
        ("clock", {}),
    ]
    assert len({call.id for call in turn.calls}) == 2


@pytest.mark.parametrize("model", [NATIVE, BY_TAGS])
@each("shapes", SHAPES)
def test_streams_of_any_shape_mean_the_same(
    simulator: KiroSimulator, gateway: Gateway, shapes: str, model: str
) -> None:
    simulator.play(f"shape: {shapes}\n{ANSWER}")
    assert_understood(AnthropicTalk(gateway, True, model=model).say("Go on"))


def test_and_so_they_do_in_each_dialect(simulator: KiroSimulator, talk: Talk) -> None:
    simulator.play(f"shape: {SHAPES[-1]}\n{ANSWER}")
    assert_understood(talk.say("Go on"))


def test_a_megabyte_in_one_event(simulator: KiroSimulator, streamed: Talk) -> None:
    simulator.play("burst: 100000")
    text = streamed.say("Much").text
    assert len(text) > 900_000
    assert text.endswith("word99999")


def test_usage_as_told(simulator: KiroSimulator, talk: Talk) -> None:
    simulator.play("text: Hi\nusage: input=40 read=60 output=20")
    assert talk.say("Hello").spent == Spent(40, 60, 20)


def test_usage_from_the_share_of_the_window(simulator: KiroSimulator, talk: Talk) -> None:
    """One percent of a million tokens, less those of the answer."""
    simulator.play("text: Hi\ncontext: 1")
    spent = talk.say("Hello").spent
    assert spent is not None
    assert spent.input + spent.output == 10_000
    assert 0 < spent.output < 10


STOPS = {
    AnthropicTalk: ("max_tokens", "refusal", "model_context_window_exceeded"),
    ChatTalk: ("length", "content_filter", "length"),
    ResponsesTalk: ("incomplete", "incomplete", "incomplete"),
}
REASONS = ("MAX_TOKENS", "CONTENT_FILTERED", "MODEL_CONTEXT_WINDOW_EXCEEDED")


@pytest.mark.parametrize("place", range(3), ids=REASONS)
def test_incomplete_answers(simulator: KiroSimulator, streamed: Talk, place: int) -> None:
    simulator.play(f"text: Only half\nstop: {REASONS[place]}")
    turn = streamed.say("Hello")
    assert (turn.text, turn.stop) == ("Only half", STOPS[type(streamed)][place])


def test_an_answer_that_is_all_thought_is_not_empty(
    simulator: KiroSimulator, streamed: Talk
) -> None:
    simulator.play("think: For ever.")
    streamed.model = BY_TAGS
    turn = streamed.say("Hello")
    assert turn.thoughts == "For ever."
    assert (turn.text.strip(), turn.stop) == ("", STOPS[type(streamed)][0])


@pytest.mark.parametrize(
    ("name", "model", "effort"),
    [
        ("claude-opus-4-8", "claude-opus-4.8", "low"),
        ("claude-opus-4.8-max", "claude-opus-4.8", "max"),
        ("kiro/claude-opus-4-8[1m]", "claude-opus-4.8", "low"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4.5", None),
        ("opus", "claude-opus-4.8", "low"),
        ("auto", "auto", None),
    ],
)
def test_names_of_models(
    simulator: KiroSimulator, gateway: Gateway, name: str, model: str, effort: str | None
) -> None:
    simulator.play("text: Here I am.")
    assert AnthropicTalk(gateway, True, model=name).say("Hello").text == "Here I am."
    sent = simulator.requests[-1]
    assert sent.messages[-1]["modelId"] == model
    fields = sent.body.get("additionalModelRequestFields", {})
    assert fields.get("output_config", {}).get("effort") == effort


def test_failed_results_are_told_as_failed(simulator: KiroSimulator, gateway: Gateway) -> None:
    simulator.play("text: Too bad.")
    messages: Any = [
        {"role": "user", "content": "Open the window"},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "toolu_1", "name": "open", "input": {}}],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "is_error": True,
                    "content": "no such window",
                },
                {"type": "text", "text": "Go on all the same"},
            ],
        },
    ]
    with gateway.anthropic() as client:
        client.messages.create(model=BY_TAGS, max_tokens=100, messages=messages)
    sent = simulator.requests[-1]
    assert sent.results == [
        {"toolUseId": "toolu_1", "content": [{"text": "no such window"}], "status": "error"}
    ]
    assert sent.messages[-1]["content"] == "Go on all the same"
    assert sent.tools == ["open"]  # nothing was offered, but the service insists


def test_a_conversation_with_tools_goes_on_without_them(
    simulator: KiroSimulator, streamed: Talk
) -> None:
    """As compactions do it: the whole history, and no tool."""
    simulator.play("tool: clock\n---\ntext: It is late.\n---\ntext: Compacted.")
    streamed.give(results_for(streamed.say("What time is it?")))
    streamed.more["tools"] = []
    simulator.play("text: Compacted.")
    assert streamed.say("Summarise").text == "Compacted."


def test_broken_pairs_are_mended(simulator: KiroSimulator, gateway: Gateway) -> None:
    """What a client's own compaction leaves behind: a lonely result, and a lonely call."""
    talk = ChatTalk(gateway, stream=False, model=BY_TAGS)
    calls = [
        {"id": "call_lonely", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    ]
    talk.messages += [
        {"role": "tool", "tool_call_id": "call_gone", "content": "half past nine"},
        {"role": "assistant", "content": None, "tool_calls": calls},
    ]
    simulator.play("text: Mended.")
    assert talk.say("Go on").text == "Mended."
    assert "half past nine" in simulator.requests[-1].messages[0]["content"]


def test_a_custom_tool(simulator: KiroSimulator, gateway: Gateway) -> None:
    simulator.play('tool: patch {"input": "*** Begin\\n*** End"}\n---\ntext: Applied.')
    tools: Any = [{"type": "custom", "name": "patch", "description": "Apply a patch"}]
    with gateway.openai() as client:
        items: Any = [{"role": "user", "content": "Patch it"}]
        (call,) = client.responses.create(model=BY_TAGS, input=items, tools=tools).output
        assert call.type == "custom_tool_call"
        assert call.input == "*** Begin\n*** End"
        kind = "custom_tool_call_output"
        items += [call, {"type": kind, "call_id": call.call_id, "output": "ok"}]
        answer = client.responses.create(model=BY_TAGS, input=items, tools=tools)
    assert answer.output_text == "Applied."


def test_structured_output_is_asked_for_in_words(
    simulator: KiroSimulator, gateway: Gateway
) -> None:
    simulator.play('text: {"city": "Riga"}')
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    form: Any = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema}}
    with gateway.openai() as client:
        completion = client.chat.completions.create(
            model=BY_TAGS, messages=[{"role": "user", "content": "Where?"}], response_format=form
        )
    assert loads_object(completion.choices[0].message.content or "") == {"city": "Riga"}
    assert '"city"' in simulator.requests[-1].messages[0]["content"]


def test_models_are_those_of_the_account(
    simulator: KiroSimulator, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulator.state, "page", 3)
    with gateway.openai() as client:
        listed = {model.id for model in client.models.list()}
    assert {"auto", "claude-opus-4.8", "gpt-5.6-sol"} <= listed
    assert "glm-5" not in listed


def test_tokens_are_counted_without_asking(simulator: KiroSimulator, gateway: Gateway) -> None:
    with gateway.anthropic() as client:
        counted = client.messages.count_tokens(
            model=BY_TAGS, messages=[{"role": "user", "content": "Hello there"}]
        )
    assert counted.input_tokens > 0
    assert simulator.requests == []
