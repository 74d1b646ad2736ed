"""Conversations as blobs, and what is asked now."""

import hashlib
from base64 import b64encode
from typing import Any

import pytest

from gateway_core import (
    Foreign,
    HostedCall,
    Media,
    Message,
    Reasoning,
    Seal,
    Text,
    ToolCall,
    ToolResult,
    Unsupported,
)
from gateway_core.json import dumps
from gateway_cursor.plan import RunStart
from gateway_cursor.proto import agent_pb2 as pb
from support.about import about
from support.cursor_asking import (
    asked,
    assistant,
    call_of,
    degraded,
    fixture,
    fixture_blobs,
    planned,
    roots,
    user,
)
from support.pictures import GIF_BASE64, PDF_BASE64, PNG_BASE64

PICTURE = Media("image", "image/png", data=PNG_BASE64)
SYSTEM = {"role": "system", "content": "You are terse."}


def result(id: str, *parts: str | Media | Foreign, failed: bool = False) -> ToolResult:
    content = [Text(part) if isinstance(part, str) else part for part in parts]
    return ToolResult(id, [*content], failed)


def started(*messages: Message, system: str = "You are terse.", **more: Any) -> RunStart:
    return planned(asked(*messages, system=system, **more)).start


def said(*messages: Message) -> list[Any]:
    """The history without its system message."""
    return roots(started(*messages))[1:]


def text(role: str, *texts: str) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text} for text in texts]}


def action(start: RunStart) -> pb.UserMessage:
    assert start.request.action.WhichOneof("action") == "user_message_action"
    return start.request.action.user_message_action.user_message


def test_a_first_message_is_as_in_the_fixture() -> None:
    start = started(user("Say hi"))
    recorded = fixture("c01").run_request
    assert start.request.conversation_state == recorded.conversation_state
    assert start.blobs == fixture_blobs("c01")
    assert action(start).text == "Say hi"
    assert len(action(start).message_id) == 36


def test_a_history_is_as_in_the_fixture() -> None:
    start = started(user("Say hi"), assistant("hi"), user("Now read /home/dev/a.txt"))
    recorded = fixture("c02").run_request
    state, expected = start.request.conversation_state, recorded.conversation_state
    assert state.root_prompt_messages_json == expected.root_prompt_messages_json
    turns = [turn_of(start.blobs, id) for id in state.turns]
    blobs = fixture_blobs("c02")
    assert [turn_of(blobs, id) for id in expected.turns] == turns == [("Say hi", ["hi"])]


def turn_of(blobs: Any, id: bytes) -> tuple[str, list[str]]:
    turn = pb.ConversationTurnStructure.FromString(blobs[id]).agent_conversation_turn
    asked = pb.UserMessage.FromString(blobs[turn.user_message])
    assert len(asked.message_id) == 36 and asked.mode == pb.AGENT_MODE_AGENT
    steps = [pb.ConversationStep.FromString(blobs[step]) for step in turn.steps]
    return asked.text, [step.assistant_message.text for step in steps]


def test_every_blob_is_named_by_its_hash_and_every_name_has_its_blob() -> None:
    start = started(user("a"), assistant("b"), user("c", PICTURE), assistant("d"), user("e"))
    assert all(hashlib.sha256(data).digest() == id for id, data in start.blobs.items())
    state = start.request.conversation_state
    assert {*state.root_prompt_messages_json, *state.turns} <= start.blobs.keys()
    (image,) = action(start).selected_context.selected_images
    assert image.blob_id_with_data.blob_id in start.blobs


def test_calls_and_results_are_told_as_what_they_are() -> None:
    history = said(
        user("Read a.txt"),
        assistant("Sure.", ToolCall("toolu_1", "Read", '{"file_path":"/home/dev/a.txt"}')),
        user(result("toolu_1", "hello")),
        assistant("It says hello."),
        user("Thanks"),
    )
    call = {
        "type": "tool-call",
        "toolCallId": "toolu_1",
        "toolName": "mcp_Read",
        "args": {"file_path": "/home/dev/a.txt"},
    }
    came = {
        "type": "tool-result",
        "toolCallId": "toolu_1",
        "toolName": "mcp_Read",
        "result": "hello",
    }
    assert history == [
        text("user", "Read a.txt"),
        {"role": "assistant", "content": [{"type": "text", "text": "Sure."}, call]},
        {"role": "tool", "id": "toolu_1", "content": [came]},
        text("assistant", "It says hello."),
    ]


