"""The real SDKs through a gateway with the Cursor provider: texts, thoughts, pictures, tools.

The simulator checks every message; nothing may be wrong with any of them after each test.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest

from gateway_core.json import JsonObject, loads_object
from gateway_cursor.proto import agent_pb2 as pb
from simulators.cursor.installed import cursor_gateway
from simulators.cursor.server import CursorSimulator
from support.about import about
from support.certificates import Authority
from support.conversations import AnthropicTalk, ChatTalk, ResponsesTalk, Spent, Talk, Turn
from support.dialects import CHAT
from support.pictures import PNG_BASE64
from support.server import Gateway

MODEL = "claude-opus-5-high"
SHAPES = ("gzip", "split", "coalesced", "partial", "step-first", "no-announce", "no-usage")
TURNS = 4


@pytest.fixture(scope="module")
def running() -> Iterator[CursorSimulator]:
    with CursorSimulator() as simulator:
        yield simulator


@pytest.fixture(scope="module")
def gateway(
    running: CursorSimulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    with cursor_gateway(running, tmp_path_factory.mktemp("home")) as gateway:
        yield gateway


@pytest.fixture
def simulator(running: CursorSimulator) -> CursorSimulator:
    """The simulator, without what earlier tests asked."""
    running.forget()
    return running


@pytest.fixture(autouse=True)
def no_violations(simulator: CursorSimulator) -> Iterator[None]:
    yield
    assert simulator.violations == []


@pytest.fixture(params=[True, False], ids=["streamed", "whole"])
def stream(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(params=[AnthropicTalk, ChatTalk, ResponsesTalk])
def kind(request: pytest.FixtureRequest) -> Callable[..., Talk]:
    found: Callable[..., Talk] = request.param
    return found


def begun(kind: Callable[..., Talk], gateway: Gateway, stream: bool, model: str = MODEL) -> Talk:
    """A fresh conversation, in which nothing is said of thinking."""
    talk = kind(gateway, stream, model=model)
    if kind is AnthropicTalk:
        talk.more["thinking"] = {"type": "disabled"}
    if kind is ResponsesTalk:
        talk.more["reasoning"] = {"summary": "auto"}
    return talk


@pytest.fixture
def talk(kind: Callable[..., Talk], gateway: Gateway, stream: bool) -> Talk:
    return begun(kind, gateway, stream)


@pytest.fixture
def streamed(kind: Callable[..., Talk], gateway: Gateway) -> Talk:
    return begun(kind, gateway, True)


def results_for(turn: Turn) -> dict[str, str]:
    return {call.id: f"the result of {call.name}" for call in turn.calls}


def test_a_text_with_thoughts(simulator: CursorSimulator, talk: Talk) -> None:
    simulator.play("think: Hm, well.\ntext: Größer ≥ 10 — 🚀\nusage: input=100 output=20 read=60")
    turn = talk.say("Hello")
    assert (turn.text, turn.thoughts) == ("Größer ≥ 10 — 🚀", "Hm, well.")
    assert turn.spent == Spent(40, 60, 20)
    (run,) = simulator.runs
    simulator.wait(lambda: run.half_closed)
    assert (run.model, run.reset_code) == (MODEL, None)
    assert "careful assistant" in run.history.system
    assert "careful assistant" in run.context.cloud_rule


def test_a_run_is_held_while_tools_run(simulator: CursorSimulator, talk: Talk) -> None:
    """One run serves all turns of the client, until the model's own turn is over."""
    steps = [
        f'think: Step {n}.\ntext: So, {n}.\ntool: lookup {{"topic": "number {n}"}}\ntool: clock\n'
        for n in range(1, TURNS + 1)
    ]
    simulator.play("---\n".join([*steps, "text: All are done.\necho: results\n"]))
    turn = talk.say("Look things up")
    for number in range(1, TURNS + 1):
        assert (turn.text, turn.thoughts) == (f"So, {number}.", f"Step {number}.")
        assert [(call.name, call.arguments) for call in turn.calls] == [
            ("lookup", {"topic": f"number {number}"}),
            ("clock", {}),
        ]
        turn = talk.give(results_for(turn))
    assert turn.text.startswith("All are done.")
    assert turn.text.count("the result of lookup") == TURNS
    (run,) = simulator.runs
    assert len(run.given) == 2 * TURNS


def test_a_held_run_counts_tokens_once(simulator: CursorSimulator, streamed: Talk) -> None:
    simulator.play("""\
text: one two three
tool: clock
context: 1000 200000
---
text: four
usage: input=2500 output=40
""")
    first = streamed.say("Count")
    second = streamed.give(results_for(first))
    assert first.spent is not None and second.spent is not None
    assert first.spent.output >= 1
    assert first.spent.output + second.spent.output == 40


