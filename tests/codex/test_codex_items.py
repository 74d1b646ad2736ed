"""What becomes of input items: pairs of calls and outputs, ids, what is dropped."""

import pytest
from inline_snapshot import snapshot

from gateway_core import (
    CustomTool,
    Foreign,
    HostedCall,
    Message,
    Reasoning,
    Request,
    Seal,
    Text,
    ToolCall,
    ToolResult,
    Unsupported,
)
from gateway_core.content import Part
from gateway_core.formats.responses import read_request
from gateway_core.json import JsonObject
from gateway_core.tool_names import tool_alias
from support.codex_asking import CREDENTIAL, asked, translated

SEAL = Seal("codex", "gAAAAsealed")


def user(*parts: Part) -> Message:
    return Message("user", [*parts])


def assistant(*parts: Part) -> Message:
    return Message("assistant", [*parts])


def call(id: str = "call_1", custom: bool = False) -> ToolCall:
    return ToolCall(id, "run", "ls" if custom else '{"command":"ls"}', custom=custom)


def result(id: str = "call_1", text: str = "ok") -> ToolResult:
    return ToolResult(id, [Text(text)])


def foreign(kind: str, **fields: object) -> Foreign:
    return Foreign("responses", kind, {"type": kind, **fields})


def items(*messages: Message) -> list[JsonObject]:
    """The input for a conversation that begins with a question."""
    found = asked(Request("gpt-5.5", [user(Text("Do it")), *messages]))["input"]
    assert isinstance(found, list)
    return found[1:]


def kinds(*messages: Message) -> list[str]:
    return [str(item.get("role", item["type"])) for item in items(*messages)]


def test_a_call_and_its_result() -> None:
    assert items(assistant(call()), user(result())) == snapshot(
        [
            {
                "type": "function_call",
                "call_id": "call_1",
                "name": "run",
                "arguments": '{"command":"ls"}',
            },
            {"type": "function_call_output", "call_id": "call_1", "output": "ok"},
        ]
    )


def test_a_custom_call_keeps_its_free_text() -> None:
    pair = items(assistant(call(custom=True)), user(result()))
    assert pair == snapshot(
        [
            {"type": "custom_tool_call", "call_id": "call_1", "name": "run", "input": "ls"},
            {"type": "custom_tool_call_output", "call_id": "call_1", "output": "ok"},
        ]
    )


def test_a_call_without_a_result_gets_one() -> None:
    two = assistant(call("a"), call("b"))
    assert [
        (item.get("call_id"), item.get("output"))
        for item in items(two, user(result("b")), user(Text("Stop")))
    ] == [("a", None), ("a", "aborted"), ("b", None), ("b", "ok"), (None, None)]


def test_a_custom_call_without_a_result_gets_one_of_its_kind() -> None:
    assert kinds(assistant(call(custom=True)), user(Text("Stop"))) == [
        "custom_tool_call",
        "custom_tool_call_output",
        "user",
    ]


def test_a_result_without_a_call_is_told_as_a_message() -> None:
    (told,) = items(user(result("gone", "the list")))
    assert told["role"] == "user"
    assert told["content"][0]["text"].endswith("\nthe list")


def test_a_second_result_of_a_call_is_dropped() -> None:
    outputs = items(assistant(call()), user(result(text="first")), user(result(text="second")))
    assert [item.get("output") for item in outputs] == [None, "first"]


def test_call_ids_that_come_again_are_told_apart() -> None:
    turn = [assistant(call("call_0")), user(result("call_0"))]
    again = [assistant(call("call_0")), user(result("call_0", "other"))]
    assert [(item["call_id"], item.get("output")) for item in items(*turn, *again)] == [
        ("call_0", None),
        ("call_0", "ok"),
        ("call_0_2", None),
        ("call_0_2", "other"),
    ]


@pytest.mark.parametrize("id", ["x" * 100, "functions.run:0", "ü"], ids=["long", "dots", "umlaut"])
def test_call_ids_outside_the_limits_are_shortened_on_both_sides(id: str) -> None:
    first, second = items(assistant(call(id)), user(result(id)))
    assert first["call_id"] == second["call_id"] != id


def test_ids_of_items_stay_here() -> None:
    said = Text("Hi.", extras={"responses": {"id": "msg_1", "phase": "commentary", "status": "x"}})
    (item,) = items(assistant(said))
    assert item == {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "Hi."}],
        "phase": "commentary",
    }


