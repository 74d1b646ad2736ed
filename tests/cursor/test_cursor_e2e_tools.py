"""Tools through a gateway with the Cursor provider: how models call those of the client, and what
becomes of everything that a model wants of an editor which is not there.
"""

import re
from collections.abc import Iterator

import pytest

from gateway_core.json import JsonObject, dumps_text
from simulators.cursor.installed import cursor_gateway
from simulators.cursor.server import CursorSimulator
from simulators.cursor.validate_tools import COLLIDING
from support.conversations import AnthropicTalk, Turn
from support.server import Gateway

MODEL = "claude-opus-5-high"
LONG_NAME = "mcp__a_server_with_a_very_long_name__and_a_tool_with_a_name_that_is_longer_still"


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


@pytest.fixture
def talk(gateway: Gateway) -> AnthropicTalk:
    return AnthropicTalk(gateway, True, model=MODEL)


def results_for(turn: Turn) -> dict[str, str]:
    return {call.id: f"the result of {call.name}" for call in turn.calls}


def offered(*tools: tuple[str, JsonObject]) -> list[JsonObject]:
    """Tools of Messages."""
    return [{"name": name, "description": name, "input_schema": schema} for name, schema in tools]


# What models want of an editor

ASKED: dict[str, JsonObject] = {
    "read_args": {"path": "/home/a.txt"},
    "redacted_read_args": {"path": "/home/a.txt"},
    "write_args": {"path": "/home/a.txt", "file_text": "x"},
    "delete_args": {"path": "/home/a.txt"},
    "ls_args": {"path": "/home"},
    "grep_args": {"pattern": "x"},
    "diagnostics_args": {"path": "/home/a.txt"},
    "shell_args": {"command": "ls", "working_directory": "/home"},
    "shell_stream_args": {"command": "ls"},
    "background_shell_spawn_args": {"command": "sleep 1"},
    "write_shell_stdin_args": {"shell_id": 1, "chars": "x"},
    "fetch_args": {"url": "https://example.com"},
    "list_mcp_resources_exec_args": {},
    "read_mcp_resource_exec_args": {"server": "gateway", "uri": "a://b"},
    "record_screen_args": {},
    "computer_use_args": {},
    "execute_hook_args": {},
    "subagent_args": {},
    "subagent_await_args": {"agent_id": "a"},
    "force_background_shell_args": {},
    "force_background_subagent_args": {},
    "mcp_state_exec_args": {"server_identifiers": ["gateway"]},
    "smart_mode_classifier_args": {},
    "canvas_diagnostics_args": {},
    "shell_allowlist_precheck_args": {},
    "mcp_allowlist_precheck_args": {},
    "web_fetch_allowlist_precheck_args": {},
    "git_diff_request": {},
    "unknown": {},
}


@pytest.mark.parametrize("kinds", [list(ASKED)[:15], list(ASKED)[15:]], ids=["some", "others"])
def test_everything_that_is_asked_is_answered(
    simulator: CursorSimulator, talk: AnthropicTalk, kinds: list[str]
) -> None:
    asks = [f"ask: {kind} {dumps_text(ASKED[kind])}" for kind in kinds]
    simulator.play("\n".join([*asks, "text: So be it."]))
    assert talk.say("Go").text == "So be it."
    (run,) = simulator.runs
    assert len(run.answered) == 1 + len(kinds)


def test_the_catalogue_has_the_tools_of_the_client(
    simulator: CursorSimulator, talk: AnthropicTalk
) -> None:
    simulator.play("echo: tools")
    assert talk.say("Which?").text.split() == ["lookup", LONG_NAME, "clock"]


QUERIES: dict[str, JsonObject] = {
    "web_search_request_query": {"args": {"search_term": "h2"}},
    "ask_question_interaction_query": {"args": {"title": "Which one?"}},
    "switch_mode_request_query": {},
    "exa_search_request_query": {},
    "exa_fetch_request_query": {},
    "create_plan_request_query": {"args": {"plan": "First this, then that."}},
    "setup_vm_environment_args": {},
    "web_fetch_request_query": {},
    "pr_management_request_query": {},
    "mcp_auth_request_query": {},
    "generate_image_request_query": {},
    "replace_env_args": {},
    "unknown": {},
}


