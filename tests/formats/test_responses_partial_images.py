"""Pictures on their way through the Responses format, and past the formats that show none."""

import pytest

from gateway_core.content import HostedCall, Media, Text
from gateway_core.errors import UpstreamFailed
from gateway_core.events import Close, Delta, End, Event, Fail, Open, Partial, Whole
from gateway_core.formats import anthropic, chat
from gateway_core.formats.base import ClientFormat
from gateway_core.json import JsonObject
from support.pictures import GIF_BASE64, PNG_BASE64
from support.responses_wire import (
    added,
    completed,
    created,
    decode,
    decode_everywhere,
    done,
    event,
    parse,
    sse,
    text_delta,
    without_ticks,
)
from support.responses_writing import between, kinds, writer, written

KIND = "image_generation_call"
EARLY = Media("image", "image/gif", data=GIF_BASE64)
PICTURE: JsonObject = {"media_type": "image/png", "data": PNG_BASE64}


def partial(index: int, number: int, data: object = GIF_BASE64, **fields: object) -> JsonObject:
    where = {"item_id": f"item_{index}", "output_index": index, "partial_image_index": number}
    told = {"partial_image_b64": data, "output_format": "gif", **fields}
    return event(f"{KIND}.partial_image", **where, **told)


def call(id: str) -> HostedCall:
    return HostedCall(id, "image_generation", "{}", PICTURE)


def finished(index: int) -> JsonObject:
    return done(index, KIND, status="completed", result=PNG_BASE64)


# --- from an upstream ------------------------------------------------------------------------


def test_partial_pictures_come_before_their_call() -> None:
    data = sse(added(0, KIND), partial(0, 0), partial(0, 1), finished(0), completed())
    *partials, whole, _ = without_ticks(decode_everywhere(data))
    assert partials == [Partial("item_0", 0, EARLY), Partial("item_0", 1, EARLY)]
    assert whole == Whole(0, call("item_0"))


def test_what_is_told_of_a_partial_picture_is_kept() -> None:
    facts = {"size": "1024x1024", "quality": "low", "background": "opaque"}
    stream = sse(added(0, KIND), partial(0, 0, **facts), finished(0), completed())
    (found,) = [item for item in decode([stream]) if isinstance(item, Partial)]
    assert found.media.extras == {"responses": facts}


def test_a_service_that_changes_ids_does_not_part_the_picture_from_its_call() -> None:
    late = {**finished(0), "item": {**finished(0)["item"], "id": "another"}}
    events = decode([sse(added(0, KIND), partial(0, 0), late, completed())])
    ids = [item.id for item in events if isinstance(item, Partial)]
    ids += [
        item.part.id
        for item in events
        if isinstance(item, Whole) and isinstance(item.part, HostedCall)
    ]
    assert ids == ["item_0", "item_0"]


def test_a_partial_picture_after_its_call_is_left_out() -> None:
    stream = sse(added(0, KIND), finished(0), partial(0, 0), completed())
    assert not [item for item in decode([stream]) if isinstance(item, Partial)]


@pytest.mark.parametrize("data", [None, "", 7])
def test_a_partial_picture_without_data_is_left_out(data: object) -> None:
    stream = sse(added(0, KIND), partial(0, 0, data), finished(0), completed())
    assert not [item for item in decode([stream]) if isinstance(item, Partial)]


def test_a_partial_picture_may_come_between_two_pieces_of_text() -> None:
    stream = sse(
        created(), text_delta(0, "Lo"), partial(1, 0), text_delta(0, "ok"), finished(1), completed()
    )
    texts = [item.text for item in decode([stream]) if isinstance(item, Delta)]
    assert texts == ["Lo", "ok"]


# --- to a client -----------------------------------------------------------------------------


def test_the_first_partial_picture_announces_the_item() -> None:
    events = between(Partial("x", 0, EARLY), Partial("x", 1, EARLY), Whole(0, call("x")))
    assert kinds(events) == [
        "output_item.added",
        f"{KIND}.in_progress",
        f"{KIND}.generating",
        f"{KIND}.partial_image",
        f"{KIND}.partial_image",
        f"{KIND}.completed",
        "output_item.done",
    ]


def test_a_partial_picture_is_written_as_the_sdk_reads_it() -> None:
    early = Media("image", "image/gif", data=GIF_BASE64, extras={"responses": {"size": "1x1"}})
    (found,) = [e for e in between(Partial("x", 0, early)) if e["type"].endswith("partial_image")]
    assert found == {
        "type": f"response.{KIND}.partial_image",
        "item_id": "ig_1_0",
        "output_index": 0,
        "partial_image_index": 0,
        "partial_image_b64": GIF_BASE64,
        "output_format": "gif",
        "size": "1x1",
    }


def test_a_picture_keeps_its_place_when_a_text_is_open() -> None:
    events = written(
        Open(0, Text("")),
        Delta(0, "Lo"),
        Partial("x", 0, EARLY),
        Delta(0, "ok"),
        Close(0),
        Whole(1, call("x")),
        End("stop"),
    )
    places = {e["item_id"]: e["output_index"] for e in events if "item_id" in e}
    assert places == {"msg_1_0": 0, "ig_1_1": 1}
    output = events[-1]["response"]["output"]
    assert [item["id"] for item in output] == ["msg_1_0", "ig_1_1"]
    assert output[0]["content"][0]["text"] == "Look"


def test_two_pictures_on_their_way_at_once_keep_apart() -> None:
    events = written(
        Partial("x", 0, EARLY),
        Partial("y", 0, EARLY),
        Partial("x", 1, EARLY),
        Whole(0, call("y")),
        Whole(1, call("x")),
        End("stop"),
    )
    partials = [e for e in events if e["type"].endswith("partial_image")]
    assert [e["output_index"] for e in partials] == [0, 1, 0]
    dones = [e["output_index"] for e in events if e["type"].endswith("item.done")]
    assert dones == [1, 0]
    output = [item["id"] for item in events[-1]["response"]["output"]]
    assert output == ["ig_1_0", "ig_1_1"]


def test_a_picture_that_never_came_is_no_output() -> None:
    stream = writer()
    events = parse(stream.feed([Partial("x", 0, EARLY), Fail(UpstreamFailed("gone"))]))
    assert kinds(events)[-1] == "failed"
    assert events[-1]["response"]["output"] == []


def test_partial_pictures_alone_are_an_empty_answer() -> None:
    assert kinds(written(Partial("x", 0, EARLY), End("stop")))[-1] == "failed"


def test_what_was_written_is_read_back_the_same() -> None:
    events: list[Event] = [
        Partial("ig_1_0", 0, EARLY),
        Partial("ig_1_0", 1, EARLY),
        Whole(0, call("ig_1_0")),
    ]
    again = without_ticks(decode([writer().feed([*events, End("stop")])]))
    assert again[1:-1] == events


@pytest.mark.parametrize("format", [anthropic.FORMAT, chat.FORMAT], ids=lambda f: f.name)
def test_formats_without_partial_pictures_leave_them_out(format: ClientFormat) -> None:
    field = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 10}
    request = format.read_request({"model": "m", "stream": True, **field}, {})
    data = format.writer(request, "m").feed(
        [Partial("x", 0, EARLY), Whole(0, call("x")), End("stop")]
    )
    assert GIF_BASE64.encode() not in data
    assert data.count(PNG_BASE64.encode()) == 1
