"""What goes wrong at the backend, as the clients of a gateway with the Codex provider see it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from gateway_core.credentials.store import CredentialKey
from gateway_core.json import JsonObject, loads_object
from simulators.codex.installed import codex_gateway
from simulators.codex.server import CodexSimulator
from simulators.codex.state import Account
from support.about import each
from support.conversations import AnthropicTalk, ChatTalk, ResponsesTalk, Talk
from support.dialects import ANTHROPIC, DIALECTS, RESPONSES, Dialect
from support.server import Gateway

MODEL = "gpt-5.5"
NOT_RETRIED = {
    "429 usage_limit_reached": (429, "usage limit"),
    "429 usage_not_included": (403, "Plus"),
    "403 html": (403, "challenge"),
    "403 account_deactivated": (403, "account_deactivated"),
    "400 detail": (400, "not supported when using Codex"),
    "400 invalid_image": (400, "valid image"),
    "429 rate_limit_exceeded retry=600": (429, "try again in 600"),
}
FORMS = ("error", "flat", "failed", "both")
FAILURES = {
    "context_length_exceeded": 400,
    "usage_limit_reached": 429,
    "insufficient_quota": 429,
    "invalid_prompt": 400,
    "cyber_policy": 400,
    "model_not_found": 404,
}
TRANSIENT = ("server_error", "server_is_overloaded", "slow_down", "never_heard_of")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CodexSimulator, Gateway]]:
    with (
        CodexSimulator() as simulator,
        codex_gateway(simulator, tmp_path_factory.mktemp("home")) as gateway,
    ):
        yield simulator, gateway


@pytest.fixture
def simulator(shared: tuple[CodexSimulator, Gateway]) -> Iterator[CodexSimulator]:
    """The simulator, without what earlier tests asked; whatever it refused was its own doing."""
    simulator = shared[0]
    simulator.forget_requests()
    yield simulator
    assert simulator.violations == []


@pytest.fixture
def gateway(shared: tuple[CodexSimulator, Gateway]) -> Gateway:
    return shared[1]


@pytest.fixture
def http(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.http() as http:
        yield http


@pytest.fixture(params=DIALECTS, ids=str)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found


@pytest.fixture(params=[AnthropicTalk, ChatTalk, ResponsesTalk])
def talk(request: pytest.FixtureRequest, gateway: Gateway) -> Talk:
    made: Talk = request.param(gateway, True)
    return made


def ask(http: httpx.Client, dialect: Dialect, *, stream: bool = True) -> httpx.Response:
    return http.post(dialect.path, json=dialect.body(MODEL, stream=stream))


def assert_answered(response: httpx.Response, dialect: Dialect, text: str) -> None:
    assert response.status_code == 200, response.text
    assert dialect.success in response.content
    assert text in response.text


@each("fault, expected", NOT_RETRIED.items())
def test_permanent_errors_are_told_and_not_retried(
    simulator: CodexSimulator,
    http: httpx.Client,
    dialect: Dialect,
    fault: str,
    expected: tuple[int, str],
) -> None:
    simulator.forget_requests()
    simulator.play(f"http: {fault}")
    response = ask(http, dialect)
    status, words = expected
    message = dialect.error(response.content)["message"]
    assert (response.status_code, words in message) == (status, True), message
    assert "<" not in message
    assert len(simulator.requests) == 1


def test_a_used_up_plan_says_when_it_comes_back(
    simulator: CodexSimulator, http: httpx.Client, dialect: Dialect
) -> None:
    simulator.play("http: 429 usage_limit_reached")
    response = ask(http, dialect)
    assert 8900 < float(response.headers["retry-after"]) <= 9000
    assert response.headers["x-should-retry"] == "false"


@each("fault", ["503 server_is_overloaded", "500 empty", "502 html", "429 at_capacity"])
def test_transient_errors_are_retried(
    simulator: CodexSimulator, http: httpx.Client, dialect: Dialect, fault: str
) -> None:
    simulator.forget_requests()
    simulator.play(f"http: {fault} times=1\ntext: Here at last.")
    assert_answered(ask(http, dialect), dialect, "last.")
    assert [request.status for request in simulator.requests] == [int(fault[:3]), 200]


@each("script", ["http: 429 rate_limit_exceeded retry=1.2", "fail: rate_limit_exceeded"])
def test_a_short_rate_limit_is_for_the_client_to_wait_for(
    simulator: CodexSimulator, http: httpx.Client, dialect: Dialect, script: str
) -> None:
    simulator.forget_requests()
    simulator.play(f"{script} times=1\ntext: Here at last.")
    response = ask(http, dialect)
    assert (response.status_code, response.headers["retry-after"]) == (429, "2")
    assert "x-should-retry" not in response.headers
    assert_answered(ask(http, dialect), dialect, "last.")


def test_two_failures_are_not_too_many(simulator: CodexSimulator, http: httpx.Client) -> None:
    simulator.play("http: 503 slow_down times=2\ntext: Here at last.")
    assert_answered(ask(http, RESPONSES), RESPONSES, "last.")
    assert len(simulator.requests) == 3


@each("form", FORMS)
@each("code, status", FAILURES.items())
def test_failures_before_any_output_are_http_errors(
    simulator: CodexSimulator,
    http: httpx.Client,
    dialect: Dialect,
    code: str,
    status: int,
    form: str,
) -> None:
    simulator.forget_requests()
    simulator.play(f"fail: {code} form={form}")
    response = ask(http, dialect)
    assert response.status_code == status
    assert dialect.error(response.content)["message"]
    assert len(simulator.requests) == 1


@each("form", FORMS)
@each("code", TRANSIENT)
def test_transient_failures_before_any_output_are_retried(
    simulator: CodexSimulator, http: httpx.Client, code: str, form: str
) -> None:
    simulator.forget_requests()
    simulator.play(f"fail: {code} form={form} times=1\ntext: Here at last.")
    assert_answered(ask(http, RESPONSES), RESPONSES, "last.")


@each("form", FORMS)
def test_failures_after_some_output_are_told_in_the_stream(
    simulator: CodexSimulator, http: httpx.Client, dialect: Dialect, form: str
) -> None:
    simulator.forget_requests()
    simulator.play(f"text: Only half\nfail: server_error form={form}")
    response = ask(http, dialect)
    assert response.status_code == 200
    assert dialect.failure in response.content
    assert dialect.success not in response.content
    assert len(simulator.requests) == 1


@each("end", ["cut", "drop", "reset"])
def test_a_silent_end_after_some_output_is_an_error(
    simulator: CodexSimulator, http: httpx.Client, dialect: Dialect, end: str
) -> None:
    simulator.play(f"text: Only half\n{end}:")
    response = ask(http, dialect)
    assert dialect.failure in response.content
    assert dialect.success not in response.content


@each("end", ["cut", "drop", "reset"])
def test_a_silent_end_before_any_output_is_retried(
    simulator: CodexSimulator, http: httpx.Client, dialect: Dialect, end: str
) -> None:
    simulator.forget_requests()
    simulator.play(f"keepalive: 1\n{end}: times=1\ntext: Here at last.")
    assert_answered(ask(http, dialect), dialect, "last.")
    assert len(simulator.requests) == 2


def test_a_call_that_was_cut_does_not_look_complete(
    simulator: CodexSimulator, http: httpx.Client
) -> None:
    simulator.play('shape: no-done\ntool: lookup {"topic": "all of it"}\ncut:')
    content = ask(http, ANTHROPIC).content
    assert b"event: error" in content
    assert b'"stop_reason":"tool_use"' not in content


def test_an_overflow_in_words_that_make_claude_code_compact(
    simulator: CodexSimulator, http: httpx.Client
) -> None:
    response = http.post(ANTHROPIC.path, json=ANTHROPIC.body(MODEL, "word " * 300_000))
    assert response.status_code == 400
    assert "prompt is too long" in ANTHROPIC.error(response.content)["message"]


def test_a_slow_first_byte_is_waited_for(
    simulator: CodexSimulator, http: httpx.Client, dialect: Dialect
) -> None:
    simulator.play("wait: 300ms\nkeepalive: 2\nwait: 100ms\ntext: Here at last.")
    assert_answered(ask(http, dialect), dialect, "last.")


def test_keepalives_and_limits_do_not_show(
    simulator: CodexSimulator, http: httpx.Client, dialect: Dialect
) -> None:
    simulator.play("shape: unknown\nlimits: now\nkeepalive: 3\ntext: All well")
    response = ask(http, dialect)
    assert_answered(response, dialect, "well")
    assert b"keepalive" not in response.content
    assert b"codex." not in response.content


def test_limits_that_are_reached_end_the_answer(
    simulator: CodexSimulator, http: httpx.Client, dialect: Dialect
) -> None:
    simulator.play("limits: reached\ncut:")
    response = ask(http, dialect)
    assert response.status_code == 429
    assert len(simulator.requests) == 1


def test_credits_make_reached_limits_harmless(
    simulator: CodexSimulator, http: httpx.Client, dialect: Dialect
) -> None:
    simulator.play("limits: reached credits\ntext: All well")
    assert_answered(ask(http, dialect), dialect, "well")


def test_lost_reasoning_is_cured_by_one_more_request(
    simulator: CodexSimulator, gateway: Gateway
) -> None:
    simulator.play("think: Hm.\ntool: clock\n---\ntext: It is late.")
    talk = AnthropicTalk(gateway, stream=True)
    turn = talk.say("What time is it?")
    simulator.state.forget_seals()
    assert talk.give({turn.calls[0].id: "nine"}).text == "It is late."

    _, refused, cured = simulator.requests
    assert (refused.status, cured.status) == (400, 200)
    assert (len(refused.of_type("reasoning")), cured.of_type("reasoning")) == (1, [])


def test_a_token_that_ends_in_mid_life_is_refreshed_once(
    simulator: CodexSimulator, gateway: Gateway, talk: Talk
) -> None:
    simulator.play("tool: clock\n---\ntext: It is late.")
    turn = talk.say("What time is it?")
    simulator.state.end_access_tokens()
    before = simulator.state.refreshes
    assert talk.give({turn.calls[0].id: "nine"}).text == "It is late."

    assert simulator.state.refreshes == before + 1
    assert [request.status for request in simulator.requests] == [200, 401, 200]
    stored = gateway.runtime.store.get(CredentialKey("codex", simulator.account.id))
    assert stored is not None
    simulator.state.account_of(stored.access_token.get_secret_value())


def test_many_requests_share_one_refresh(simulator: CodexSimulator, gateway: Gateway) -> None:
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


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[tuple[CodexSimulator, Gateway]]:
    """A pair for tests that leave it unusable; silence lasts half a second at most."""
    with (
        CodexSimulator() as simulator,
        codex_gateway(simulator, tmp_path, {"timeouts.idle": 0.5}) as gateway,
    ):
        yield simulator, gateway
        assert simulator.violations == []


def test_a_login_that_is_over_asks_for_a_new_one(
    alone: tuple[CodexSimulator, Gateway], dialect: Dialect
) -> None:
    simulator, gateway = alone
    simulator.state.end_access_tokens("token_invalidated")
    simulator.state.refuse_refresh = "refresh_token_invalidated"
    with gateway.http() as http:
        for _ in range(2):
            response = ask(http, dialect)
            assert response.status_code == (403 if dialect is ANTHROPIC else 401)
            assert "gateway login codex" in dialect.error(response.content)["message"]
    assert simulator.state.refreshes == 1


@pytest.mark.parametrize("said", ["", "text: Only half\n"])
def test_silence_ends_in_an_error(
    alone: tuple[CodexSimulator, Gateway], dialect: Dialect, said: str
) -> None:
    simulator, gateway = alone
    simulator.play(f"{said}keepalive: 1\nstall:")
    with gateway.http() as http:
        response = ask(http, dialect)
    if said:
        assert dialect.failure in response.content
    else:
        assert response.status_code == 504


def test_a_client_that_leaves_takes_the_upstream_request_along(
    alone: tuple[CodexSimulator, Gateway], dialect: Dialect
) -> None:
    simulator, gateway = alone
    simulator.play("text: Only half\nstall:")
    body = dialect.body(MODEL, stream=True)
    with gateway.http() as http, http.stream("POST", dialect.path, json=body) as response:
        assert "half" in next(text for text in response.iter_text() if "half" in text)
    assert simulator.hung_up.wait(5)


def test_reasoning_of_one_account_never_reaches_another(
    alone: tuple[CodexSimulator, Gateway], tmp_path: Path
) -> None:
    simulator, gateway = alone
    simulator.play("think: Hm.\ntool: clock\n---\ntext: It is late.")
    talk = AnthropicTalk(gateway, stream=True)
    turn = talk.say("What time is it?")
    other = simulator.state.add_account(Account("99999999-2222-3333-4444-555555555555"))
    with codex_gateway(simulator, tmp_path / "other", account=other) as talk.gateway:
        assert talk.give({turn.calls[0].id: "nine"}).text == "It is late."

    last = simulator.requests[-1]
    assert last.headers["chatgpt-account-id"] == other.id
    assert last.of_type("reasoning") == []


def test_the_status_tells_of_the_limits(simulator: CodexSimulator, http: httpx.Client) -> None:
    ask(http, RESPONSES)
    status: JsonObject = loads_object(http.get("/v1/status").content)
    text = str(status)
    assert simulator.account.email in text
    assert "73" in text  # percent left
