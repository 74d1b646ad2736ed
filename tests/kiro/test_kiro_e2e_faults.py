"""What goes wrong at Kiro, as the clients of a gateway with its provider see it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from gateway_core.credentials.store import CredentialKey
from gateway_core.json import JsonObject
from simulators.kiro.faults import recorded_faults
from simulators.kiro.installed import kiro_gateway
from simulators.kiro.server import KiroSimulator
from simulators.kiro.state import CANARY, Account, Kind
from support.about import each
from support.conversations import AnthropicTalk, ChatTalk, ResponsesTalk, Talk
from support.dialects import ANTHROPIC, CHAT, DIALECTS, RESPONSES, Dialect
from support.server import Gateway

MODEL = "claude-sonnet-4.5"
LASTING = ("account_suspended", "account_throttled")
"""Kinds of errors after which an account is not asked any more for a while."""

FAULTS = {
    entry["name"]: entry["expect"]
    for entry in recorded_faults()
    if entry["expect"]["kind"] not in (*LASTING, "auth")
}
TRANSIENT = ("overloaded", "upstream_error")
"""Kinds that the gateway sits out itself; limits are for the client to wait for."""

ORGANISATION = "arn:aws:codewhisperer:eu-central-1:111122223333:profile/MNOPQRSTUVWX"
TWICE = {"wrong_endpoint": 2}  # at the older host too


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KiroSimulator, Gateway]]:
    with (
        KiroSimulator() as simulator,
        kiro_gateway(simulator, tmp_path_factory.mktemp("home")) as gateway,
    ):
        yield simulator, gateway


@pytest.fixture
def simulator(shared: tuple[KiroSimulator, Gateway]) -> Iterator[KiroSimulator]:
    """The simulator, without what earlier tests asked; whatever it refused was its own doing."""
    simulator = shared[0]
    simulator.forget_requests()
    yield simulator
    assert simulator.violations == []


@pytest.fixture
def gateway(shared: tuple[KiroSimulator, Gateway]) -> Gateway:
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
    made: Talk = request.param(gateway, True, model=MODEL)
    return made


def ask(http: httpx.Client, dialect: Dialect, *, stream: bool = True) -> httpx.Response:
    return http.post(dialect.path, json=dialect.body(MODEL, stream=stream))


def assert_answered(response: httpx.Response, dialect: Dialect, text: str = "last.") -> None:
    assert response.status_code == 200, response.text
    assert dialect.success in response.content
    assert text in response.text


def status_of(expected: JsonObject, dialect: Dialect) -> int:
    """The recorded status is that for clients of Messages."""
    status: int = expected["client"]["http"]
    return 503 if status == 529 and dialect is not ANTHROPIC else status


@each("name", FAULTS)
def test_recorded_errors_are_told_in_each_dialect(
    simulator: KiroSimulator, http: httpx.Client, dialect: Dialect, name: str
) -> None:
    expected = FAULTS[name]
    simulator.forget_requests()
    simulator.play(f"http: {name}")
    response = ask(http, dialect)
    error = dialect.error(response.content)
    assert response.status_code == status_of(expected, dialect), error
    assert not [word for word in ("<", "arn:aws", CANARY) if word in error["message"]]
    client = expected["client"]
    if dialect is ANTHROPIC:
        assert error["type"] == client["anthropic_type"]
        assert error["message"].startswith(client.get("anthropic_message_starts", ""))
    elif "openai_code" in client:
        assert error["code"] == client["openai_code"]
    retried = expected["kind"] in TRANSIENT
    asked = 3 if retried else TWICE.get(expected["kind"], 1)
    assert len(simulator.requests) == asked


@each("name", [name for name in FAULTS if FAULTS[name]["kind"] in TRANSIENT])
def test_passing_errors_pass_unseen(
    simulator: KiroSimulator, http: httpx.Client, name: str
) -> None:
    simulator.forget_requests()
    simulator.play(f"http: {name} times=1\ntext: Here at last.")
    assert_answered(ask(http, RESPONSES), RESPONSES)
    assert [request.status == 200 for request in simulator.requests] == [False, True]


def test_a_limit_that_names_its_end_is_for_the_client_to_wait_for(
    simulator: KiroSimulator, http: httpx.Client, dialect: Dialect
) -> None:
    simulator.play("http: throttled retry=600")
    response = ask(http, dialect)
    assert (response.status_code, response.headers["retry-after"]) == (429, "600")
    assert len(simulator.requests) == 1


EXCEPTIONS = {
    "ValidationException CONTENT_LENGTH_EXCEEDS_THRESHOLD Input is too long.": (400, 1),
    "ServiceQuotaExceededException MONTHLY_REQUEST_COUNT No more.": (429, 1),
    "ValidationException INVALID_MODEL_ID No such model.": (404, 1),
    "ThrottlingException Slow down.": (429, 1),
    "InternalServerException Oh no.": (502, 3),
}


@each("told", EXCEPTIONS)
def test_exceptions_before_any_output_are_http_errors(
    simulator: KiroSimulator, http: httpx.Client, dialect: Dialect, told: str
) -> None:
    simulator.forget_requests()
    simulator.play(f"exception: {told}")
    response = ask(http, dialect)
    status, asked = EXCEPTIONS[told]
    assert (response.status_code, len(simulator.requests)) == (status, asked)
    assert dialect.error(response.content)["message"]


BREAKS = (
    "exception: InternalServerException Oh no.",
    "error: InternalFailure internal failure",
    "damage: message",
    "damage: prelude",
    "damage: half",
    'cut-tool: lookup {"topic": "all of',
    'event: invalidStateEvent {"reason": "INVALID_TASK_ASSIST_PLAN", "message": "Odd."}',
    "stop: MALFORMED_TOOL_USE",
    "drop:",
    "reset:",
)


@each("end", BREAKS)
def test_a_break_after_some_output_is_told_in_the_stream(
    simulator: KiroSimulator, http: httpx.Client, dialect: Dialect, end: str
) -> None:
    simulator.forget_requests()
    simulator.play(f"text: Only half\n{end}")
    response = ask(http, dialect)
    assert response.status_code == 200
    assert dialect.failure in response.content
    assert dialect.success not in response.content
    assert len(simulator.requests) == 1


@each(
    "end",
    [
        "empty: times=1",
        "damage: message times=1",
        "damage: half times=1",
        "drop: times=1",
        "reset: times=1",
        'cut-tool: lookup {"topic": times=1',
        "exception: InternalServerException Oh no. times=1",
    ],
)
def test_a_break_before_any_output_is_mended_by_asking_again(
    simulator: KiroSimulator, http: httpx.Client, end: str
) -> None:
    simulator.forget_requests()
    simulator.play(f"{end}\ntext: Here at last.")
    assert_answered(ask(http, CHAT), CHAT)
    assert len(simulator.requests) == 2


@each("script", ["nothing:", "empty:", "play: stream-only-metadata"])
def test_an_answer_without_a_word_is_an_error_in_the_end(
    simulator: KiroSimulator, http: httpx.Client, dialect: Dialect, script: str
) -> None:
    simulator.forget_requests()
    simulator.play(script)
    response = ask(http, dialect)
    assert response.status_code == 502
    assert "empty answer" in dialect.error(response.content)["message"]
    assert len(simulator.requests) == 3


def test_a_call_that_was_cut_never_looks_complete(
    simulator: KiroSimulator, http: httpx.Client, dialect: Dialect
) -> None:
    simulator.play('cut-tool: lookup {"topic": "all of')
    response = ask(http, dialect)
    assert response.status_code == 502
    assert "smaller pieces" in dialect.error(response.content)["message"]


def test_the_output_limit_keeps_what_was_said(simulator: KiroSimulator, http: httpx.Client) -> None:
    simulator.play("text: Only half\nexception: ContentLengthExceededException Too long.")
    response = ask(http, ANTHROPIC, stream=False).json()
    assert (response["stop_reason"], response["content"][0]["text"]) == ("max_tokens", "Only half")


def test_a_slow_first_byte_is_waited_for(
    simulator: KiroSimulator, http: httpx.Client, dialect: Dialect
) -> None:
    simulator.play("wait: 100ms\ntext: Here\nwait: 50ms\ntext: at last.")
    assert_answered(ask(http, dialect), dialect)


# Logins


def test_a_token_that_ends_in_mid_life_is_refreshed_once(
    simulator: KiroSimulator, gateway: Gateway, talk: Talk
) -> None:
    simulator.play("tool: clock\n---\ntext: It is late.")
    turn = talk.say("What time is it?")
    simulator.state.end_access_tokens()
    before = simulator.state.refreshes
    assert talk.give({turn.calls[0].id: "nine"}).text == "It is late."

    assert simulator.state.refreshes == before + 1
    assert [request.status for request in simulator.requests] == [200, 403, 200]
    stored = gateway.runtime.store.get(CredentialKey("kiro", simulator.account.id))
    assert stored is not None and stored.refresh_token is not None
    simulator.state.account_of(stored.access_token.get_secret_value())
    assert simulator.state.owner_of_refresh(stored.refresh_token.get_secret_value())


@each("name", ["token-invalid", "token-expired-401"])
def test_either_way_to_refuse_a_token_is_understood(
    simulator: KiroSimulator, http: httpx.Client, dialect: Dialect, name: str
) -> None:
    simulator.forget_requests()
    simulator.play(f"http: {name} times=1\ntext: Here at last.")
    before = simulator.state.refreshes
    assert_answered(ask(http, dialect), dialect)
    assert simulator.state.refreshes == before + 1


def test_many_requests_share_one_refresh(simulator: KiroSimulator, gateway: Gateway) -> None:
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


def test_a_refresh_token_that_stays_is_kept(
    simulator: KiroSimulator, gateway: Gateway, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulator.state, "rotates", False)
    for _ in range(2):
        simulator.state.end_access_tokens()
        assert ask(http, CHAT).status_code == 200


def test_the_older_host_answers_when_the_current_one_does_not_know_the_question(
    simulator: KiroSimulator, http: httpx.Client, dialect: Dialect
) -> None:
    simulator.state.gone = {"runtime"}
    simulator.play("text: Here at last.")
    assert_answered(ask(http, dialect), dialect)
    assert [(request.host, request.status) for request in simulator.requests] == [
        ("runtime", 404),
        ("q", 200),
    ]


def test_no_log_and_no_answer_holds_a_secret(
    simulator: KiroSimulator, http: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    """Every secret of the simulator has one word in it."""
    caplog.set_level("DEBUG")
    simulator.play("http: improper")
    answers = ask(http, CHAT).text
    simulator.state.end_access_tokens()
    answers += ask(http, CHAT).text
    answers += http.get("/v1/status").text
    assert len(simulator.requests) == 3
    assert "improper" in answers.lower()
    assert CANARY not in answers
    assert caplog.records and CANARY not in caplog.text


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[tuple[KiroSimulator, Gateway]]:
    """A pair for tests that leave it unusable; silence lasts half a second at most."""
    with (
        KiroSimulator() as simulator,
        kiro_gateway(simulator, tmp_path, {"timeouts.idle": 0.5}) as gateway,
    ):
        yield simulator, gateway
        assert simulator.violations == []


LOCKED = {"suspended-2025": 403, "suspended-2026": 403, "suspicious-activity": 429}


@pytest.mark.parametrize("name", LOCKED)
def test_an_account_that_is_locked_or_warned_is_left_alone(
    alone: tuple[KiroSimulator, Gateway], name: str
) -> None:
    """Once is asked and not once more: trying again makes it worse."""
    simulator, gateway = alone
    simulator.play(f"http: {name}")
    with gateway.http() as http:
        for dialect in DIALECTS:
            response = ask(http, dialect)
            assert response.status_code == LOCKED[name]
            message = dialect.error(response.content)["message"]
            assert "000000000000" not in message and "d-0000000000" not in message
            if LOCKED[name] == 429:
                assert 0 < int(response.headers["retry-after"]) <= 300
            else:
                assert "support_form" in message
    assert len(simulator.requests) == 1


def test_a_lock_inside_of_a_stream_is_one_too(alone: tuple[KiroSimulator, Gateway]) -> None:
    simulator, gateway = alone
    simulator.play("play: exception-access-denied-suspended")
    with gateway.http() as http:
        assert [ask(http, dialect).status_code for dialect in DIALECTS] == [403] * 3
    assert len(simulator.requests) == 1


def test_a_login_that_is_over_asks_for_a_new_one(alone: tuple[KiroSimulator, Gateway]) -> None:
    simulator, gateway = alone
    simulator.state.end_access_tokens()
    simulator.state.refresh(simulator.tokens.refresh)  # somebody else spends it
    with gateway.http() as http:
        for dialect in DIALECTS:
            response = ask(http, dialect)
            assert response.status_code == (403 if dialect is ANTHROPIC else 401)
            assert "gateway login kiro" in dialect.error(response.content)["message"]
    assert simulator.state.refreshes == 2


@pytest.mark.parametrize("status", [429, 503])
def test_a_login_service_that_is_down_does_not_end_the_login(
    alone: tuple[KiroSimulator, Gateway], status: int
) -> None:
    simulator, gateway = alone
    simulator.state.end_access_tokens()
    simulator.state.refuse_refresh = status
    with gateway.http() as http:
        response = ask(http, CHAT)
    assert response.status_code >= 429
    assert "gateway login" not in CHAT.error(response.content)["message"]
    assert simulator.state.owner_of_refresh(simulator.tokens.refresh) is simulator.account


@pytest.mark.parametrize("said", ["", "text: Only half\n"])
def test_silence_ends_in_an_error(alone: tuple[KiroSimulator, Gateway], said: str) -> None:
    simulator, gateway = alone
    simulator.play(f"{said}stall:")
    with gateway.http() as http:
        response = ask(http, RESPONSES)
    if said:
        assert RESPONSES.failure in response.content
    else:
        assert response.status_code == 504


def test_a_client_that_leaves_takes_the_upstream_request_along(
    alone: tuple[KiroSimulator, Gateway],
) -> None:
    simulator, gateway = alone
    simulator.play("text: Only half\nstall:")
    sent = CHAT.body(MODEL, stream=True)
    with gateway.http() as http, http.stream("POST", CHAT.path, json=sent) as response:
        assert "half" in next(text for text in response.iter_text() if "half" in text)
    assert simulator.connections.hung_up.wait(5)


@pytest.mark.parametrize(
    ("kind", "profile", "region"),
    [
        ("builder", None, "us-east-1"),
        ("organisation", ORGANISATION, "eu-central-1"),
        ("api-key", None, "us-east-1"),
    ],
)
def test_every_kind_of_login_is_served_with_its_profile_in_its_region(
    tmp_path: Path, kind: Kind, profile: str | None, region: str
) -> None:
    with KiroSimulator(account=Account("someone", kind, profile=profile)) as simulator:
        simulator.play("text: Here at last.")
        with kiro_gateway(simulator, tmp_path) as gateway, gateway.http() as http:
            assert_answered(ask(http, CHAT), CHAT)
            simulator.state.gone = {"runtime", "management"}
            assert_answered(ask(http, CHAT), CHAT)
            if kind != "api-key":
                simulator.state.gone = set()
                simulator.state.end_access_tokens()
                assert_answered(ask(http, CHAT), CHAT)
                assert simulator.state.refreshes == 1
        assert {request.region for request in simulator.requests} == {region}
        assert simulator.violations == []
