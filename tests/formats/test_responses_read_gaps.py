"""Reading Responses streams that leave things out: each part comes out once, from what is there."""

import pytest

from gateway_core.content import (
    Citation,
    Foreign,
    HostedCall,
    Part,
    Reasoning,
    Seal,
    Text,
    ToolCall,
)
from gateway_core.errors import UpstreamProtocol
from gateway_core.events import Fail
from gateway_core.json import JsonObject
from gateway_core.parts import collect
from support.about import each
from support.responses_wire import (
    added,
    completed,
    created,
    decode,
    decode_everywhere,
    delta,
    done,
    event,
    message,
    said,
    sse,
    text_delta,
)

ARGUMENTS = '{"city":"Oslo"}'
NAMES = {"call_id": "call_a", "name": "get_weather"}
CALL_ADDED = added(0, "function_call", **NAMES, arguments="")
CALL_DELTAS = [
    delta(0, "function_call_arguments", ARGUMENTS[:5]),
    delta(0, "function_call_arguments", ARGUMENTS[5:]),
]
CALL_ARGUMENTS = event("function_call_arguments.done", output_index=0, arguments=ARGUMENTS)
CALL_DONE = done(0, "function_call", **NAMES, arguments=ARGUMENTS)
CALL_ITEM: JsonObject = CALL_DONE["item"]
NULL_IDS = CALL_ITEM | {"id": None}

CALLS = {
    "all": [CALL_ADDED, *CALL_DELTAS, CALL_ARGUMENTS, CALL_DONE, completed(CALL_ITEM)],
    "no deltas": [CALL_ADDED, CALL_ARGUMENTS, CALL_DONE, completed()],
    "no added": [*CALL_DELTAS, CALL_ARGUMENTS, CALL_DONE, completed()],
    "only deltas": [CALL_ADDED, *CALL_DELTAS, completed()],
    "some deltas": [CALL_ADDED, CALL_DELTAS[0], CALL_DONE, completed()],
    "arguments only": [CALL_ADDED, CALL_ARGUMENTS, completed()],
    "done only": [CALL_DONE, completed(CALL_ITEM)],
    "end only": [completed(CALL_ITEM)],
    "added and end": [CALL_ADDED, completed(CALL_ITEM)],
    "arguments and end": [CALL_ARGUMENTS, completed(CALL_ITEM)],
    "deltas and end": [*CALL_DELTAS, completed(NULL_IDS)],
    "null ids at the end": [CALL_ADDED, *CALL_DELTAS, CALL_DONE, completed(NULL_IDS)],
    "other ids at the end": [CALL_DONE, completed(CALL_ITEM | {"id": "fc_other"})],
}