def test_nobody_decides_anything(simulator: CursorSimulator, talk: AnthropicTalk) -> None:
    asks = [f"query: {kind} {dumps_text(members)}" for kind, members in QUERIES.items()]
    simulator.play("\n".join([*asks, "text: So be it."]))
    text = talk.say("Go").text
    assert text.endswith("So be it.")
    assert "First this, then that." in text


def test_whether_a_tool_may_run_is_for_the_client_to_ask(
    simulator: CursorSimulator, talk: AnthropicTalk
) -> None:
    simulator.play("probe: clock\ntext: Thanks.")
    turn = talk.say("Go")
    assert (turn.text, turn.calls) == ("Thanks.", [])


def test_a_model_that_insists_on_tools_of_its_own_is_stopped(
    simulator: CursorSimulator, talk: AnthropicTalk
) -> None:
    simulator.play('ask: read_args {"path": "a"}\n' * 40 + "text: never")
    with talk.gateway.http() as http:
        body = {
            "model": MODEL,
            "max_tokens": 100,
            "messages": [{"role": "user", "content": "Go"}],
        }
        response = http.post("/v1/messages", json=body)
    assert response.status_code >= 400, response.text
    (run, *_) = simulator.runs
    simulator.wait(lambda: run.left)
    assert run.reset_code == 8
    assert len(run.answered) < 40


# How models call


@pytest.mark.parametrize(
    "shape",
    ["names-prefixed", "names-dashed", "names-lower", "arguments-late", "no-checkpoint no-step"],
)
def test_calls_in_any_form_are_understood(
    simulator: CursorSimulator, talk: AnthropicTalk, shape: str
) -> None:
    simulator.play(f"""\
shape: {shape}
tool: lookup {{"topic": "x"}}
tool: clock
---
text: Done.
""")
    turn = talk.say("Go on")
    assert [(call.name, call.arguments) for call in turn.calls] == [
        ("lookup", {"topic": "x"}),
        ("clock", {}),
    ]
    assert talk.give(results_for(turn)).text == "Done."
    assert len(simulator.runs) == 1


def test_ids_that_no_client_takes_are_replaced(
    simulator: CursorSimulator, talk: AnthropicTalk
) -> None:
    simulator.play("shape: ids-odd\ntool: clock\ntool: clock\n---\ntext: Done.")
    turn = talk.say("Go on")
    ids = [call.id for call in turn.calls]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", id) for id in ids)
    assert len(set(ids)) == 2
    assert talk.give(results_for(turn)).text == "Done."


def test_calls_that_come_one_by_one_are_turns_of_their_own(
    simulator: CursorSimulator, talk: AnthropicTalk
) -> None:
    simulator.play('shape: serial\ntool: clock\ntool: lookup {"topic": "x"}\n---\ntext: Done.')
    first = talk.say("Go on")
    second = talk.give(results_for(first))
    assert [call.name for call in (*first.calls, *second.calls)] == ["clock", "lookup"]
    assert talk.give(results_for(second)).text == "Done."
    assert len(simulator.runs) == 1


def test_a_tool_that_nobody_offered_is_not_found(
    simulator: CursorSimulator, talk: AnthropicTalk
) -> None:
    """The model is told at once; the client hears nothing of it."""
    simulator.play("tool: teleport\n---\ntext: Then not.")
    turn = talk.say("Go")
    assert (turn.text, turn.calls) == ("Then not.", [])
    (given,) = simulator.runs[0].given.values()
    assert given.WhichOneof("result") == "tool_not_found"


def test_a_call_that_cursor_refuses_itself_is_not_shown(
    simulator: CursorSimulator, talk: AnthropicTalk
) -> None:
    simulator.play("refused: clock\ntext: Then not.")
    turn = talk.say("Go")
    assert (turn.text, turn.calls) == ("Then not.", [])


def test_a_call_that_is_withdrawn_is_forgotten(
    simulator: CursorSimulator, talk: AnthropicTalk
) -> None:
    simulator.play("tool: clock\nshape: no-checkpoint\nabort: 0\n---\ntext: Never mind.")
    turn = talk.say("Go")
    if turn.calls:  # it was shown before it was withdrawn
        turn = talk.give(results_for(turn))
    assert turn.text == "Never mind."