def test_a_request_that_ends_with_results_resumes_as_in_the_fixture() -> None:
    start = started(user("Go"), assistant(call_of("t1")), user(result("t1", "done")))
    recorded = fixture("c04").run_request
    assert start.request.action.WhichOneof("action") == "resume_action"
    assert recorded.action.WhichOneof("action") == "resume_action"
    assert start.request.action.resume_action.request_context.env.time_zone == "UTC"
    assert roots(start)[-1]["role"] == "tool"
    assert [turn_of(start.blobs, id) for id in start.request.conversation_state.turns] == [
        ("Go", [])
    ]


def test_what_the_user_says_beside_results_is_what_is_asked() -> None:
    start = started(user("Go"), assistant(call_of("t1")), user(result("t1", "done"), "And now?"))
    assert action(start).text == "And now?"
    assert [root["role"] for root in roots(start)] == ["system", "user", "assistant", "tool"]


def test_a_failed_result_and_an_empty_one_are_told() -> None:
    tools = [
        part
        for root in said(
            user("Go"),
            assistant(call_of("t1"), call_of("t2")),
            user(result("t2"), result("t1", "no such file", failed=True), "Why?"),
        )
        if root["role"] == "tool"
        for part in root["content"]
    ]
    assert [(part["toolCallId"], part["result"]) for part in tools] == [
        ("t2", ""),
        ("t1", "no such file"),
    ]
    assert [part.get("isError") for part in tools] == [None, True]


def test_a_call_without_a_result_gets_one_that_says_so() -> None:
    history = said(
        user("Go"), assistant(call_of("t1"), call_of("t2")), user(result("t1", "x"), "?")
    )
    (part,) = history[-1]["content"]
    assert (part["toolCallId"], part["isError"]) == ("t2", True)
    assert part["result"] == "No result was provided for this tool call."


def test_a_call_at_the_end_is_told_to_have_no_result() -> None:
    start = started(user("Go"), assistant("I run it.", call_of("t1")))
    assert roots(start)[-1]["role"] == "tool"
    assert start.request.action.WhichOneof("action") == "resume_action"


def test_a_result_without_a_call_becomes_a_text() -> None:
    start = started(user(result("t9", "42"), "Well?"))
    assert action(start).text == "[Result of an earlier tool call: 42]\n\nWell?"


def test_of_several_results_for_one_call_the_last_counts() -> None:
    history = said(user("Go"), assistant(call_of("t1")), user(result("t1", "a"), result("t1", "b")))
    assert [part["result"] for part in history[-1]["content"]] == ["b"]


def test_ids_that_come_again_are_told_apart() -> None:
    turns = [
        message
        for n in range(3)
        for message in (assistant(call_of("call_0", n=n)), user(result("call_0", f"r{n}")))
    ]
    history = said(user("Go"), *turns)
    calls = [root["content"][0]["toolCallId"] for root in history if root["role"] == "assistant"]
    results = [root["content"][0] for root in history if root["role"] == "tool"]
    assert calls == ["call_0", "call_0_2", "call_0_3"]
    assert [part["toolCallId"] for part in results] == calls
    assert [part["result"] for part in results] == ["r0", "r1", "r2"]


def test_ids_of_other_services_are_brought_into_form() -> None:
    for id in ["call_1|fc_2", "x" * 90, "ä", "toolu_1\nfc_2"]:
        with about(id):
            history = said(user("Go"), assistant(call_of(id)), user(result(id, "x")))
            wire = history[1]["content"][0]["toolCallId"]
            assert len(wire) <= 64 and wire.isascii() and "|" not in wire and "\n" not in wire
            assert history[2]["id"] == history[2]["content"][0]["toolCallId"] == wire


def test_arguments_are_an_object() -> None:
    for arguments, expected in [
        ("", {}),
        ("{}", {}),
        ("[1]", {"value": [1]}),
        ("{broken", {"_raw": "{broken"}),
    ]:
        with about(arguments):
            history = said(
                user("Go"), assistant(ToolCall("t1", "a", arguments)), user(result("t1", "x"))
            )
            assert history[1]["content"][0]["args"] == expected


def test_thoughts_are_not_replayed() -> None:
    thought = Reasoning("I think.", Seal("cursor", "abc"))
    assert said(user("a"), assistant(thought, "b"), user("c"))[1] == text("assistant", "b")
    assert said(user("a"), assistant(thought), user("b")) == []


def test_messages_of_one_side_become_one() -> None:
    start = started(user("a"), user("b"), assistant("c"), assistant("d"), user("e"), user("f"))
    assert roots(start)[1:] == [text("user", "a\n\nb"), text("assistant", "c", "d")]
    assert action(start).text == "e\n\nf"