TEXT_DONE = event("output_text.done", output_index=0, content_index=0, text="Hello")
PART_DONE = event("content_part.done", output_index=0, content_index=0, part=said("Hello"))
TEXT_ITEM = message(0, said("Hello"))
TEXTS = {
    "deltas only": [text_delta(0, "Hel"), text_delta(0, "lo"), completed()],
    "text only": [TEXT_DONE, completed()],
    "part only": [PART_DONE, completed()],
    "item only": [TEXT_ITEM, completed()],
    "end only": [completed(TEXT_ITEM["item"])],
    "some deltas": [text_delta(0, "Hel"), PART_DONE, TEXT_ITEM, completed()],
    "everything but deltas": [TEXT_DONE, PART_DONE, TEXT_ITEM, completed(TEXT_ITEM["item"])],
    "null ids at the end": [
        text_delta(0, "Hello"),
        TEXT_ITEM,
        completed(TEXT_ITEM["item"] | {"id": None}),
    ],
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_comes_out_once(name: str) -> None:
    response = collect(decode_everywhere(sse(created(), *CALLS[name])))
    assert response.parts == [ToolCall("call_a", "get_weather", ARGUMENTS)]
    assert response.stop == "tool_use"


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_comes_out_once(name: str) -> None:
    assert collect(decode_everywhere(sse(created(), *TEXTS[name]))).parts == [Text("Hello")]


def parts(*events: JsonObject) -> list[Part]:
    return collect(decode([sse(created(), *events)])).parts


def test_without_indexes_items_are_known_by_id() -> None:
    where = {"item_id": "fc_1"}
    stream = (
        event("output_item.added", item={"type": "function_call", "id": "fc_1", **NAMES}),
        event("function_call_arguments.delta", **where, delta=ARGUMENTS),
        event("output_item.done", item={"type": "function_call", "id": "fc_1", **NAMES}),
        event("output_item.done", item={**TEXT_ITEM["item"], "id": "msg_1"}),
        completed(),
    )
    assert parts(*stream) == [ToolCall("call_a", "get_weather", ARGUMENTS), Text("Hello")]


def test_ids_that_change_from_event_to_event_do_not_matter() -> None:
    renamed = [item | {"item_id": f"x{number}"} for number, item in enumerate(CALL_DELTAS)]
    last = done(0, "function_call", **NAMES, arguments=ARGUMENTS)
    last["item"]["id"] = "y"
    assert parts(CALL_ADDED, *renamed, last, completed(CALL_ITEM | {"id": "z"})) == [
        ToolCall("call_a", "get_weather", ARGUMENTS)
    ]


def test_an_item_that_only_the_end_lists_follows_the_others() -> None:
    assert parts(TEXT_ITEM, completed(TEXT_ITEM["item"], CALL_ITEM | {"id": "fc_9"})) == [
        Text("Hello"),
        ToolCall("call_a", "get_weather", ARGUMENTS),
    ]


def test_a_call_id_that_comes_twice_is_made_unique() -> None:
    second = done(1, "function_call", **NAMES, arguments="{}")
    assert parts(CALL_DONE, second, completed()) == [
        ToolCall("call_a", "get_weather", ARGUMENTS),
        ToolCall("call_a_1", "get_weather", "{}"),
    ]


def test_a_missing_call_id_is_replaced_by_the_items_id() -> None:
    stream = done(0, "function_call", name="now", arguments="{}")
    assert parts(stream, completed()) == [ToolCall("item_0", "now", "{}")]


@pytest.mark.parametrize(
    "events",
    [
        [done(0, "function_call", call_id="c", arguments="{}"), completed()],
        [CALL_ARGUMENTS, completed()],
        [*CALL_DELTAS, completed()],
    ],
)
def test_a_call_that_nobody_names_is_no_answer(events: list[JsonObject]) -> None:
    last = decode([sse(created(), *events)])[-1]
    assert isinstance(last, Fail)
    assert isinstance(last.error, UpstreamProtocol)


def test_a_summary_without_deltas() -> None:
    summary = [{"type": "summary_text", "text": "One"}, {"type": "summary_text", "text": "Two"}]
    stream = done(0, "reasoning", summary=summary, encrypted_content="x")
    assert parts(stream, completed()) == [
        Reasoning("One\n\nTwo", Seal("vendor", "x", "item_0")),
    ]


def test_a_summary_whose_last_part_had_no_deltas() -> None:
    summary = [{"type": "summary_text", "text": "One"}, {"type": "summary_text", "text": "Two"}]
    stream = (
        delta(0, "reasoning_summary_text", "One", summary_index=0),
        done(0, "reasoning", summary=summary),
        completed(),
    )
    assert parts(*stream) == [Reasoning("One\n\nTwo")]


def test_a_seal_told_only_at_the_start() -> None:
    stream = (
        added(0, "reasoning", summary=[], encrypted_content="early"),
        done(0, "reasoning", summary=[]),
        completed(),
    )
    assert parts(*stream) == [Reasoning("", Seal("vendor", "early", "item_0"))]


def test_a_seal_that_comes_after_the_next_part_began_is_not_lost() -> None:
    stream = (
        added(0, "reasoning", summary=[]),
        delta(0, "reasoning_summary_text", "Hm", summary_index=0),
        text_delta(1, "Hello"),
        done(0, "reasoning", summary=[], encrypted_content="x"),
        message(1, said("Hello")),
        completed(),
    )
    assert parts(*stream) == [
        Reasoning("Hm"),
        Text("Hello"),
        Reasoning("", Seal("vendor", "x", "item_0")),
    ]


def test_reasoning_that_tells_nothing_is_left_out() -> None:
    assert parts(
        done(0, "reasoning", summary=[]), TEXT_ITEM | {"output_index": 1}, completed()
    ) == [Text("Hello")]


def test_of_summary_and_raw_reasoning_the_first_is_told() -> None:
    stream = (
        delta(0, "reasoning_summary_text", "Short", summary_index=0),
        delta(0, "reasoning_text", "Long", content_index=0),
        done(0, "reasoning", summary=[{"text": "Short"}], content=[{"text": "Long"}]),
        completed(),
    )
    assert parts(*stream) == [Reasoning("Short")]


def test_the_phase_may_be_told_only_at_the_end() -> None:
    stream = (text_delta(0, "Hello"), message(0, said("Hello"), phase="commentary"), completed())
    assert parts(*stream) == [Text("Hello", extras={"responses": {"phase": "commentary"}})]


def test_citations_may_come_only_in_the_item() -> None:
    cited = {"type": "url_citation", "url": "https://a.example"}
    stream = (text_delta(0, "Hello"), message(0, said("Hello", cited)), completed())
    assert parts(*stream) == [Text("Hello", citations=[Citation("https://a.example")])]


def test_a_search_without_action_or_sources() -> None:
    assert parts(done(0, "web_search_call", status="completed"), TEXT_ITEM, completed())[0] == (
        HostedCall("item_0", "web_search", "{}")
    )


@each(
    "odd",
    [
        event("output_text.delta", output_index=0, content_index=0, delta=None),
        event("output_text.delta", output_index="0", content_index={}, delta=""),
        event("output_item.added", output_index=0, item=None),
        event("output_item.done", output_index=7, item=[]),
        event("content_part.done", output_index=0, content_index=0, part=None),
        event("output_text.annotation.added", output_index=0, content_index=0, annotation="x"),
        event("function_call_arguments.done", output_index=9, arguments=None),
        {"type": None, "sequence_number": 3},
        {"sequence_number": 3},
    ],
)
def test_events_that_are_odd_but_harmless_are_skipped(odd: JsonObject) -> None:
    assert parts(odd, text_delta(0, "Hello"), TEXT_ITEM, completed()) == [Text("Hello")]


@pytest.mark.parametrize("mistyped", [{}, {"type": None}, {"type": 5}])
def test_an_item_of_another_kind_keeps_the_type_it_began_with(mistyped: JsonObject) -> None:
    item = {"id": "x_1", **mistyped}
    stream = added(0, "novel"), event("output_item.done", output_index=0, item=item), completed()
    assert parts(*stream) == [Foreign("responses", "novel", {"id": "x_1", "type": "novel"})]
