"""Pictures on their way, as the demo provider plays them."""

from typing import Any

import pytest

from gateway_core import Event, HostedCall, HostedTool, Message, Request, Text
from gateway_core.events import Partial, Whole
from gateway_core.image_size import image_size


def asking(**options: Any) -> Request:
    tool = HostedTool("image_generation", "image_generation", options)
    return Request("demo", [Message("user", [Text("image: 8x4 red")])], tools=[tool])


def partials(events: list[Event]) -> list[Partial]:
    return [event for event in events if isinstance(event, Partial)]


async def test_as_many_come_as_the_client_wants(play: Any) -> None:
    events = await play(asking(partial_images=2))
    found = partials(events)
    (call,) = [event.part for event in events if isinstance(event, Whole)]
    assert isinstance(call, HostedCall)
    assert [(partial.id, partial.number) for partial in found] == [(call.id, 0), (call.id, 1)]
    for partial in found:
        assert partial.media.data is not None
        assert image_size(partial.media.data) == (8, 4)
        assert partial.media.data != (call.result or {})["data"]


@pytest.mark.parametrize(("wanted", "given"), [(None, 0), (0, 0), ("2", 0), (1_000_000, 3)])
async def test_no_number_plays_for_ever(play: Any, wanted: object, given: int) -> None:
    assert len(partials(await play(asking(partial_images=wanted)))) == given


async def test_a_plain_picture_has_none(play: Any) -> None:
    assert partials(await play("image: 8x4 red")) == []