def test_system_messages_before_all_others_instruct_and_later_ones_are_reminders() -> None:
    start = started(
        Message("system", [Text("Be kind.")]),
        user("Hi"),
        Message("system", [Text("It is late.")]),
        assistant("Hello."),
        Message("system", [Text("It is later.")]),
        system="Be brief.",
    )
    late, later = (
        f"<system-reminder>\n{told}\n</system-reminder>" for told in ("It is late.", "It is later.")
    )
    assert roots(start)[:2] == [
        {"role": "system", "content": "Be brief.\n\nBe kind."},
        text("user", f"Hi\n\n{late}"),
    ]
    assert action(start).text == later


def test_there_is_always_one_system_message() -> None:
    (system,) = roots(started(Message("system", [Text(" ")]), user("Hi"), system=""))
    assert system == {"role": "system", "content": "You are a helpful assistant."}


def test_where_the_user_says_nothing_the_model_is_to_go_on() -> None:
    for messages in [[], [assistant("Hello.")], [user("a"), assistant("One, two,")]]:
        with about(messages):
            assert action(started(*messages)).text == "Continue."


def test_searches_of_other_services_are_told_in_words() -> None:
    found = {"sources": [{"url": "https://a.example", "title": "A"}, {"url": "https://b.example"}]}
    calls = (
        HostedCall("s1", "web_search", '{"query":"news"}', found),
        HostedCall("s2", "image_generation", "{}", None),
    )
    history = said(user("a"), assistant(*calls, "b"), user("c"))
    assert history[1] == text(
        "assistant",
        "[Searched the web for 'news']\n- A: https://a.example\n"
        "- https://b.example: https://b.example",
        "b",
    )


def test_the_local_shell_of_the_responses_format_is_a_tool_like_others() -> None:
    action = {"command": ["ls"]}
    called = Foreign("responses", "local_shell_call", {"call_id": "l1", "action": action})
    came = Foreign("responses", "local_shell_call_output", {"call_id": "l1", "output": "a.txt"})
    silent = Foreign("responses", "item_reference", {"id": "x"})
    history = said(user("Go"), assistant(called, silent), user(came))
    assert history[1]["content"][0]["args"] == action
    assert history[2]["content"][0]["result"] == "a.txt"


def test_a_tool_that_was_found_is_told() -> None:
    found = Foreign("anthropic", "tool_reference", {"tool_name": "WebFetch"})
    history = said(user("Go"), assistant(call_of("t1")), user(result("t1", found)))
    assert history[2]["content"][0]["result"] == "The tool WebFetch can be used now."


def test_what_cursor_cannot_take_is_refused_by_name() -> None:
    for message, name, path in [
        (user(Foreign("anthropic", "container_upload", {})), "container_upload", "[0].content[0]"),
        (
            user("x", Media("document", "application/pdf", data=PDF_BASE64)),
            "document",
            "content[1]",
        ),
        (
            user(result("t", Media("audio", "audio/wav", data="AAAA"))),
            "audio",
            "content[0].content[0]",
        ),
        (user(result("t", Foreign("anthropic", "odd", {}))), "odd", "content[0].content[0]"),
        (Message("system", [PICTURE]), "image", "messages[0].content[0]"),
    ]:
        with about(message):
            with pytest.raises(Unsupported, match=name) as refusal:
                started(message)
            assert path in str(refusal.value.param)


def test_a_document_that_is_a_text_is_told_as_one() -> None:
    for type, name, text in [
        ("text/plain", "a.txt", "Words."),
        ("text/markdown", "a.md", "# Words"),
        ("text/csv", "a.csv", "a,b\n1,2"),
        ("application/json", "a.json", '{"a": 1}'),
        ("application/x-python-code", "a.py", "print(1)"),
        ("application/octet-stream", "a.rs", "fn main() {}"),
    ]:
        with about(type):
            data = text if type == "text/plain" else b64encode(text.encode()).decode()
            document = Media("document", type, name=name, data=data)
            start = planned(degraded(asked(user(document, "What?")))).start
            assert action(start).text == f"{name}:\n{text}\n\nWhat?"


def test_a_document_in_a_result_is_told_there() -> None:
    document = Media("document", "application/json", name="a.json", data="eyJhIjoxfQ==")
    messages = (user("Go"), assistant(call_of("t1")), user(result("t1", document)))
    plan = planned(degraded(asked(*messages)))
    assert roots(plan.start)[-1]["content"][0]["result"] == 'a.json:\n{"a":1}'
    assert plan.results[0].result.success.content[0].text.text == 'a.json:\n{"a":1}'


def pictures(start: RunStart) -> list[str]:
    return [image.path for image in action(start).selected_context.selected_images]


