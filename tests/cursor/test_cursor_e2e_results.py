"""Results of the client's tools on their way to Cursor, and histories that clients bring along."""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from gateway_core.json import JsonObject
from simulators.cursor.installed import cursor_gateway
from simulators.cursor.server import CursorSimulator
from support.about import about, each
from support.conversations import AnthropicTalk, ChatTalk, ResponsesTalk
from support.server import Gateway

MODEL = "claude-opus-5-high"


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


def offered(*tools: tuple[str, JsonObject]) -> list[JsonObject]:
    """Tools of Messages."""
    return [{"name": name, "description": name, "input_schema": schema} for name, schema in tools]


@pytest.mark.parametrize("text", ["", "no such window"])
def test_an_empty_result_is_an_empty_text(
    simulator: CursorSimulator, talk: AnthropicTalk, text: str
) -> None:
    simulator.play("tool: clock\n---\necho: failed\necho: results")
    (call,) = talk.say("Go").calls
    given_back: Any = {call.id: [{"type": "text", "text": text}] if text else ""}
    assert talk.give(given_back).text == f"0 failed{text}"
    (given,) = simulator.runs[0].given.values()
    assert [item.text.text for item in given.success.content] == [text]


def test_a_result_for_only_one_of_two_calls(simulator: CursorSimulator, gateway: Gateway) -> None:
    simulator.play('tool: clock\ntool: lookup {"topic": "x"}\n---\necho: failed')
    talk = ResponsesTalk(gateway, True, model=MODEL)
    turn = talk.say("Go")
    assert talk.give({turn.calls[0].id: "nine"}).text == "1 failed"
    kinds = [given.WhichOneof("result") for given in simulator.runs[0].given.values()]
    assert kinds == ["success", "error"]


def test_a_custom_tool(simulator: CursorSimulator, gateway: Gateway) -> None:
    simulator.play('tool: patch {"input": "*** Begin\\n*** End"}\n---\ntext: Applied.')
    tools: Any = [{"type": "custom", "name": "patch", "description": "Apply a patch"}]
    with gateway.openai() as client:
        items: Any = [{"role": "user", "content": "Patch it"}]
        (call,) = client.responses.create(model=MODEL, input=items, tools=tools).output
        assert call.type == "custom_tool_call"
        assert call.input == "*** Begin\n*** End"
        kind = "custom_tool_call_output"
        items += [call, {"type": kind, "call_id": call.call_id, "output": "ok"}]
        answer = client.responses.create(model=MODEL, input=items, tools=tools)
    assert answer.output_text == "Applied."
    assert len(simulator.runs) == 1


def test_results_of_conversations_that_began_elsewhere(
    simulator: CursorSimulator, gateway: Gateway
) -> None:
    """A history with calls of another model goes on here."""
    simulator.play("echo: results")
    calls = [{"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}]
    talk = ChatTalk(gateway, True, model=MODEL)
    talk.messages += [
        {"role": "user", "content": "What time is it?"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_1", "content": "half past nine"},
        {"role": "assistant", "content": "Half past nine."},
    ]
    assert talk.say("And now?").text == "half past nine"
    roles = [entry["role"] for entry in simulator.runs[0].entries]
    assert roles == ["system", "user", "assistant", "tool", "assistant"]


def test_broken_pairs_are_mended(simulator: CursorSimulator, gateway: Gateway) -> None:
    """What a client's own compaction leaves behind: a lonely result, and a lonely call."""
    talk = ChatTalk(gateway, stream=False, model=MODEL)
    calls = [
        {"id": "call_lonely", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    ]
    talk.messages += [
        {"role": "tool", "tool_call_id": "call_gone", "content": "half past nine"},
        {"role": "assistant", "content": None, "tool_calls": calls},
    ]
    simulator.play("text: Mended.")
    assert talk.say("Go on").text == "Mended."


def test_what_the_user_adds_to_results_is_heard(
    simulator: CursorSimulator, gateway: Gateway
) -> None:
    """The run goes on, with the words at the end of the last result."""
    simulator.play("tool: clock\n---\necho: results")
    tools: Any = offered(("clock", {"type": "object"}))
    messages: Any = [{"role": "user", "content": "What time is it?"}]
    with gateway.anthropic() as client:
        asked = {"model": MODEL, "max_tokens": 100, "tools": tools}
        first: Any = client.messages.create(messages=messages, **asked)
        (block,) = first.content
        result = {"type": "tool_result", "tool_use_id": block.id, "content": "nine"}
        reminder = {"type": "text", "text": "<system-reminder>Be kind.</system-reminder>"}
        messages += [
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": [result, reminder]},
        ]
        second: Any = client.messages.create(messages=messages, **asked)
    assert second.content[0].text.startswith("nine")
    assert "Be kind." in second.content[0].text
    assert len(simulator.runs) == 1


def test_a_failed_result_is_told_as_failed(simulator: CursorSimulator, gateway: Gateway) -> None:
    simulator.play("tool: clock\n---\necho: failed")
    tools: Any = offered(("clock", {"type": "object"}))
    messages: Any = [{"role": "user", "content": "What time is it?"}]
    with gateway.anthropic() as client:
        asked = {"model": MODEL, "max_tokens": 100, "tools": tools}
        first: Any = client.messages.create(messages=messages, **asked)
        result = {
            "type": "tool_result",
            "tool_use_id": first.content[0].id,
            "content": "no clock here",
            "is_error": True,
        }
        messages += [
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": [result]},
        ]
        second: Any = client.messages.create(messages=messages, **asked)
    assert second.content[0].text == "1 failed"
    (given,) = simulator.runs[0].given.values()
    assert given.success.is_error


def test_where_the_client_works_is_known_and_nothing_else(
    simulator: CursorSimulator, gateway: Gateway
) -> None:
    simulator.play("text: Fine.")
    system = "<env>\nWorking directory: /home/dev/project\nPlatform: linux\n</env>"
    talk = AnthropicTalk(gateway, True, model=MODEL, more={"system": system})
    assert talk.say("Go").text == "Fine."
    environment = simulator.runs[0].context.env
    assert list(environment.workspace_paths) == ["/home/dev/project"]


@each(
    "type, name, text",
    [
        ("text/plain", "notes.txt", "Some words."),
        ("text/markdown", "notes.md", "# Some words"),
        ("text/csv", "table.csv", "a,b\n1,2"),
        ("application/json", "facts.json", '{"a": 1}'),
        ("application/x-python-code", "main.py", "print('é')"),
        ("application/octet-stream", "main.rs", "fn main() {}"),
    ],
)
def test_documents_that_are_texts_arrive_from_every_kind_of_client(
    simulator: CursorSimulator, gateway: Gateway, type: str, name: str, text: str
) -> None:
    simulator.play("echo: prompt")
    data = b64encode(text.encode()).decode()
    url = f"data:{type};base64,{data}"
    source = {"type": "base64", "media_type": type, "data": data}
    document = {"type": "document", "title": name, "source": source}
    said: dict[str, JsonObject] = {
        "/v1/messages": {"messages": [{"role": "user", "content": [document]}], "max_tokens": 9},
        "/v1/chat/completions": {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "file", "file": {"filename": name, "file_data": url}}],
                }
            ]
        },
        "/v1/responses": {
            "input": [
                {
                    "role": "user",
                    "content": [{"type": "input_file", "filename": name, "file_data": url}],
                }
            ]
        },
    }
    with gateway.http() as http:
        for path, body in said.items():
            with about(path):
                answer = http.post(path, json={"model": MODEL, **body})
                assert answer.status_code == 200, answer.text
                assert simulator.runs[-1].said == f"{name}:\n{text}"