def test_numbers_are_what_the_tool_wants(simulator: CursorSimulator, talk: AnthropicTalk) -> None:
    """On the wire all numbers are doubles."""
    schema = {
        "type": "object",
        "properties": {
            "line": {"type": "integer"},
            "share": {"type": "number"},
            "deep": {"type": "array", "items": {"type": "integer"}},
            "any": {},
        },
    }
    talk.more["tools"] = offered(("jump", schema))
    members = {"line": 5, "share": 0.5, "deep": [1, 2], "any": {"a": None, "b": [True, 3]}}
    simulator.play(f"tool: jump {dumps_text(members)}\n---\ntext: Done.")
    turn = talk.say("Go")
    assert dumps_text(turn.calls[0].arguments["line"]) == "5"
    assert dumps_text(turn.calls[0].arguments["deep"]) == "[1,2]"
    assert turn.calls[0].arguments == members
    talk.give(results_for(turn))


# What is offered


def test_names_of_cursor_s_own_tools_are_no_trouble(
    simulator: CursorSimulator, talk: AnthropicTalk
) -> None:
    talk.more["tools"] = offered(*((name, {"type": "object"}) for name in (*COLLIDING, "Bash")))
    calls = "\n".join(f"tool: {name}" for name in COLLIDING)
    simulator.play(f"{calls}\n---\ntext: All of them.")
    turn = talk.say("Go")
    assert [call.name for call in turn.calls] == list(COLLIDING)
    assert talk.give(results_for(turn)).text == "All of them."


def test_schemas_are_made_to_fit(simulator: CursorSimulator, talk: AnthropicTalk) -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "one": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "two": {"type": "array", "items": {"oneOf": [{"type": "integer"}, {"type": "object"}]}},
            "three": {"allOf": [{"$ref": "#/$defs/x"}, {"description": "x"}]},
            "anyOf": {"type": "string", "not": {"const": ""}},
        },
        "required": ["one", "anyOf"],
        "$defs": {"x": {"anyOf": [{"type": "boolean"}]}},
    }
    talk.more["tools"] = offered(("odd", schema))
    simulator.play("text: Fine.")
    assert talk.say("Go").text == "Fine."


def test_many_tools(simulator: CursorSimulator, talk: AnthropicTalk) -> None:
    talk.more["tools"] = offered(*((f"tool_{n}", {"type": "object"}) for n in range(400)))
    simulator.play("tool: tool_399\n---\ntext: Fine.")
    turn = talk.say("Go")
    assert [call.name for call in turn.calls] == ["tool_399"]
    assert talk.give(results_for(turn)).text == "Fine."


def test_too_many_words_about_tools_are_shortened(
    simulator: CursorSimulator, talk: AnthropicTalk
) -> None:
    names = [f"tool_{number}" for number in range(60)]
    tools = offered(*((name, {"type": "object"}) for name in names))
    for tool in tools:
        tool["description"] = "much to say " * 500
    talk.more["tools"] = tools
    simulator.play("text: Fine.")
    assert talk.say("Go").text == "Fine."
    assert len(simulator.runs[0].tools) == 60


@pytest.mark.parametrize("kind", ["none", "any", "tool"])
def test_tool_choice(simulator: CursorSimulator, talk: AnthropicTalk, kind: str) -> None:
    choice: JsonObject = {"type": kind} | ({"name": "clock"} if kind == "tool" else {})
    talk.more |= {"tool_choice": choice, "thinking": {"type": "disabled"}}
    simulator.play("text: No." if kind == "none" else "tool: clock\n---\ntext: Yes.")
    turn = talk.say("Go")
    (run,) = simulator.runs
    assert [call.name for call in turn.calls] == ([] if kind == "none" else ["clock"])
    assert bool(run.tools) is (kind != "none")
    if kind != "none":
        assert "must call" in run.context.cloud_rule
        assert talk.give(results_for(turn)).text == "Yes."


def test_one_call_at_a_time(simulator: CursorSimulator, talk: AnthropicTalk) -> None:
    talk.more |= {
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "thinking": {"type": "disabled"},
    }
    simulator.play('tool: clock\ntool: lookup {"topic": "x"}\n---\ntext: Done.')
    turn = talk.say("Go")
    assert [call.name for call in turn.calls] == ["clock"]
    assert talk.give(results_for(turn)).text == "Done."
    kinds = [given.WhichOneof("result") for given in simulator.runs[0].given.values()]
    assert sorted(str(kind) for kind in kinds) == ["error", "success"]