def test_an_overlong_id_of_reasoning_stays_here() -> None:
    thought = Reasoning("", Seal("codex", "gAAAA", "rs_" + "0" * 80))
    reasoning, _ = items(assistant(thought, Text("Hi.")))
    assert reasoning == {"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}


def test_reasoning_that_led_to_nothing_is_dropped() -> None:
    thought = Reasoning("hm", SEAL)
    assert kinds(assistant(Text("Hi."), thought), user(Text("And?"))) == ["assistant", "user"]
    assert kinds(assistant(thought)) == []
    assert kinds(assistant(thought, Reasoning("hm", SEAL), call()), user(result())) == [
        "reasoning",
        "reasoning",
        "function_call",
        "function_call_output",
    ]


def test_references_to_stored_items_are_dropped() -> None:
    assert kinds(assistant(foreign("item_reference", id="msg_1"))) == []


def test_items_of_the_official_client_pass_without_their_ids() -> None:
    search = foreign("tool_search_call", id="ts_1", call_id="c", arguments={}, execution="client")
    found = foreign("tool_search_output", call_id="c", tools=[], execution="client")
    shell = foreign("local_shell_call", id="ls_1", call_id="d", action={"type": "exec"})
    output = foreign("local_shell_call_output", id="d", output="ok")
    assert items(assistant(search, shell), user(found, output)) == snapshot(
        [
            {"type": "tool_search_call", "call_id": "c", "arguments": {}, "execution": "client"},
            {
                "type": "local_shell_call",
                "call_id": "d",
                "action": {"type": "exec"},
            },
            {"type": "tool_search_output", "call_id": "c", "tools": [], "execution": "client"},
            {"type": "local_shell_call_output", "id": "d", "output": "ok"},
        ]
    )


def test_a_shell_answered_as_a_function_is_answered_as_a_shell() -> None:
    shell = foreign("local_shell_call", call_id="d", action={"type": "exec"})
    _, output = items(assistant(shell), user(result("d")))
    assert output == {"type": "local_shell_call_output", "id": "d", "output": "ok"}


def test_lonely_halves_of_such_pairs_are_dropped() -> None:
    search = foreign("tool_search_call", call_id="c", arguments={}, execution="client")
    output = foreign("tool_search_output", call_id="x", tools=[], execution="client")
    assert kinds(assistant(search), user(output), user(Text("Go on"))) == ["user"]


def test_a_trigger_of_compaction_counts_only_as_the_last_word() -> None:
    trigger = user(foreign("compaction_trigger"))
    assert kinds(trigger, user(Text("Go on"))) == ["user"]
    assert kinds(user(Text("Go on")), trigger) == ["user", "compaction_trigger"]


def test_a_search_comes_back_with_its_sources_and_without_id() -> None:
    sources: JsonObject = {
        "sources": [{"url": "https://example.org/", "title": "A"}, {"url": None}]
    }
    search = HostedCall("ws_1", "web_search", '{"query":"news"}', sources)
    (item,) = items(assistant(search))
    assert item == {
        "type": "web_search_call",
        "status": "completed",
        "action": {
            "type": "search",
            "query": "news",
            "sources": [{"type": "url", "url": "https://example.org/"}],
        },
    }


def test_hosted_calls_that_tell_nothing_are_dropped() -> None:
    search = HostedCall("ws_1", "web_search", "")
    image = HostedCall("ig_1", "image_generation", '{"prompt":"a dot"}')
    assert kinds(assistant(search, image)) == []


def test_content_of_another_service_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match="container_upload"):
        items(user(Foreign("anthropic", "container_upload", {"type": "container_upload"})))
    with pytest.raises(Unsupported, match="input_video"):
        items(user(foreign("input_video", url="x")))


def test_what_a_client_sent_is_not_changed() -> None:
    data = {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAAA"}
    request = Request("gpt-5.5", [assistant(Foreign("responses", "compaction", data))])
    request.tools = [CustomTool("note", None)]
    translated(request, credential=CREDENTIAL)
    assert data == {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAAA"}


def test_a_namespace_has_one_name_in_tools_and_history() -> None:
    tool: JsonObject = {"type": "function", "name": "read", "parameters": {"type": "object"}}
    call = {"type": "function_call", "call_id": "c", "name": "read", "namespace": "my.server"}
    body: JsonObject = {
        "model": "gpt-5.5",
        "tools": [{"type": "namespace", "name": "my.server", "description": "", "tools": [tool]}],
        "input": [
            {"type": "message", "role": "user", "content": "Do it"},
            {**call, "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "ok"},
        ],
    }
    sent = asked(read_request(body, {}))
    name = sent["tools"][0]["name"]
    assert name == tool_alias("my.server") != "my.server"
    assert [item["namespace"] for item in sent["input"] if "namespace" in item] == [name]
