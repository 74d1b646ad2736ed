"""What goes wrong at Cursor, as the clients of a gateway with its provider see it."""

import threading
from collections.abc import Iterator

import httpx
import pytest

from simulators.cursor.installed import cursor_gateway
from simulators.cursor.server import CursorSimulator
from simulators.cursor.state import CANARY
from support.about import about
from support.conversations import AnthropicTalk
from support.dialects import ANTHROPIC, CHAT, DIALECTS, RESPONSES, Dialect
from support.server import Gateway

MODEL = "claude-opus-5-high"


@pytest.fixture(scope="module")
def running() -> Iterator[CursorSimulator]:
    with CursorSimulator() as simulator:
        yield simulator


@pytest.fixture(scope="module")
def gateway(
    running: CursorSimulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    with cursor_gateway(running, tmp_path_factory.mktemp("home")) as gateway:
        yield gateway


@pytest.fixture
def simulator(running: CursorSimulator) -> Iterator[CursorSimulator]:
    """The simulator, without what earlier tests asked; nothing that came may be wrong."""
    running.forget()
    yield running
    assert running.violations == []


@pytest.fixture
def http(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.http() as http:
        yield http


@pytest.fixture(params=DIALECTS, ids=str)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found


def ask(
    http: httpx.Client, dialect: Dialect, text: str = "Hello", *, stream: bool = True
) -> httpx.Response:
    return http.post(dialect.path, json=dialect.body(MODEL, text, stream=stream))


def assert_answered(response: httpx.Response, dialect: Dialect) -> None:
    assert response.status_code == 200, response.text
    assert dialect.success in response.content
    assert "at last" in response.text


# Errors at the end of a stream: what is told, and how often it was tried

RECORDED = {
    "s91-end-stream-unauthenticated": (401, 2),
    "s92-end-stream-resource-exhausted-limit": (429, 1),
    "s93-end-stream-resource-exhausted-bare": (429, 4),
    "s94-end-stream-provider-error": (502, 1),
    "s95-end-stream-invalid-argument": (400, 2),
    "s96-end-stream-blob-not-found": (502, 2),
    "s97-end-stream-bad-model": (404, 1),
    "s9a-end-stream-provider-error-status": (400, 1),
    "s9b-end-stream-named-model-unavailable": (403, 1),
    "s9c-end-stream-detail-value-only": (400, 1),
    "s9d-end-stream-detail-debug-only": (503, 3),
}


def test_recorded_errors_are_told_in_each_dialect(
    simulator: CursorSimulator, http: httpx.Client, dialect: Dialect
) -> None:
    for name in RECORDED:
        with about(name):
            simulator.forget()
            simulator.play(f"fail: {name}")
            response = ask(http, dialect)
            status, tried = RECORDED[name]
            expected = dialect.overloaded if status == 503 else status
            assert (response.status_code, len(simulator.runs)) == (expected, tried)
            error = dialect.error(response.content)
            assert not [word for word in ("http", CANARY, "aiserver") if word in error["message"]]
            assert simulator.violations == []


TOLD = {
    "failed_precondition number=30 Old": (502, 1),
    "permission_denied number=64 Not there": (403, 1),
    "permission_denied number=23 Not yours": (403, 1),
    "permission_denied unpaid invoice": (403, 1),
    "invalid_argument number=60 Max mode": (400, 1),
    "not_found number=61 Gone": (404, 1),
    "resource_exhausted number=63 Slow": (429, 1),
    "resource_exhausted number=20 Long": (400, 1),
    "resource_exhausted number=57 Provider": (502, 1),
    "resource_exhausted number=57 retryable=true Provider": (502, 3),
    "resource_exhausted number=57 status=429 Provider": (529, 1),
    "unimplemented": (502, 1),
    "unavailable": (529, 3),
    "deadline_exceeded": (529, 3),
}


def test_causes_make_the_difference(simulator: CursorSimulator, http: httpx.Client) -> None:
    for told in TOLD:
        with about(told):
            simulator.forget()
            simulator.play(f"fail: {told}")
            response = ask(http, ANTHROPIC)
            assert (response.status_code, len(simulator.runs)) == TOLD[told]
            assert simulator.violations == []


def test_a_conversation_that_is_too_long_is_compacted(
    simulator: CursorSimulator, http: httpx.Client
) -> None:
    """Claude Code does so when it reads these words."""
    simulator.play("fail: s9c")
    error = ANTHROPIC.error(ask(http, ANTHROPIC).content)
    assert error["message"].startswith("prompt is too long")


def test_what_another_try_may_mend_passes_unseen(
    simulator: CursorSimulator, http: httpx.Client
) -> None:
    for end in ["s91", "s93", "s95", "s96", "s9d"]:
        with about(end):
            simulator.forget()
            simulator.play(f"fail: {end} times=1\ntext: Here at last.")
            assert_answered(ask(http, RESPONSES), RESPONSES)
            first, second = simulator.runs
            fresh = end in ("s93", "s95", "s96")
            assert (first.conversation != second.conversation) is fresh
            assert first.headers["x-request-id"] != second.headers["x-request-id"]
            assert simulator.violations == []


def test_a_poisoned_conversation_goes_on_under_another_id(
    simulator: CursorSimulator, gateway: Gateway
) -> None:
    simulator.play("match: first\ntext: One.\n---\nmatch: second\ntext: Two.")
    talk = AnthropicTalk(gateway, True, model=MODEL)
    talk.say("The first")
    simulator.backend.poisoned.add(simulator.runs[0].conversation)
    assert talk.say("The second").text == "Two."
    assert talk.say("The second again").text == "Two."
    ids = [run.conversation for run in simulator.runs]
    assert ids[0] == ids[1] != ids[2] == ids[3]  # it is remembered


# Streams that break off

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
    "fail: s94",
)


def test_a_break_after_some_output_is_told_in_the_stream(
    simulator: CursorSimulator, http: httpx.Client, dialect: Dialect
) -> None:
    for end in BREAKS:
        with about(end):
            simulator.forget()
            simulator.play(f"text: Only half\n{end}")
            response = ask(http, dialect)
            assert response.status_code == 200
            assert dialect.failure in response.content
            assert dialect.success not in response.content
            assert len(simulator.runs) == 1
            assert simulator.violations == []


def test_a_break_before_any_output_is_mended_by_asking_again(
    simulator: CursorSimulator, http: httpx.Client
) -> None:
    for end in [*BREAKS[:-1], "no-turn:"]:
        with about(end):
            simulator.forget()
            simulator.play(f"{end} times=1\ntext: Here at last.")
            assert_answered(ask(http, CHAT), CHAT)
            assert len(simulator.runs) == 2
            assert simulator.violations == []


def test_a_half_call_is_never_shown(simulator: CursorSimulator, http: httpx.Client) -> None:
    """It was announced, but the stream broke off before its arguments came."""
    simulator.play("refused: clock\ntruncate: payload")
    response = ask(http, CHAT)
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


def test_runs_that_are_refused_at_once(simulator: CursorSimulator, http: httpx.Client) -> None:
    for fault in BEFORE:
        with about(fault):
            simulator.forget()
            simulator.backend.before.extend([fault] * 4)
            response = ask(http, ANTHROPIC)
            assert (response.status_code, len(simulator.runs)) == BEFORE[fault]
            if fault == "http 464":
                assert "HTTP/2" in ANTHROPIC.error(response.content)["message"]
            assert simulator.violations == []


def test_a_refusal_may_pass(simulator: CursorSimulator, http: httpx.Client) -> None:
    for fault in ["http 503 unavailable", "reset REFUSED_STREAM", "goaway"]:
        with about(fault):
            simulator.forget()
            simulator.play("text: Here at last.")
            simulator.backend.before.append(fault)
            assert_answered(ask(http, CHAT), CHAT)
            assert simulator.violations == []


def test_an_answer_without_a_word_is_an_error_in_the_end(
    simulator: CursorSimulator, http: httpx.Client, dialect: Dialect
) -> None:
    simulator.play("usage: input=9 output=0")
    response = ask(http, dialect)
    assert response.status_code == 502
    assert "empty answer" in dialect.error(response.content)["message"]


@pytest.mark.parametrize("end", ["open:", "no-turn:"])
def test_a_turn_is_complete_though_its_stream_is_odd(
    simulator: CursorSimulator, http: httpx.Client, end: str
) -> None:
    """It is left open after the turn, or is ended without a word about the turn."""
    simulator.play(f"text: Here at last.\n{end}")
    assert_answered(ask(http, ANTHROPIC), ANTHROPIC)
    (run,) = simulator.runs
    simulator.wait(lambda: run.left)
    assert run.half_closed


def test_a_slow_beginning_is_waited_for(
    simulator: CursorSimulator, http: httpx.Client, dialect: Dialect
) -> None:
    simulator.backend.heartbeat = 0.02
    simulator.play("wait: 150ms\ntext: Here \nwait: 100ms\ntext: at last.")
    assert_answered(ask(http, dialect), dialect)


# Clients that leave


@pytest.mark.parametrize("script", ["stall:", "text: Only half\nstall:", "think: Hm.\nsilence:"])
def test_a_client_that_leaves_ends_the_run(
    simulator: CursorSimulator, http: httpx.Client, script: str
) -> None:
    simulator.play(script)
    begun = threading.Event()

    def read() -> None:
        body = CHAT.body(MODEL, "Hello", stream=True)
        with httpx.Client(base_url=http.base_url, headers=http.headers) as client:
            request = client.build_request("POST", CHAT.path, json=body)
            timeout = {"connect": 5.0, "read": 0.4, "write": 5.0, "pool": 5.0}
            request.extensions = {"timeout": timeout}
            try:
                client.send(request)
            except httpx.ReadTimeout:
                begun.set()

    reading = threading.Thread(target=read)
    reading.start()
    simulator.wait(lambda: simulator.runs and simulator.runs[0].left)
    reading.join(10)
    assert begun.is_set()
    assert (simulator.runs[0].reset_code, simulator.runs[0].half_closed) == (8, False)