def test_results_in_another_order(simulator: CursorSimulator, streamed: Talk) -> None:
    simulator.play('tool: clock\ntool: lookup {"topic": "x"}\n---\ntext: Ok.')
    turn = streamed.say("Go")
    given = dict(reversed(results_for(turn).items()))
    assert streamed.give(given).text == "Ok."
    assert set(simulator.runs[0].results.values()) == set(given.values())


SHAPED = """\
shape: {shape}
think: Hm.
text: Größer ≥ 10 — 🚀 ok
tool: lookup {{"topic": "täglich ☕"}}
tool: clock
---
shape: {shape}
text: Done.
"""


def test_streams_of_any_shape_mean_the_same(simulator: CursorSimulator, gateway: Gateway) -> None:
    for shape in SHAPES:
        with about(shape):
            simulator.forget()
            simulator.play(SHAPED.format(shape=shape))
            talk = begun(AnthropicTalk, gateway, True)
            turn = talk.say("Go on")
            assert (turn.text, turn.thoughts) == ("Größer ≥ 10 — 🚀 ok", "Hm.")
            assert [call.arguments for call in turn.calls] == [{"topic": "täglich ☕"}, {}]
            assert talk.give(results_for(turn)).text == "Done."
            assert len(simulator.runs) == 1
            assert simulator.violations == []


def test_twenty_thousand_little_pieces(simulator: CursorSimulator, gateway: Gateway) -> None:
    """Through the gateway alone: the SDKs take their time for each piece."""
    simulator.play("burst: 20000")
    with gateway.http() as http:
        lines = http.post(CHAT.path, json=CHAT.body(MODEL, "Much", stream=True)).text.splitlines()
    chunks = [loads_object(line[6:]) for line in lines if line.startswith("data: {")]
    said = "".join(one["choices"][0]["delta"].get("content") or "" for one in chunks)
    assert said.split() == [f"word{number}" for number in range(20_000)]


def test_odd_things_on_the_way_are_not_shown(simulator: CursorSimulator, streamed: Talk) -> None:
    simulator.play("summary:\nodd:\nnative: read_tool_call\nkeep: a note\nmiss:\ntext: Fine.")
    turn = streamed.say("Hello")
    assert (turn.text, turn.calls) == ("Fine.", [])


def test_a_later_prompt_replays_what_was(simulator: CursorSimulator, talk: Talk) -> None:
    simulator.play("match: first\ntext: One.\n---\nmatch: second\ntext: Two.")
    talk.say("The first")
    assert talk.say("The second").text == "Two."
    one, two = simulator.runs
    assert one.conversation == two.conversation
    roles = [entry["role"] for entry in two.entries]
    assert roles == ["system", "user", "assistant"]
    assert two.said is not None and "The second" in two.said


def picture_message(kind: Callable[..., Talk]) -> Any:
    """A picture and a question about it, in a dialect."""
    data = PNG_BASE64
    url = f"data:image/png;base64,{data}"
    question = "What is this?"
    if kind is AnthropicTalk:
        source = {"type": "base64", "media_type": "image/png", "data": data}
        content: list[JsonObject] = [{"type": "image", "source": source}]
        return {"role": "user", "content": [*content, {"type": "text", "text": question}]}
    if kind is ChatTalk:
        content = [{"type": "image_url", "image_url": {"url": url}}]
        return {"role": "user", "content": [*content, {"type": "text", "text": question}]}
    content = [{"type": "input_image", "image_url": url, "detail": "auto"}]
    return {"role": "user", "content": [*content, {"type": "input_text", "text": question}]}


def test_pictures(simulator: CursorSimulator, gateway: Gateway, kind: Callable[..., Talk]) -> None:
    simulator.play("echo: images")
    talk: Any = begun(kind, gateway, True)
    history = talk.items if kind is ResponsesTalk else talk.messages
    history.append(picture_message(kind))
    text = talk.say("Well?").text
    assert text == f"image/png:{hashlib.sha256(base64.b64decode(PNG_BASE64)).hexdigest()}"


def test_a_tool_that_gives_a_picture(simulator: CursorSimulator, gateway: Gateway) -> None:
    simulator.play("tool: clock\n---\necho: results")
    talk = begun(AnthropicTalk, gateway, True)
    assert isinstance(talk, AnthropicTalk)
    (call,) = talk.say("Look").calls
    source = {
        "type": "base64",
        "media_type": "image/png",
        "data": PNG_BASE64,
    }
    result = [{"type": "text", "text": "a dot"}, {"type": "image", "source": source}]
    given: Any = {call.id: result}
    assert talk.give(given).text == "a dot\n[image/png]"


def test_a_picture_that_is_too_large_is_refused(
    simulator: CursorSimulator, gateway: Gateway
) -> None:
    data = base64.b64encode(base64.b64decode(PNG_BASE64) + bytes(1_100_000)).decode()
    source = {"type": "base64", "media_type": "image/png", "data": data}
    messages: Any = [{"role": "user", "content": [{"type": "image", "source": source}]}]
    with gateway.anthropic() as client, pytest.raises(anthropic.BadRequestError) as raised:
        client.messages.create(model=MODEL, max_tokens=100, messages=messages)
    assert "Image too large" in str(raised.value)


