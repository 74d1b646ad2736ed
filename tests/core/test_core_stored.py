"""Stored responses: ids that lead back to their keeper, and answers that go on from one."""

import pytest

from gateway_core import InvalidRequest, Request, Text
from gateway_core.events import Begin, Close, Delta, End, Event, Open
from gateway_core.formats.responses import StreamWriter
from gateway_core.parts import collect
from gateway_core.request import SessionHints
from gateway_core.stored import StoredId, pack_id, unpack_id, with_upstream_previous
from support.about import each
from support.responses_wire import parse


def going_on_from(id: str | None) -> Request:
    return Request("m", [], session=SessionHints(previous_response_id=id))


@each("provider", ["grok", "my-cloud", "x1"])
@each("upstream", ["resp_01", "0b1c-2d", "a_b_c", "ü/7"])
def test_an_id_leads_back_to_its_keeper(provider: str, upstream: str) -> None:
    assert unpack_id(pack_id(provider, upstream)) == StoredId(provider, upstream)


@each("id", ["", "resp_", "resp_0123abcd", "resp__x", "resp_grok_", "msg_grok_1", "resp_grok_.."])
def test_any_other_id_names_nobody(id: str) -> None:
    assert unpack_id(id) is None


def test_ids_that_the_gateway_makes_up_name_nobody() -> None:
    body = StreamWriter(Request("m", []), "m").body(
        collect([Open(0, Text("")), Delta(0, "Hi"), Close(0), End("stop")])
    )
    assert unpack_id(body["id"]) is None


def test_a_provider_is_told_its_own_id() -> None:
    request = going_on_from("resp_grok_resp_01")
    told = with_upstream_previous(request, "grok", keeps=True)
    assert told.session.previous_response_id == "resp_01"
    assert request.session.previous_response_id == "resp_grok_resp_01"


def test_a_request_that_goes_on_from_nothing_stays_as_it_is() -> None:
    request = going_on_from(None)
    assert with_upstream_previous(request, "grok", keeps=True) is request


@pytest.mark.parametrize(
    ("id", "words"),
    [
        ("resp_0123abcd", "kept neither here nor by 'grok'"),
        ("resp_other_1", "kept by 'other', not by 'grok'"),
    ],
)
def test_what_the_provider_does_not_keep_is_refused_in_openais_words(id: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        with_upstream_previous(going_on_from(id), "grok", keeps=True)
    assert caught.value.code == "previous_response_not_found"
    assert caught.value.param == "previous_response_id"


def test_a_provider_that_keeps_nothing_never_goes_on() -> None:
    with pytest.raises(InvalidRequest, match="kept neither here nor by 'grok'"):
        with_upstream_previous(going_on_from("resp_grok_1"), "grok", keeps=False)


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
