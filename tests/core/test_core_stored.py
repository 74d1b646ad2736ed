"""Stored responses: requests that go on from one, and the ids of answers that are stored."""

import pytest

from gateway_core import InvalidRequest, Request, Text
from gateway_core.events import Begin, Close, Delta, End, Event, Open
from gateway_core.formats.responses import StreamWriter
from gateway_core.parts import collect
from gateway_core.request import SessionHints
from gateway_core.response_ids import new_id
from gateway_core.stored import with_packed_previous, with_upstream_previous
from support.about import each
from support.responses_wire import parse


def going_on_from(id: str | None) -> Request:
    return Request("m", [], session=SessionHints(previous_response_id=id))


def test_a_provider_is_told_its_own_id() -> None:
    request = going_on_from("resp_grok_resp_01")
    told = with_upstream_previous(request, "grok", keeps=True)
    assert told.session.previous_response_id == "resp_01"
    assert request.session.previous_response_id == "resp_grok_resp_01"


@each("id", ["resp_01", "0b1c-2d"])
def test_a_bare_id_is_taken_for_one_of_the_upstream(id: str) -> None:
    packed = with_packed_previous(going_on_from(id), "grok")
    assert packed.session.previous_response_id == f"resp_grok_{id}"
    told = with_upstream_previous(packed, "grok", keeps=True)
    assert told.session.previous_response_id == id


@each("id", [None, new_id(), "resp_other_01", "", ".."])
def test_any_other_is_not(id: str | None) -> None:
    request = going_on_from(id)
    assert with_packed_previous(request, "grok") is request


def test_a_request_that_goes_on_from_nothing_stays_as_it_is() -> None:
    request = going_on_from(None)
    assert with_upstream_previous(request, "grok", keeps=True) is request


@pytest.mark.parametrize(
    ("id", "keeps", "words"),
    [
        ("resp_gw" + "0a" * 23, True, "kept neither here nor by 'grok'"),
        ("resp_xai_1", True, "kept by 'xai', not by 'grok'"),
        ("resp_grok_1", False, "kept neither here nor by 'grok'"),
        ("resp_01", True, "kept neither here nor by 'grok'"),
    ],
)
def test_what_the_provider_does_not_keep_is_refused_in_openais_words(
    id: str, keeps: bool, words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        with_upstream_previous(going_on_from(id), "grok", keeps=keeps)
    assert caught.value.code == "previous_response_not_found"
    assert caught.value.param == "previous_response_id"


ANSWER: list[Event] = [
    Begin("resp_grok_resp_01", "m", stored=True),
    Open(0, Text("")),
    Delta(0, "Hi"),
    Close(0),
    End("stop"),
]


def test_a_stored_answer_goes_out_under_its_id_streamed_and_whole() -> None:
    events = parse(StreamWriter(Request("m", []), "m").feed(ANSWER))
    assert {event["response"]["id"] for event in events if "response" in event} == {
        "resp_grok_resp_01"
    }
    assert StreamWriter(Request("m", []), "m").body(collect(ANSWER))["id"] == "resp_grok_resp_01"


def test_an_answer_that_nobody_stores_has_an_id_of_ours() -> None:
    answer = [Begin("resp_grok_resp_01", "m"), *ANSWER[1:]]
    assert StreamWriter(Request("m", []), "m").body(collect(answer))["id"] != "resp_grok_resp_01"
