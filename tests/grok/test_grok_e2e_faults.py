"""What goes wrong at xAI, as the clients of a gateway with the Grok provider see it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from gateway_core.credentials.store import CredentialKey
from simulators.grok.installed import grok_gateway
from simulators.grok.server import GrokSimulator
from support.about import each
from support.conversations import AnthropicTalk, ChatTalk, ResponsesTalk, Talk
from support.dialects import ANTHROPIC, DIALECTS, RESPONSES, Dialect
from support.server import Gateway

MODEL = "grok-4.5"
NOT_RETRIED = {
    "400 argument": (400, "Argument not supported"),
    "400 context_length_exceeded": (400, "prompt"),
    "400 context_length_exceeded shape=nested": (400, "prompt"),
    "500 invalid_image": (400, "image"),
    "403 no-plan": (403, "subscription"),
    "404 no-model": (404, "gateway models --provider grok"),
    "422 odd shape=detail": (400, "odd"),
    "429 free-usage": (429, "24 hours"),
    "429 spending-limit shape=marker": (429, "spending limit"),
    "429 rate-limit retry=600": (429, "slow down"),
    "503 overloaded_error again=false": (503, "overloaded"),
    "403 html shape=html": (403, "edge"),
}
FORMS = ("error", "bare", "flat", "failed")
FAILURES = {
    "context_length_exceeded": 400,
    "free-usage": 429,
    "invalid_image": 400,
}
ENDS = ("cut", "drop", "reset", "garbage")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GrokSimulator, Gateway]]:
    with (
        GrokSimulator() as simulator,
        grok_gateway(simulator, tmp_path_factory.mktemp("home")) as gateway,
    ):
        yield simulator, gateway


@pytest.fixture
def simulator(shared: tuple[GrokSimulator, Gateway]) -> Iterator[GrokSimulator]:
    """The simulator, without what earlier tests asked; whatever it refused was its own doing."""
    simulator = shared[0]
    simulator.forget_requests()
    yield simulator
    assert simulator.violations == []


@pytest.fixture
def gateway(shared: tuple[GrokSimulator, Gateway]) -> Gateway:
    return shared[1]


@pytest.fixture(scope="module")
def client(shared: tuple[GrokSimulator, Gateway]) -> Iterator[httpx.Client]:
    with shared[1].http() as client:
        yield client


@pytest.fixture
def http(client: httpx.Client, simulator: GrokSimulator) -> httpx.Client:
    """A plain client of the gateway."""
    return client


@pytest.fixture(params=DIALECTS, ids=str)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found


@pytest.fixture(params=[AnthropicTalk, ChatTalk, ResponsesTalk])
def talk(request: pytest.FixtureRequest, gateway: Gateway) -> Talk:
    made: Talk = request.param(gateway, True, MODEL)
    return made


def ask(http: httpx.Client, dialect: Dialect, *, stream: bool = True) -> httpx.Response:
    return http.post(dialect.path, json=dialect.body(MODEL, stream=stream))


def assert_answered(response: httpx.Response, dialect: Dialect, text: str) -> None:
    assert response.status_code == 200, response.text
    assert dialect.success in response.content
    assert text in response.text


@each("fault, expected", NOT_RETRIED.items())
def test_permanent_errors_are_told_and_not_retried(
    simulator: GrokSimulator,
    http: httpx.Client,
    dialect: Dialect,
    fault: str,
    expected: tuple[int, str],
) -> None:
    simulator.forget_requests()
    simulator.play(f"http: {fault}")
    response = ask(http, dialect)
    status, words = expected
    if status == 503:
        status = dialect.overloaded
    message = dialect.error(response.content)["message"]
    assert (response.status_code, words in message) == (status, True), message
    assert "<" not in message
    assert len(simulator.requests) == 1


@each("form", ["http", *FORMS])
def test_an_overflow_in_words_that_make_claude_code_compact(
    simulator: GrokSimulator, http: httpx.Client, form: str
) -> None:
    script = "http: 400 context_length_exceeded"
    if form != "http":
        script = f"fail: context_length_exceeded form={form}"
    simulator.play(script)
    response = ask(http, ANTHROPIC)
    assert response.status_code == 400
    assert "prompt is too long" in ANTHROPIC.error(response.content)["message"]


def test_a_used_up_allowance_says_when_it_comes_back(
    simulator: GrokSimulator, http: httpx.Client, dialect: Dialect
) -> None:
    simulator.play("http: 429 free-usage")
    response = ask(http, dialect)
    assert response.headers["retry-after"] == "86400"
    assert response.headers["x-should-retry"] == "false"


@each(
    "fault",
    [
        "503 overloaded_error shape=nested",
        "503 service_unavailable_error",
        "500 server_error shape=traced",
        "502 html shape=html",
        "520 html shape=html",
        "500 server_error shape=empty",
        "429 rate-limit again=true",
    ],
)
def test_transient_errors_are_retried(
    simulator: GrokSimulator, http: httpx.Client, dialect: Dialect, fault: str
) -> None:
    simulator.forget_requests()
    simulator.play(f"http: {fault} times=1\ntext: Here at last.")
    assert_answered(ask(http, dialect), dialect, "last.")
    assert [request.status for request in simulator.requests] == [int(fault[:3]), 200]


def test_a_short_rate_limit_is_for_the_client_to_wait_for(
    simulator: GrokSimulator, http: httpx.Client, dialect: Dialect
) -> None:
    simulator.play("http: 429 rate-limit retry=2 times=1\ntext: Here at last.")
    response = ask(http, dialect)
    assert (response.status_code, response.headers["retry-after"]) == (429, "2")
    assert_answered(ask(http, dialect), dialect, "last.")


@each("form", FORMS)
@each("code, status", FAILURES.items())
def test_failures_before_any_output_are_http_errors(
    simulator: GrokSimulator, http: httpx.Client, code: str, status: int, form: str
) -> None:
    simulator.forget_requests()
    simulator.play(f"fail: {code} form={form}")
    response = ask(http, RESPONSES)
    assert response.status_code == status
    assert RESPONSES.error(response.content)["message"]
    assert len(simulator.requests) == 1


@each("form", FORMS)
@each("code", ["server_error", "overloaded_error", "service_unavailable_error"])
def test_transient_failures_before_any_output_are_retried(
    simulator: GrokSimulator, http: httpx.Client, code: str, form: str
) -> None:
    simulator.forget_requests()
    simulator.play(f"fail: {code} form={form} times=1\ntext: Here at last.")
    assert_answered(ask(http, RESPONSES), RESPONSES, "last.")


@each("form", FORMS)
def test_failures_after_some_output_are_told_in_the_stream(
    simulator: GrokSimulator, http: httpx.Client, dialect: Dialect, form: str
) -> None:
    simulator.forget_requests()
    simulator.play(f"text: Only half\nfail: server_error form={form}")
    response = ask(http, dialect)
    assert response.status_code == 200
    assert dialect.failure in response.content
    assert dialect.success not in response.content
    assert len(simulator.requests) == 1


def test_an_error_object_under_status_200_is_an_error(
    simulator: GrokSimulator, http: httpx.Client, dialect: Dialect
) -> None:
    simulator.play("json: context_length_exceeded")
    response = ask(http, dialect)
    assert response.status_code == 400
    assert dialect.error(response.content)["message"]


@each("end", ENDS)
def test_a_silent_end_after_some_output_is_an_error(
    simulator: GrokSimulator, http: httpx.Client, dialect: Dialect, end: str
) -> None:
    simulator.play(f"text: Only half\n{end}:")
    response = ask(http, dialect)
    assert dialect.failure in response.content
    assert dialect.success not in response.content


@each("end", ENDS)
def test_a_silent_end_before_any_output_is_retried(
    simulator: GrokSimulator, http: httpx.Client, end: str
) -> None:
    simulator.forget_requests()
    simulator.play(f"keepalive: 1\n{end}: times=1\ntext: Here at last.")
    assert_answered(ask(http, RESPONSES), RESPONSES, "last.")
    assert len(simulator.requests) == 2


def test_a_call_that_was_cut_does_not_look_complete(
    simulator: GrokSimulator, http: httpx.Client
) -> None:
    simulator.play('tool: lookup {"topic": "all of it"}\ncut:')
    content = ask(http, ANTHROPIC).content
    assert b"event: error" in content
    assert b'"stop_reason":"tool_use"' not in content


def test_a_slow_start_and_a_huge_event_do_no_harm(
    simulator: GrokSimulator, http: httpx.Client
) -> None:
    simulator.play("wait: 100ms\nkeepalive: 2\nwait: 50ms\nburst: 50000")
    response = ask(http, RESPONSES)
    assert_answered(response, RESPONSES, "word49999")
    assert b"keepalive" not in response.content


def test_lost_reasoning_is_cured_by_one_more_request(
    simulator: GrokSimulator, gateway: Gateway
) -> None:
    simulator.play("think: Hm.\ntool: clock\n---\ntext: It is late.")
    talk = AnthropicTalk(gateway, True, MODEL)
    turn = talk.say("What time is it?")
    simulator.state.forget_seals()
    assert talk.give({turn.calls[0].id: "nine"}).text == "It is late."

    _, refused, cured = simulator.requests
    assert (refused.status, cured.status) == (400, 200)
    assert (len(refused.of_type("reasoning")), cured.of_type("reasoning")) == (1, [])


@pytest.mark.parametrize("slug", [False, True], ids=["401", "403"])
def test_a_token_that_ends_in_mid_life_is_refreshed_once(
    simulator: GrokSimulator, gateway: Gateway, talk: Talk, slug: bool
) -> None:
    """A 403 with the slug for bad credentials means the same."""
    simulator.play("tool: clock\n---\ntext: It is late.")
    simulator.backend.bad_credentials = slug
    turn = talk.say("What time is it?")
    simulator.state.end_access_tokens()
    before = simulator.state.refreshes
    assert talk.give({turn.calls[0].id: "nine"}).text == "It is late."

    assert simulator.state.refreshes == before + 1
    refused = 403 if slug else 401
    assert [request.status for request in simulator.requests] == [200, refused, 200]
    stored = gateway.runtime.store.get(CredentialKey("grok", simulator.account.id))
    assert stored is not None
    simulator.state.account_of(stored.access_token.get_secret_value())


def test_many_requests_share_one_refresh(simulator: GrokSimulator, gateway: Gateway) -> None:
    simulator.play("text: Hello")
    simulator.state.end_access_tokens()
    before = simulator.state.refreshes
    ready = threading.Barrier(6)

    def one(_: int) -> int:
        with gateway.http() as http:
            ready.wait()
            return ask(http, RESPONSES).status_code

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(one, range(6))) == [200] * 6
    assert simulator.state.refreshes == before + 1


def test_a_refresh_whose_answer_is_lost_is_repeated_in_its_grace(
    simulator: GrokSimulator, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulator.state, "grace", 60.0)
    simulator.state.end_access_tokens()
    simulator.login.lost_answers = 1
    before = simulator.state.refreshes
    assert_answered(ask(http, RESPONSES), RESPONSES, "script.")
    assert simulator.state.refreshes == before + 2


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[tuple[GrokSimulator, Gateway]]:
    """A pair for tests that leave it unusable."""
    with GrokSimulator() as simulator, grok_gateway(simulator, tmp_path) as gateway:
        yield simulator, gateway
        assert simulator.violations == []


def test_a_login_that_is_over_asks_for_a_new_one(alone: tuple[GrokSimulator, Gateway]) -> None:
    simulator, gateway = alone
    simulator.state.end_access_tokens()
    simulator.state.refuse_refresh = "invalid_grant"
    with gateway.http() as http:
        for dialect in DIALECTS:
            response = ask(http, dialect)
            assert response.status_code == (403 if dialect is ANTHROPIC else 401)
            assert "gateway login grok" in dialect.error(response.content)["message"]
    assert simulator.state.refreshes == 1


def test_a_client_that_leaves_takes_the_upstream_request_along(
    alone: tuple[GrokSimulator, Gateway],
) -> None:
    simulator, gateway = alone
    simulator.play("text: Only half\nstall:")
    body = ANTHROPIC.body(MODEL, stream=True)
    with gateway.http() as http, http.stream("POST", ANTHROPIC.path, json=body) as response:
        assert "half" in next(text for text in response.iter_text() if "half" in text)
    assert simulator.connections.hung_up.wait(5)
