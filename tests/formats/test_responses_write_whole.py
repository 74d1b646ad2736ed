"""Writing parts that come in one piece: hosted calls, images, items of other kinds."""

import pytest

from gateway_core.content import Foreign, HostedCall, Media, Text
from gateway_core.events import Whole, WholePart
from gateway_core.json import JsonObject
from support.responses_writing import between, kinds, streamed


def test_a_search() -> None:
    call = HostedCall(
        "ws_9",
        "web_search",
        '{"query":"q"}',
        {"sources": [{"url": "https://a.example", "title": "A"}]},
    )
    events = between(Whole(0, call))
    assert kinds(events) == [
        "output_item.added",
        "web_search_call.in_progress",
        "web_search_call.searching",
        "web_search_call.completed",
        "output_item.done",
    ]
    assert events[-1]["item"] == {
        "type": "web_search_call",
        "status": "completed",
        "action": {
            "type": "search",
            "query": "q",
            "sources": [{"type": "url", "url": "https://a.example", "title": "A"}],
        },
        "id": "ws_1_0",
    }


@pytest.mark.parametrize(
    "part",
    [
        HostedCall("x", "image_generation", "{}", {"media_type": "image/webp", "data": "UklG"}),
        Media("image", "image/webp", data="UklG"),
    ],
)
def test_an_image(part: WholePart) -> None:
    events = between(Whole(0, part))
    assert kinds(events) == [
        "output_item.added",
        "image_generation_call.in_progress",
        "image_generation_call.generating",
        "image_generation_call.completed",
        "output_item.done",
    ]
    assert events[-1]["item"] == {
        "type": "image_generation_call",
        "status": "completed",
        "result": "UklG",
        "output_format": "webp",
        "id": "ig_1_0",
    }


def test_an_image_by_url_is_a_link() -> None:
    events = between(Whole(0, Media("image", url="https://a.example/b.png")))
    assert events[-1]["item"]["content"][0]["text"] == "![image](https://a.example/b.png)"


def test_an_item_of_this_format_is_passed_on_whole() -> None:
    item = {"type": "compaction", "id": "cmp_1", "encrypted_content": "x"}
    events = between(Whole(0, Foreign("responses", "compaction", item)))
    assert [event["item"] for event in events] == [item, item]


@pytest.mark.parametrize("data", [{"id": "n_1"}, {"id": "n_1", "type": []}])
def test_an_item_without_a_proper_type_has_that_of_its_part(data: JsonObject) -> None:
    events = between(Whole(0, Foreign("responses", "novel", data)))
    assert [event["item"] for event in events] == [{"id": "n_1", "type": "novel"}] * 2


@pytest.mark.parametrize(
    "part", [Foreign("anthropic", "container", {}), HostedCall("x", "code_execution", "{}")]
)
def test_what_the_format_has_no_item_for_is_left_out(part: WholePart) -> None:
    assert between(Whole(0, part), *streamed(Text(""), "a"))[0]["output_index"] == 0