def test_everything_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.trust))
    with CursorSimulator(tls=authority.server(["h2", "http/1.1"])) as simulator:
        simulator.play("text: Hidden.")
        simulator.state.end_access_tokens()
        with cursor_gateway(simulator, tmp_path / "gateway") as gateway:
            assert ChatTalk(gateway, True, model=MODEL).say("Hello").text == "Hidden."
        assert (simulator.state.refreshes, simulator.violations) == (1, [])


EFFORTS = [
    ("claude-opus-5", "high", "claude-opus-5-thinking-high"),
    ("claude-opus-5", "low", "claude-opus-5-thinking-low"),
    ("gpt-5.5", "medium", "gpt-5.5-medium"),
    ("gpt-5.5", "xhigh", "gpt-5.5-extra-high"),
    ("gpt-5.5", "none", "gpt-5.5-none"),
    ("gpt-5.5-low-fast", None, "gpt-5.5-low-fast"),
    ("cursor-grok-4.6", "high", "cursor-grok-4.6-high"),
    ("cursor", None, "default"),
    ("auto", None, "default"),
    ("composer-2.5", None, "composer-2.5"),
    ("cursor/gpt-5.6-sol", "max", "gpt-5.6-sol-max"),
]


def test_efforts_and_names_choose_the_variant(simulator: CursorSimulator, gateway: Gateway) -> None:
    for name, effort, model in EFFORTS:
        with about(name):
            simulator.forget()
            simulator.play("text: Here I am.")
            more: Any = {} if effort is None else {"reasoning_effort": effort}
            with gateway.openai() as client:
                messages: Any = [{"role": "user", "content": "Hello"}]
                answer = client.chat.completions.create(model=name, messages=messages, **more)
            assert answer.choices[0].message.content == "Here I am."
            assert simulator.runs[0].model == model
            assert simulator.violations == []


def test_names_choose_the_mode(simulator: CursorSimulator, gateway: Gateway) -> None:
    for name, tools, mode in [
        ("cursor", True, pb.AGENT_MODE_AGENT),
        ("cursor", False, pb.AGENT_MODE_ASK),
        ("cursor-ask", True, pb.AGENT_MODE_ASK),
        ("cursor-plan", False, pb.AGENT_MODE_PLAN),
        ("cursor:gpt-5.5-low", True, pb.AGENT_MODE_AGENT),
        ("cursor-ask:gpt-5.5-low", False, pb.AGENT_MODE_ASK),
    ]:
        with about(name):
            simulator.forget()
            simulator.play("text: Here I am.")
            talk = ChatTalk(gateway, True, model=name)
            if not tools:
                talk.more["tools"] = []
            assert talk.say("Hello").text == "Here I am."
            assert simulator.runs[0].mode == mode
            assert simulator.violations == []


def test_models_are_those_of_the_account(simulator: CursorSimulator, gateway: Gateway) -> None:
    with gateway.openai() as client:
        listed = {model.id for model in client.models.list()}
    assert {"claude-opus-5", "composer-2.5", "gpt-5.5"} <= {id.split("/")[-1] for id in listed}


def test_structured_output_is_asked_for_in_words(
    simulator: CursorSimulator, gateway: Gateway
) -> None:
    simulator.play('text: {"city": "Riga"}')
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    form: Any = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema}}
    with gateway.openai() as client:
        completion = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Where?"}], response_format=form
        )
    assert loads_object(completion.choices[0].message.content or "") == {"city": "Riga"}
    (run,) = simulator.runs
    assert '"city"' in run.context.cloud_rule + (run.said or "")


def test_tokens_are_counted_without_asking(simulator: CursorSimulator, gateway: Gateway) -> None:
    with gateway.anthropic() as client:
        counted = client.messages.count_tokens(
            model=MODEL, messages=[{"role": "user", "content": "Hello there"}]
        )
    assert counted.input_tokens > 0
    assert simulator.runs == []


def test_a_hosted_search_is_cursors_own_where_it_is_allowed(
    simulator: CursorSimulator, tmp_path: Path
) -> None:
    simulator.play(
        'query: web_search_request_query {"args": {"search_term": "h2"}}\ntext: It is a protocol.'
    )
    settings = {"providers.cursor.allow_web_search": True}
    with cursor_gateway(simulator, tmp_path, settings) as gateway:
        talk = ResponsesTalk(gateway, True, model="composer-2.5")
        talk.more["tools"] = [{"type": "web_search"}]
        assert talk.say("What is h2?").text == "It is a protocol."
    (run,) = simulator.runs
    assert (len(run.tools), run.context.web_search_enabled) == (0, True)
