"""The events of stored responses told again: the same ones, under the same numbers."""

import pytest

from gateway_core import Event, JsonObject, Request, Text, ToolCall
from gateway_core.content import HostedCall, Media
from gateway_core.errors import UpstreamFailed
from gateway_core.events import Begin, Close, Delta, End, Fail, Open, Partial, Whole
from gateway_core.formats.responses.replay import replay
from gateway_core.formats.responses.write_background import BackgroundWriter, ended_response
from gateway_core.json import loads_object
from gateway_core.request import Source
from support.corpus import ANSWERS

REQUEST = Request("m", [], source=Source("responses", {"background": True}))
TEXT: list[Event] = [Open(0, Text("")), Delta(0, "Hel"), Delta(0, "lo"), Close(0)]


def made(events: list[Event]) -> tuple[list[JsonObject], JsonObject, bytes]:
    """The events of a response in the background, the object at its end, and its course."""
    writer = BackgroundWriter(REQUEST, "m")
    written = [*writer.queue(), *writer.begin(), *writer.events(events)]
    assert writer.written is not None
    return (
        [loads_object(event) for event in written],
        loads_object(writer.written.body),
        (writer.course()),
    )


def told(response: JsonObject, course: bytes = b"") -> list[JsonObject]:
    return [loads_object(event.data) for event in replay(response, course)]


def texts(events: list[JsonObject]) -> list[str]:
    return [event["delta"] for event in events if event["type"].endswith("text.delta")]


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_what_was_written_is_told_again(name: str) -> None:
    written, response, course = made(ANSWERS[name])
    assert told(response, course) == written


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_without_a_known_course_the_end_is_the_same(name: str) -> None:
    _, response, _ = made(ANSWERS[name])
    events = told(response)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["response"] == response
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == response["output"]


def test_each_text_comes_in_its_pieces_or_in_one() -> None:
    _, response, course = made([Begin(), *TEXT, End("stop")])
    assert texts(told(response, course)) == ["Hel", "lo"]
    assert texts(told(response)) == ["Hello"]
    other = b'{"last":10,"items":[[0,3,1,1]]}'
    assert texts(told(response, other)) == ["Hello"], "a course of another answer"


def test_pictures_on_their_way_leave_a_gap() -> None:
    picture = Media("image", "image/png", data="aGk=")
    finished = HostedCall("ig_1", "image_generation", "", {"data": "aGk="})
    text: list[Event] = [Open(1, Text("")), Delta(1, "Hello"), Close(1)]
    early: list[Event] = [Partial("ig_1", 0, picture), Partial("ig_1", 1, picture)]
    answer = [Begin(), *early, Whole(0, finished), *text, End("stop")]
    written, response, course = made(answer)
    without = [event for event in written if "partial_image" not in event["type"]]
    assert len(without) == len(written) - 2
    assert told(response, course) == without


def test_a_call_that_was_cut_is_not_told_but_the_failure_is() -> None:
    cut: list[Event] = [
        Open(1, ToolCall("call_1", "look", "")),
        Delta(1, '{"a'),
        Fail(UpstreamFailed("gone")),
    ]
    written, response, course = made([Begin(), *TEXT, *cut])
    again = told(response, course)
    assert again[-1] == written[-1]
    assert again[-1]["type"] == "response.failed"
    assert [item["type"] for item in again[-1]["response"]["output"]] == ["message"]


def test_a_response_that_has_not_ended_has_no_last_event() -> None:
    writer = BackgroundWriter(REQUEST, "m")
    queued = [loads_object(event) for event in writer.queue()]
    assert writer.written is not None
    assert told(loads_object(writer.written.body)) == queued
    begun = [loads_object(event) for event in writer.begin()]
    assert told(loads_object(writer.written.body)) == [*queued, *begun]


def test_a_cancelled_response_ends_as_failed_with_its_status() -> None:
    writer = BackgroundWriter(REQUEST, "m")
    writer.queue()
    assert writer.written is not None
    last = told(loads_object(ended_response(writer.written.body, "cancelled")))[-1]
    assert (last["type"], last["response"]["status"]) == ("response.failed", "cancelled")
    assert last["response"]["error"] is None


def test_a_response_of_another_maker_is_told_item_by_item() -> None:
    """Such as an upstream has: parts and items that this gateway does not write."""
    parts = [
        {"type": "output_text", "text": "a", "annotations": [{"type": "url_citation", "url": "u"}]},
        {"type": "refusal", "refusal": "no"},
    ]
    items: list[JsonObject] = [
        {"type": "reasoning", "id": "rs", "content": [{"type": "reasoning_text", "text": "t"}]},
        {"type": "message", "id": "msg", "role": "assistant", "content": parts},
        {"type": "mcp_call", "id": "mcp", "name": "look", "arguments": "{}"},
        {"type": "web_search_call", "id": "ws", "status": "completed"},
        {"type": "news", "id": "n"},
    ]
    response = {"id": "resp_up", "object": "response", "status": "completed", "output": items}
    kinds = [event["type"].removeprefix("response.") for event in told(response)]
    assert kinds == [
        *("created", "in_progress"),
        *("output_item.added", "reasoning_text.delta", "reasoning_text.done", "output_item.done"),
        *("output_item.added", "content_part.added", "output_text.delta"),
        *("output_text.annotation.added", "output_text.done", "content_part.done"),
        *("content_part.added", "refusal.delta", "refusal.done", "content_part.done"),
        "output_item.done",
        *("output_item.added", "mcp_call_arguments.delta", "mcp_call_arguments.done"),
        "output_item.done",
        *("output_item.added", "web_search_call.in_progress", "web_search_call.searching"),
        *("web_search_call.completed", "output_item.done"),
        *("output_item.added", "output_item.done"),
        "completed",
    ]
