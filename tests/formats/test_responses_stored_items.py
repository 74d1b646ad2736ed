"""The input items of a stored response: their ids, and the conversation they are part of."""

from typing import Any

from gateway_core.content import Message, Text, ToolCall, ToolResult
from gateway_core.formats.responses.read_items import read_input
from gateway_core.formats.responses.stored_items import (
    ItemPage,
    input_items,
    item_list,
    messages_after,
)
from support.about import each

ID = "resp_" + "0" * 48
HELLO = {"type": "message", "role": "user", "content": "Hello"}
ANSWER = {"type": "message", "role": "assistant", "content": "Hi"}
CALLS = [{"type": "function_call", "call_id": id, "name": "look", "arguments": "{}"} for id in "ab"]
RESULTS = [{"type": "function_call_output", "call_id": id, "output": "seen"} for id in "ab"]


@each("value, items", [("Hello", [HELLO]), ("", []), (None, []), ([ANSWER], [ANSWER])])
def test_input_in_any_form_is_a_list_of_items(value: Any, items: list[Any]) -> None:
    assert input_items(value) == items


def test_items_are_listed_in_full_with_ids_that_are_always_the_same() -> None:
    page = ItemPage(descending=False)
    items = [HELLO, ANSWER, {**CALLS[0], "id": "fc_1"}, {**RESULTS[0], "id": "fc_1"}]
    listed = item_list(ID, items, page)
    message, answer, call, result = listed["data"]
    assert message["content"] == [{"type": "input_text", "text": "Hello"}]
    assert answer["content"][0]["type"] == "output_text"
    assert call["id"] == "fc_1"
    ids = [item["id"] for item in listed["data"]]
    assert len(set(ids)) == 4, "an id that comes twice would end the walk through the pages"
    assert all(len(id) <= 64 for id in ids)
    assert {item["status"] for item in (message, answer, call, result)} == {"completed"}
    assert item_list(ID, items, page) == listed
    assert "id" not in HELLO


def test_no_items_are_a_list_too() -> None:
    nothing: Any = {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }
    assert item_list(ID, [], ItemPage()) == nothing


@each("cut", range(7))
def test_a_conversation_in_two_pieces_reads_as_in_one(cut: int) -> None:
    items = [HELLO, ANSWER, *CALLS, *RESULTS, ANSWER]
    whole = read_input(items)
    assert messages_after(items[:cut], read_input(items[cut:])) == whole
    assert [len(message.parts) for message in whole] == [1, 3, 2, 1]
    assert isinstance(whole[1].parts[1], ToolCall)
    assert isinstance(whole[2].parts[0], ToolResult)


def test_messages_of_the_user_stay_apart() -> None:
    messages = messages_after([HELLO], [Message("user", [Text("And?")])])
    assert [part.text for message in messages for part in message.parts] == ["Hello", "And?"]  # type: ignore[union-attr]
    assert len(messages) == 2