def test_an_image_comes_with_the_message_and_its_place_is_marked() -> None:
    start = started(user("Compare", PICTURE, "with", Media("image", data=GIF_BASE64)))
    assert action(start).text == "Compare\n\n[image 1]\n\nwith\n\n[image 2]"
    assert pictures(start) == ["image-1.png", "image-2.gif"]


def test_earlier_images_come_again_with_the_message_that_is_asked_now() -> None:
    start = started(user("What is it?", PICTURE), assistant("A dot."), user("Which colour?"))
    assert roots(start)[1] == text("user", "What is it?\n\n[image 1]")
    assert pictures(start) == ["image-1.png"]
    assert action(start).text.startswith("Which colour?\n\n<system-reminder>\nOf the attached")
    assert "[image 1]" in action(start).text


def test_images_in_results_come_with_a_message_too() -> None:
    start = started(user("Look"), assistant(call_of("t1")), user(result("t1", "shot:", PICTURE)))
    assert roots(start)[-1]["content"][0]["result"] == "shot:\n\n[image 1]"
    assert pictures(start) == ["image-1.png"]
    assert action(start).text.startswith("Continue with the tool results above.")


def test_of_many_images_the_latest_are_shown_and_the_others_told_of() -> None:
    plan_of = asked(user(*[PICTURE] * 10), assistant("Dots."), user(*[PICTURE] * 5))
    start = planned(plan_of).start
    assert pictures(start) == [f"image-{n}.png" for n in range(4, 16)]


def test_an_image_that_the_assistant_made_is_told_in_a_word() -> None:
    assert said(user("a"), assistant(PICTURE), user("b"))[1] == text("assistant", "[image]")


# The form in words, for models that refuse calls in a history


def told(*messages: Message) -> tuple[list[Any], str]:
    as_text = planned(asked(*messages, system="You are terse.")).as_text
    assert as_text is not None
    start = as_text()
    return roots(start), action(start).text


def test_calls_and_results_can_be_told_in_words() -> None:
    history, asks = told(
        user("Go"),
        assistant("Sure.", call_of("t1", "Read", path="a"), call_of("t2")),
        user(result("t1", "hello"), result("t2", "no", failed=True)),
        assistant(call_of("t3")),
        user(result("t3", "end")),
    )
    assert history == [
        SYSTEM,
        text("user", "Go"),
        text(
            "assistant",
            'Sure.\n\n[Called the tool mcp_Read with {"path":"a"}]\n\n'
            "[Called the tool Bash with {}]",
        ),
        text("user", "[Result of the tool mcp_Read]\nhello\n\n[Error of the tool Bash]\nno"),
        text("assistant", "[Called the tool Bash with {}]"),
    ]
    assert asks == "[Result of the tool Bash]\nend\n\nContinue with the tool results above."


def test_in_words_too_the_user_speaks_beside_results() -> None:
    _, asks = told(user("Go"), assistant(call_of("t1")), user(result("t1", "end"), "And?"))
    assert asks == "[Result of the tool Bash]\nend\n\nAnd?"
    assert told(user("a"), assistant("b"))[1] == "Continue."


def test_in_words_a_long_beginning_is_put_together() -> None:
    history, asks = told(user("Go"), *worked(150, 100))
    assert len(history) == 162
    folded = history[1]["content"][0]["text"]
    assert folded.startswith("<system-reminder>\nThe conversation so far:\n\nUser: Go")
    assert asks.startswith("[Result of the tool Bash]\nr149")


def worked(turns: int, size: int) -> list[Message]:
    """Turns with a call and a result of about this size."""
    return [
        message
        for n in range(turns)
        for message in (assistant(call_of(f"t{n}")), user(result(f"t{n}", f"r{n}" + "ä" * size)))
    ]


@pytest.mark.parametrize(("turns", "size"), [(150, 5_000), (30, 50_000), (3, 500_000)])
def test_in_words_a_history_is_never_larger_than_half_a_megabyte(turns: int, size: int) -> None:
    history, asks = told(user("Go"), *worked(turns, size))
    assert len(dumps(history)) < 512 * 1024
    folded = history[1]["content"][0]["text"]
    assert folded.startswith("<system-reminder>\nThe conversation so far:\n\n[The beginning")
    assert asks.startswith(f"[Result of the tool Bash]\nr{turns - 1}")


def test_the_form_in_words_is_another_run_of_the_same_request() -> None:
    plan = planned(asked(user("Go", PICTURE), assistant(call_of("t1")), user(result("t1", "x"))))
    assert plan.as_text is not None
    start = plan.as_text()
    assert start.request.mcp_tools == plan.start.request.mcp_tools
    assert start.request.requested_model == plan.start.request.requested_model
    assert pictures(start) == ["image-1.png"]
    assert start == plan.as_text()
