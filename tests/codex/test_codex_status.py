"""`GET /v1/status` of a gateway that serves a ChatGPT account."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway_core.json import JsonObject
from simulators.codex.installed import codex_gateway
from simulators.codex.server import CodexSimulator
from simulators.codex.state import Window
from support.identity_provider import Fault
from support.server import Gateway


@pytest.fixture
def simulator() -> Iterator[CodexSimulator]:
    with CodexSimulator() as simulator:
        yield simulator


@pytest.fixture
def gateway(simulator: CodexSimulator, tmp_path: Path) -> Iterator[Gateway]:
    with codex_gateway(simulator, tmp_path) as gateway:
        yield gateway


@pytest.fixture
def http(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.http() as client:
        yield client


def codex_status(http: httpx.Client) -> JsonObject:
    (codex,) = http.get("/v1/status").json()["providers"]
    assert isinstance(codex, dict)
    return codex


def test_limits_come_from_the_usage_endpoint(simulator: CodexSimulator, http: httpx.Client) -> None:
    simulator.account.primary = Window(300, 61.0)
    limits = {
        limit["name"]: limit["remaining_percent"] for limit in codex_status(http)["rate_limits"]
    }
    assert limits == {"5h": 39.0, "weekly": 96.0}


def test_limits_seen_with_an_answer_are_told_when_the_usage_endpoint_fails(
    simulator: CodexSimulator, http: httpx.Client
) -> None:
    answer = http.post("/v1/responses", json={"model": "gpt-5.5", "input": "Hello"})
    assert answer.status_code == 200, answer.text
    simulator.login.faults["/backend-api/wham/usage"].append(Fault(500))
    codex = codex_status(http)

    assert [limit["name"] for limit in codex["rate_limits"]] == ["5h", "weekly"]
    assert codex["warnings"] == [
        "the limits are not known for sure: ChatGPT answered with status 500"
    ]


def test_an_access_token_that_was_ended_early_is_renewed(
    simulator: CodexSimulator, http: httpx.Client
) -> None:
    simulator.state.end_access_tokens("token_invalidated")
    codex = codex_status(http)
    assert codex["account"]["plan"] == "plus"
    assert "problem" not in codex
    assert simulator.state.refreshes == 1


def test_a_refresh_on_demand_rotates_the_tokens(
    simulator: CodexSimulator, http: httpx.Client
) -> None:
    (login,) = http.post("/v1/auth/refresh", params={"provider": "codex"}).json()["logins"]
    assert login["refreshed"] is True
    assert simulator.state.refreshes == 1
