"""What goes wrong at Kiro, as the clients of a gateway with its provider see it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_core.json import JsonObject
from simulators.kiro.faults import recorded_faults
from simulators.kiro.installed import KiroServed, kiro_gateway
from simulators.kiro.server import KiroSimulator
from simulators.kiro.state import CANARY, Account, Kind
from support.about import about
from support.dialects import ANTHROPIC, CHAT, DIALECTS
from support.provider_faults import Faults, ProviderRenewals, Told, Wait, assert_answered

LASTING = ("account_suspended", "account_throttled")
"""Kinds of errors after which an account is not asked any more for a while."""

FAULTS = {
    f"http: {entry['name']}": entry["expect"]
    for entry in recorded_faults()
    if entry["expect"]["kind"] not in (*LASTING, "auth")
}
TRANSIENT = ("overloaded", "upstream_error")
"""Kinds that the gateway sits out itself; limits are for the client to wait for."""

ORGANISATION = "arn:aws:codewhisperer:eu-central-1:111122223333:profile/MNOPQRSTUVWX"
ODD = 'event: invalidStateEvent {"reason": "INVALID_TASK_ASSIST_PLAN", "message": "Odd."}'


def told(expected: JsonObject) -> Told:
    """What a recorded error says of itself."""
    client, kind = expected["client"], expected["kind"]
    asked = 3 if kind in TRANSIENT else 2 if kind == "wrong_endpoint" else 1  # at the older host
    types = client["anthropic_type"], client.get("openai_code")
    return Told(client["http"], "", asked, *types)


class TestFaults(ProviderRenewals):
    faults = Faults(
        refused={name: told(expected) for name, expected in FAULTS.items()}
        | {
            "exception: ServiceQuotaExceededException MONTHLY_REQUEST_COUNT No more.": Told(429),
            "exception: ValidationException INVALID_MODEL_ID No such model.": Told(404),
            "exception: ThrottlingException Slow down.": Told(429),
            "exception: InternalServerException Oh no.": Told(502, "", 3),
            'cut-tool: lookup {"topic": "all of': Told(502, "smaller pieces", 3),
        },
        overflows=(
            *(name for name, expected in FAULTS.items() if expected["kind"] == "context_overflow"),
            "exception: ValidationException CONTENT_LENGTH_EXCEEDS_THRESHOLD Input is too long.",
        ),
        limits={"http: throttled retry=600": Wait(600, 600)},
        passing=tuple(name for name, expected in FAULTS.items() if expected["kind"] in TRANSIENT),
        breaks=(
            "exception: InternalServerException Oh no.",
            "error: InternalFailure internal failure",
            "damage: message",
            "damage: prelude",
            "damage: half",
            'cut-tool: lookup {"topic": "all of',
            ODD,
            "stop: MALFORMED_TOOL_USE",
            "drop:",
            "reset:",
        ),
        early_breaks=(
            "empty:",
            "damage: message",
            "damage: half",
            "drop:",
            "reset:",
            'cut-tool: lookup {"topic":',
            "exception: InternalServerException Oh no.",
        ),
        wordless={"nothing:": (502, 3), "empty:": (502, 3), "play: stream-only-metadata": (502, 3)},
        cut_call='text: Now.\ncut-tool: lookup {"topic": "all of',
        unspoken=("<", "arn:aws", CANARY),
    )


def test_the_output_limit_keeps_what_was_said(served: KiroServed) -> None:
    served.play("text: Only half\nexception: ContentLengthExceededException Too long.")
    response = served.ask(ANTHROPIC, stream=False).json()
    assert (response["stop_reason"], response["content"][0]["text"]) == ("max_tokens", "Only half")


# Logins


def test_either_way_to_refuse_a_token_is_understood(served: KiroServed) -> None:
    for name in ("token-invalid", "token-expired-401"):
        for dialect in DIALECTS:
            with about(name, dialect):
                served.play(f"http: {name} times=1\ntext: Here at last.")
                before = served.refreshes
                assert_answered(served.ask(dialect), dialect)
                assert served.refreshes == before + 1


def test_a_refresh_token_that_stays_is_kept(
    served: KiroServed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.simulator.state, "rotates", False)
    for _ in range(2):
        served.end_tokens()
        assert served.ask(CHAT).status_code == 200


def test_the_older_host_answers_when_the_current_one_does_not_know_the_question(
    served: KiroServed,
) -> None:
    for dialect in DIALECTS:
        with about(dialect):
            served.play("text: Here at last.")
            served.simulator.state.gone = {"runtime"}
            assert_answered(served.ask(dialect), dialect)
            asked = [(request.host, request.status) for request in served.simulator.requests]
            assert asked == [("runtime", 404), ("q", 200)]


def test_what_a_request_is_refused_with_holds_no_secret(
    served: KiroServed, caplog: pytest.LogCaptureFixture
) -> None:
    """Every secret of the simulator has one word in it."""
    caplog.set_level("DEBUG")
    served.play("http: improper")
    answers = served.ask(CHAT).text
    served.end_tokens()
    answers += served.ask(CHAT).text
    answers += served.http.get("/v1/status").text
    assert len(served.requests) == 3
    assert "improper" in answers.lower()
    assert CANARY not in answers
    assert caplog.records and CANARY not in caplog.text


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[KiroServed]:
    """A pair for tests that leave it unusable."""
    with KiroServed.running(tmp_path) as served, served.fresh():
        yield served


LOCKED = {"suspended-2025": 403, "suspended-2026": 403, "suspicious-activity": 429}


@pytest.mark.parametrize("name", LOCKED)
def test_an_account_that_is_locked_or_warned_is_left_alone(alone: KiroServed, name: str) -> None:
    """Once is asked and not once more: trying again makes it worse."""
    alone.play(f"http: {name}")
    for dialect in DIALECTS:
        response = alone.ask(dialect)
        assert response.status_code == LOCKED[name]
        message = dialect.error(response.content)["message"]
        assert "000000000000" not in message and "d-0000000000" not in message
        if LOCKED[name] == 429:
            assert 0 < int(response.headers["retry-after"]) <= 300
        else:
            assert "support_form" in message
    assert len(alone.requests) == 1


def test_a_lock_inside_of_a_stream_is_one_too(alone: KiroServed) -> None:
    alone.play("play: exception-access-denied-suspended")
    assert [alone.ask(dialect).status_code for dialect in DIALECTS] == [403] * 3
    assert len(alone.requests) == 1


def test_a_login_service_that_is_down_does_not_end_the_login(alone: KiroServed) -> None:
    state, tokens = alone.simulator.state, alone.simulator.tokens
    alone.end_tokens()
    for state.refuse_refresh in (429, 503):
        with about(state.refuse_refresh):
            response = alone.ask(CHAT)
            assert response.status_code >= 429
            assert "gateway login" not in CHAT.error(response.content)["message"]
            assert state.owner_of_refresh(tokens.refresh) is alone.simulator.account


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
    with (
        KiroSimulator(account=Account("someone", kind, profile=profile)) as simulator,
        kiro_gateway(simulator, tmp_path) as gateway,
        gateway.http() as http,
    ):
        served = KiroServed(simulator, gateway, http)
        served.play("text: Here at last.")
        assert_answered(served.ask(CHAT), CHAT)
        simulator.state.gone = {"runtime", "management"}
        assert_answered(served.ask(CHAT), CHAT)
        if kind != "api-key":
            simulator.state.gone = set()
            served.end_tokens()
            assert_answered(served.ask(CHAT), CHAT)
            assert served.refreshes == 1
        assert {request.region for request in simulator.requests} == {region}
        assert simulator.violations == []
