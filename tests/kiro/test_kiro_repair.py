"""Whatever clients lose or double of a history, what goes out is within Kiro's rules."""

import json
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_core import (
    ContextOverflow,
    FunctionTool,
    InvalidRequest,
    JsonObject,
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
from gateway_core.json import dumps
from gateway_kiro.settings import KiroSettings
from gateway_kiro.structure import problems
from support.about import each
from support.codex_asking import captured_requests
from support.kiro_asking import asked, degraded, document, messages_of

DO = FunctionTool("do", "Does it", {"type": "object"})


def user(*parts: Part | str) -> Message:
    return Message("user", [Text(part) if isinstance(part, str) else part for part in parts])


def assistant(*parts: Part | str) -> Message:
    return Message("assistant", [Text(part) if isinstance(part, str) else part for part in parts])


def call(id: str = "c1", name: str = "do") -> ToolCall:
    return ToolCall(id, name, "{}")


def result(id: str = "c1", text: str = "done", *, failed: bool = False) -> ToolResult:
    return ToolResult(id, [Text(text)], failed)


def mended(*messages: Message) -> list[JsonObject]:
    """The messages as they are sent; `asked` holds them against all rules."""
    return messages_of(asked(Request("m", [*messages], tools=[DO])))


def results(message: JsonObject) -> list[tuple[str, str, str]]:
    found = message.get("userInputMessageContext", {}).get("toolResults", [])
    return [(one["toolUseId"], one["content"][0]["text"], one["status"]) for one in found]


CANCELLED = "Tool use was cancelled by the user"


def test_messages_of_one_side_in_a_row_become_one() -> None:
    contents = [message["content"] for message in mended(user("a"), user("b", "c"))]
    assert contents == ["a\nb\nc"]


def test_results_that_come_one_by_one_stay_together() -> None:
    messages = mended(
        user("Do"),
        assistant(call("c1"), call("c2")),
        user(result("c1", "one")),
        user(result("c2", "two"), "And then?"),
    )
    assert results(messages[2]) == [("c1", "one", "success"), ("c2", "two", "success")]
    assert messages[2]["content"] == "And then?"


def test_a_conversation_that_begins_with_the_assistant_gets_a_beginning() -> None:
    contents = [message["content"] for message in mended(assistant("Hello."), user("Hi"))]
    assert contents == ["Continue", "Hello.", "Hi"]


def test_a_conversation_that_ends_with_the_assistant_goes_on() -> None:
    messages = mended(user("Do"), assistant("I will", call()))
    assert [message["content"] for message in messages] == [
        "Do",
        "I will",
        "Tool results attached.",
    ]
    assert results(messages[2]) == [("c1", CANCELLED, "error")]


def test_nothing_at_all_is_something_to_go_on_from() -> None:
    assert [message["content"] for message in mended()] == ["Continue"]


def test_a_call_that_was_never_answered_was_cancelled() -> None:
    messages = mended(user("Do"), assistant(call("c1"), call("c2")), user(result("c2"), "Stop."))
    assert results(messages[2]) == [("c2", "done", "success"), ("c1", CANCELLED, "error")]


def test_a_result_of_nothing_is_text() -> None:
    messages = mended(user(result("gone", "sun"), "Weather?"), assistant("?"), user(result("c9")))
    assert messages[0]["content"] == "[Result of an earlier tool call: sun]\nWeather?"
    assert results(messages[2]) == []


def test_a_late_result_is_text_too() -> None:
    messages = mended(
        user("Do"), assistant(call()), user("Hurry"), assistant("Yes."), user(result("c1", "late"))
    )
    assert results(messages[2]) == [("c1", CANCELLED, "error")]
    assert messages[4]["content"] == "[Result of an earlier tool call: late]"


def test_of_two_results_for_one_call_the_last_counts() -> None:
    messages = mended(user("Do"), assistant(call()), user(result("c1", "a"), result("c1", "b")))
    assert results(messages[2]) == [("c1", "b", "success")]


def test_ids_that_are_counted_anew_in_each_turn_are_told_apart() -> None:
    turn = assistant(call("call_0")), user(result("call_0"))
    messages = mended(user("Do"), *turn, *turn, *turn)
    ids = [results(message)[0][0] for message in messages[2::2]]
    assert ids == ["call_0", "call_0_2", "call_0_3"]


def test_one_id_for_two_calls_of_one_turn_is_two_ids() -> None:
    messages = mended(
        user("Do"), assistant(call("x"), call("x")), user(result("x", "a"), result("x", "b"))
    )
    assert results(messages[2]) == [("x", "a", "success"), ("x_2", "b", "success")]


def test_odd_ids_are_rewritten_on_both_sides() -> None:
    odd = "call|with dots." + "x" * 80
    messages = mended(user("Do"), assistant(call(odd)), user(result(odd)))
    assert messages[1]["toolUses"][0]["toolUseId"] == results(messages[2])[0][0]
    assert len(results(messages[2])[0][0]) == 64


def test_a_failed_result_says_so_and_an_empty_one_says_that() -> None:
    messages = mended(
        user("Do"),
        assistant(call("c1"), call("c2")),
        user(result("c1", "boom", failed=True), ToolResult("c2", [])),
    )
    assert results(messages[2]) == [("c1", "boom", "error"), ("c2", "(empty result)", "success")]


def test_turns_without_a_word_are_left_out_or_filled() -> None:
    seal = Seal("someone-else", "x")
    messages = mended(
        user("Hi"), assistant(Reasoning("Hm", seal), " "), user("Hello?"), assistant(call())
    )
    assert messages[0]["content"] == "Hi\nHello?"
    assert messages[1]["content"] == " "


def test_tools_that_the_history_used_are_always_offered() -> None:
    asks = Request("m", [user("Do"), assistant(call("c1", "old.tool")), user(result())])
    tools = messages_of(asked(asks))[-1]["userInputMessageContext"]["tools"]
    specification = tools[0]["toolSpecification"]
    assert specification["name"].startswith("old_tool_")
    assert specification["description"].startswith("Tool: old_tool_")
    assert specification["inputSchema"] == {"json": {"type": "object", "properties": {}}}


PARTS = st.one_of(
    st.builds(Text, st.sampled_from(["", " ", "words"])),
    st.builds(call, st.sampled_from(["a", "b", "c|d", "x" * 80]), st.sampled_from(["do", "a.b"])),
    st.builds(Reasoning, st.sampled_from(["", "hm"]), st.sampled_from([None, Seal("o", "x")])),
)
TOLD = st.one_of(
    st.builds(Text, st.sampled_from(["", "\n", "words"])),
    st.builds(result, st.sampled_from(["a", "b", "c|d", "x" * 80]), st.sampled_from(["", "ok"])),
)
MESSAGES = st.lists(
    st.one_of(
        st.builds(Message, st.just("assistant"), st.lists(PARTS, max_size=4)),
        st.builds(Message, st.just("user"), st.lists(TOLD, max_size=4)),
        st.builds(Message, st.just("system"), st.lists(st.builds(Text, st.just("s")), max_size=1)),
    ),
    max_size=7,
)


@given(MESSAGES, st.booleans())
def test_any_conversation_is_mended(messages: list[Message], tools: bool) -> None:
    asked(Request("m", messages, tools=[DO] if tools else []))


@given(MESSAGES, st.integers(500, 1500))
def test_any_conversation_is_still_in_order_when_it_was_trimmed(
    messages: list[Message], limit: int
) -> None:
    settings = KiroSettings(payload_limit_bytes=limit)
    with suppress(ContextOverflow):
        asked(Request("m", messages, tools=[DO]), settings=settings)


def test_ids_that_come_in_every_turn_are_told_apart_in_good_time() -> None:
    turns = 3000
    messages = [m for _ in range(turns) for m in (user("Do"), assistant(call()), user(result()))]
    started = time.process_time()
    sent = messages_of(asked(Request("m", messages, tools=[DO])))
    assert time.process_time() - started < 1.5
    ids = [use["toolUseId"] for message in sent for use in message.get("toolUses", ())]
    assert len(set(ids)) == turns
    assert ids[:3] == ["c1", "c1_2", "c1_3"]


@pytest.mark.parametrize("model", ["claude-sonnet-4.5", "claude-opus-4.8"])
def test_what_real_clients_send_is_within_the_rules(model: str) -> None:
    sent = 0
    for _, request in captured_requests():
        try:
            asked(degraded(request, model), model)
        except (InvalidRequest, Unsupported):
            continue
        sent += 1
    assert sent > 20


STRUCTURAL = {
    "additional-properties",
    "duplicate-tool-name",
    "duplicate-tool-result",
    "empty-content-history",
    "empty-description",
    "empty-required",
    "history-ends-with-user",
    "history-starts-with-assistant",
    "orphan-tool-result",
    "thinking-tags-with-tool-results",
    "tool-name-65",
    "tool-turns-without-tools",
    "trigger-auto",
    "unanswered-tool-use",
}
INVALID = {case["name"]: case["body"] for case in document("invalid-requests")}


@each("name", sorted(STRUCTURAL))
def test_the_self_check_finds_what_the_service_refuses(name: str) -> None:
    assert problems(INVALID[name])


def test_the_self_check_never_quotes_what_is_said() -> None:
    for body in INVALID.values():
        told = "\n".join(problems(body))
        for message in messages_of(body):
            words = message["content"]
            assert len(words) < 4 or words not in told


def test_the_self_check_outlives_another_shape() -> None:
    assert problems(json.loads(dumps({"conversationState": {"currentMessage": 1}})))
