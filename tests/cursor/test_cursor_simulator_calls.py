"""The simulated Cursor around its runs: logins, renewals, the calls with one answer, and TLS."""

import base64
import ssl
import uuid
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from gateway_cursor.proto import agent_pb2 as pb
from simulators.cursor.server import CursorSimulator
from simulators.cursor.state import CANARY
from support.certificates import Authority
from support.cursor_peer import Peer, Refused, run_request


@pytest.fixture(scope="module")
def running() -> Iterator[CursorSimulator]:
    with CursorSimulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(running: CursorSimulator) -> CursorSimulator:
    """The simulator, without what earlier tests asked."""
    running.forget()
    return running


@pytest.fixture
def http(simulator: CursorSimulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=simulator.url, timeout=5) as http:
        yield http


# Around the runs


def test_runs_want_http_2_and_a_token(simulator: CursorSimulator, http: httpx.Client) -> None:
    assert http.post("/agent.v1.AgentService/Run").status_code == 464
    with Peer(simulator.url, "nobody's") as peer, pytest.raises(Refused) as refused:
        next(peer.messages())
    assert refused.value.status == 401
    assert b"ERROR_NOT_LOGGED_IN" in refused.value.body


def test_a_login(simulator: CursorSimulator, http: httpx.Client) -> None:
    verifier = base64.urlsafe_b64encode(b"v" * 32).decode().rstrip("=")
    challenge = base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
    attempt = str(uuid.uuid4())
    polling = {"uuid": attempt, "verifier": verifier}
    assert http.get("/auth/poll", params=polling).status_code == 404
    page = {"challenge": challenge, "uuid": attempt, "mode": "login", "redirectTarget": "cli"}
    assert http.get(f"/loginDeepControl?{urlencode(page)}").status_code == 200
    tokens = http.get("/auth/poll", params=polling).json()
    assert simulator.state.account_of(tokens["accessToken"]) is simulator.account
    assert CANARY in tokens["refreshToken"]
    assert http.get("/auth/poll", params=polling).status_code == 404
    assert simulator.violations == []


def test_refreshing(simulator: CursorSimulator, http: httpx.Client) -> None:
    tokens = simulator.state.log_in(simulator.account.id)
    body = {
        "grant_type": "refresh_token",
        "client_id": "KbZUR41cY7W6zRSdpSUJ7I7mLYBKOCmB",
        "refresh_token": tokens.refresh,
    }
    fresh = http.post("/oauth/token", json=body).json()
    assert simulator.state.account_of(fresh["access_token"]) is simulator.account
    assert "refresh_token" not in fresh
    body["refresh_token"] = "of another session"
    dead = http.post("/oauth/token", json=body)
    assert (dead.status_code, dead.json()["shouldLogout"]) == (200, True)
    headers = {"authorization": f"Bearer {simulator.state.api_key(simulator.account.id)}"}
    exchanged = http.post("/auth/exchange_user_api_key", headers=headers, json={}).json()
    assert simulator.state.account_of(exchanged["accessToken"]) is simulator.account
    assert simulator.violations == []


CALLS = {
    "agent.v1.AgentService/GetUsableModels": "models",
    "aiserver.v1.AuthService/GetUserMeta": "email",
    "aiserver.v1.DashboardService/GetCurrentPeriodUsage": "planUsage",
    "aiserver.v1.DashboardService/GetPlanInfo": "planInfo",
    "aiserver.v1.ServerConfigService/GetServerConfig": "agentUrlConfig",
}


@pytest.mark.parametrize("path", CALLS)
def test_calls_with_one_answer(simulator: CursorSimulator, http: httpx.Client, path: str) -> None:
    headers = {"connect-protocol-version": "1"}
    refused = http.post(f"/{path}", json={}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    headers["authorization"] = f"Bearer {simulator.tokens.access}"
    assert CALLS[path] in http.post(f"/{path}", json={}, headers=headers).json()
    headers["content-type"] = "application/connect+proto"
    assert http.post(f"/{path}", content=b"", headers=headers).status_code == 415


def test_the_flat_list_as_a_message(simulator: CursorSimulator, http: httpx.Client) -> None:
    headers = {
        "authorization": f"Bearer {simulator.tokens.access}",
        "content-type": "application/proto",
    }
    told = http.post("/agent.v1.AgentService/GetUsableModels", headers=headers)
    ids = [model.model_id for model in pb.GetUsableModelsResponse.FromString(told.content).models]
    assert {"default", "claude-opus-5-thinking-high", "gpt-5.5-low-fast"} <= set(ids)


def test_everything_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    trusting = ssl.create_default_context(cafile=authority.trust)
    trusting.set_alpn_protocols(["h2"])
    with CursorSimulator(tls=authority.server(["h2", "http/1.1"])) as simulator:
        simulator.play("text: Hidden.")
        with Peer(simulator.url, simulator.tokens.access, tls=trusting) as peer:
            peer.begin(run_request("Hello"))
            assert peer.rest() == "Hidden."
