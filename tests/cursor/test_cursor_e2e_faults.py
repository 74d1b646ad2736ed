"""What goes wrong at Cursor, as the clients of a gateway with its provider see it."""

import threading

import httpx
import pytest

from simulators.cursor.installed import CursorServed
from simulators.cursor.state import CANARY
from support.about import about
from support.conversations import AnthropicTalk
from support.dialects import ANTHROPIC, CHAT, DIALECTS, RESPONSES
from support.provider_faults import Faults, ProviderRenewals, Told, Wait, assert_answered

BREAKS = (
    "truncate: head",
    "truncate: payload",
    "truncate: garbage",
    "truncate: huge",
    "eof:",
    "drop:",
    "goaway:",
    "reset: CANCEL",
    "reset: REFUSED_STREAM",
    "reset: INTERNAL",
)


class TestFaults(ProviderRenewals):
    faults = Faults(
        refused={
            "fail: s91-end-stream-unauthenticated": Told(401, "", 2),
            "fail: s92-end-stream-resource-exhausted-limit": Told(429),
            "fail: s93-end-stream-resource-exhausted-bare": Told(429, "", 4),
            "fail: s94-end-stream-provider-error": Told(502),
            "fail: s95-end-stream-invalid-argument": Told(400, "", 2),
            "fail: s96-end-stream-blob-not-found": Told(502, "", 2),
            "fail: s97-end-stream-bad-model": Told(404),
            "fail: s9a-end-stream-provider-error-status": Told(400),
            "fail: s9b-end-stream-named-model-unavailable": Told(403),
            "fail: s9c-end-stream-detail-value-only": Told(400),
            "fail: s9d-end-stream-detail-debug-only": Told(529, "", 3),
        },
        refused_by_turns={
            "fail: failed_precondition number=30 Old": Told(502),
            "fail: permission_denied number=64 Not there": Told(403),
            "fail: permission_denied number=23 Not yours": Told(403),
            "fail: permission_denied unpaid invoice": Told(403),
            "fail: invalid_argument number=60 Max mode": Told(400),
            "fail: not_found number=61 Gone": Told(404),
            "fail: resource_exhausted number=63 Slow": Told(429),
            "fail: resource_exhausted number=20 Long": Told(400),
            "fail: resource_exhausted number=57 Provider": Told(502),
            "fail: resource_exhausted number=57 retryable=true Provider": Told(502, "", 3),
            "fail: resource_exhausted number=57 status=429 Provider": Told(529),
            "fail: unimplemented": Told(502),
            "fail: unavailable": Told(529, "", 3),
            "fail: deadline_exceeded": Told(529, "", 3),
        },
        overflows=("fail: s9c", "fail: resource_exhausted number=20 Long"),
        limits={
            "fail: s92": Wait(again=False),
            "fail: resource_exhausted number=63 Slow": Wait(),
        },
        passing=("fail: s9d", "fail: s91", "fail: s93", "fail: s95", "fail: s96"),
        breaks=(*BREAKS, "fail: s94"),
        early_breaks=(*BREAKS, "no-turn:"),
        wordless={"usage: input=9 output=0": (502, 3)},
        cut_call="refused: clock\ntruncate: payload",
        unspoken=("http", CANARY, "aiserver"),
    )


def test_another_try_is_another_request_and_may_be_another_conversation(
    served: CursorServed,
) -> None:
    for end, fresh in {"s91": False, "s93": True, "s95": True, "s96": True, "s9d": False}.items():
        with about(end):
            served.play(f"fail: {end} times=1\ntext: Here at last.")
            assert_answered(served.ask(RESPONSES), RESPONSES)
            first, second = served.requests
            assert (first.conversation != second.conversation) is fresh
            assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_a_poisoned_conversation_goes_on_under_another_id(served: CursorServed) -> None:
    served.play("match: first\ntext: One.\n---\nmatch: second\ntext: Two.")
    talk = served.talk(AnthropicTalk)
    talk.say("The first")
    served.simulator.backend.poisoned.add(served.requests[0].conversation)
    assert talk.say("The second").text == "Two."
    assert talk.say("The second again").text == "Two."
    ids = [run.conversation for run in served.requests]
    assert ids[0] == ids[1] != ids[2] == ids[3]  # it is remembered


def test_a_call_that_was_announced_but_never_came_is_not_shown(served: CursorServed) -> None:
    served.play("refused: clock\ntruncate: payload")
    response = served.ask(CHAT)
    assert response.status_code == 502
    assert b"tool_calls" not in response.content


BEFORE = {
    "http 503 unavailable": (529, 3),
    "http 500 internal": (502, 3),
    "http 429 resource_exhausted": (429, 4),
    "http 404 not_found": (404, 1),
    "http 400 invalid_argument": (400, 2),
    "http 464": (502, 1),
    "reset REFUSED_STREAM": (529, 3),
    "goaway": (529, 3),
    "drop": (502, 3),
    "fail s92": (429, 1),
}


def test_runs_that_are_refused_at_once(served: CursorServed) -> None:
    for fault in BEFORE:
        with about(fault):
            served.play("text: Never.")
            served.simulator.backend.before.extend([fault] * 4)
            response = served.ask(ANTHROPIC)
            assert (response.status_code, len(served.requests)) == BEFORE[fault]
            if fault == "http 464":
                assert "HTTP/2" in ANTHROPIC.error(response.content)["message"]


def test_a_refusal_at_once_may_pass(served: CursorServed) -> None:
    for fault in ["http 503 unavailable", "reset REFUSED_STREAM", "goaway"]:
        with about(fault):
            served.play("text: Here at last.")
            served.simulator.backend.before.append(fault)
            assert_answered(served.ask(CHAT), CHAT)


@pytest.mark.parametrize("end", ["open:", "no-turn:"])
def test_a_turn_is_complete_though_its_stream_is_odd(served: CursorServed, end: str) -> None:
    """It is left open after the turn, or is ended without a word about the turn."""
    served.play(f"text: Here at last.\n{end}")
    assert_answered(served.ask(ANTHROPIC), ANTHROPIC)
    (run,) = served.requests
    served.simulator.wait(lambda: run.left)
    assert run.half_closed


def test_heartbeats_do_not_show(served: CursorServed) -> None:
    for dialect in DIALECTS:
        with about(dialect):
            served.play("wait: 150ms\ntext: Here \nwait: 100ms\ntext: at last.")
            served.simulator.backend.heartbeat = 0.02
            assert_answered(served.ask(dialect), dialect)


@pytest.mark.parametrize("script", ["stall:", "text: Only half\nstall:", "think: Hm.\nsilence:"])
def test_a_client_that_leaves_resets_the_run(served: CursorServed, script: str) -> None:
    served.play(script)
    begun = threading.Event()

    def read() -> None:
        body = CHAT.body(served.model, "Hello", stream=True)
        with served.gateway.http() as client:
            request = client.build_request("POST", CHAT.path, json=body)
            timeout = {"connect": 5.0, "read": 0.4, "write": 5.0, "pool": 5.0}
            request.extensions = {"timeout": timeout}
            try:
                client.send(request)
            except httpx.ReadTimeout:
                begun.set()

    reading = threading.Thread(target=read)
    reading.start()
    served.simulator.wait(lambda: served.requests and served.requests[0].left)
    reading.join(10)
    assert begun.is_set()
    (run,) = served.requests
    assert (run.reset_code, run.half_closed) == (8, False)
