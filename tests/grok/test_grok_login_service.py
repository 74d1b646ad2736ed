"""The simulated login service is strict enough to be believed."""

from collections import deque
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from gateway_core.credentials.oauth import PKCEPair, authorize_url, jwt_claims, pkce_pair
from gateway_core.json import JsonObject
from simulators.grok.auth import LoginScript
from simulators.grok.server import GrokSimulator
from simulators.grok.state import CLIENT_ID, FULL_SCOPE, OLD_SCOPE, Account

REDIRECT = "http://127.0.0.1:56121/callback"
STATE = "s" * 16
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture(scope="module")
def simulator() -> Iterator[GrokSimulator]:
    with GrokSimulator() as simulator:
        yield simulator


@pytest.fixture
def http(simulator: GrokSimulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=simulator.url) as http:
        yield http


@pytest.fixture
def script(simulator: GrokSimulator) -> Iterator[LoginScript]:
    """What goes wrong in one test."""
    script = simulator.login
    yield script
    script.deny, script.account = None, None
    script.shows_code = script.old_scopes = script.device_off = False
    script.device_answers = deque()
    script.interval, script.lost_answers = 0.01, 0
    script.violations.clear()


def authorize_page(pkce: PKCEPair, **changes: str) -> str:
    fields = {"client_id": CLIENT_ID, "redirect_uri": REDIRECT, "scope": FULL_SCOPE, **changes}
    extra = {"nonce": "n" * 16, "referrer": "gateway"}
    return authorize_url(
        "/oauth2/authorize",
        **fields,
        state=STATE,
        challenge=pkce.challenge,
        extra=extra,
    )


def exchanged(http: httpx.Client, **changes: str) -> tuple[httpx.Response, dict[str, str]]:
    """A code at the token endpoint with its form, some fields of it changed."""
    pkce = pkce_pair()
    page = http.get(authorize_page(pkce))
    query = parse_qs(urlsplit(page.headers["location"]).query)
    assert query["state"] == [STATE]
    form = {
        "grant_type": "authorization_code",
        "client_id": CLIENT_ID,
        "code": query["code"][0],
        "redirect_uri": REDIRECT,
        "code_verifier": pkce.verifier.get_secret_value(),
        **changes,
    }
    return http.post("/oauth2/token", data=form), form


def refreshed(http: httpx.Client, token: str) -> httpx.Response:
    form = {"grant_type": "refresh_token", "client_id": CLIENT_ID, "refresh_token": token}
    return http.post("/oauth2/token", data=form)


def test_discovery_names_the_endpoints(http: httpx.Client, simulator: GrokSimulator) -> None:
    document = http.get("/.well-known/openid-configuration").json()
    assert document["token_endpoint"] == f"{simulator.url}/oauth2/token"
    assert document["code_challenge_methods_supported"] == ["S256"]


def test_a_code_brings_tokens_with_the_usual_claims(
    http: httpx.Client, simulator: GrokSimulator
) -> None:
    body = exchanged(http)[0].json()
    access, id_token = jwt_claims(body["access_token"]), jwt_claims(body["id_token"])
    account = simulator.account
    assert (access["sub"], access["principal_type"], access["tier"]) == (account.id, "User", 1)
    assert (id_token["email"], id_token["nonce"]) == (account.email, "n" * 16)
    assert 21_000 < access["exp"] - access["iat"] <= body["expires_in"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("code_verifier", "another"),
        ("redirect_uri", "http://127.0.0.1:56122/callback"),
        ("code", "ac_unknown"),
        ("client_id", "another"),
        ("grant_type", "password"),
        ("client_secret", "there is none"),
    ],
)
def test_an_exchange_must_match_its_authorization(
    field: str, value: str, http: httpx.Client, script: LoginScript
) -> None:
    assert exchanged(http, **{field: value})[0].status_code in (400, 401)
    assert len(script.violations) == 1


def test_a_code_works_once(http: httpx.Client, script: LoginScript) -> None:
    answer, form = exchanged(http)
    again = http.post("/oauth2/token", data=form)
    assert (answer.status_code, again.status_code) == (200, 400)


def test_tokens_are_asked_for_with_a_form(http: httpx.Client, script: LoginScript) -> None:
    form = exchanged(http)[1]
    assert http.post("/oauth2/token", json=form).status_code == 400


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("client_id", "another"),
        ("redirect_uri", "http://localhost:56121/callback"),
        ("redirect_uri", "http://127.0.0.1:56121/auth/callback"),
    ],
)
def test_the_authorize_page_wants_what_the_real_one_wants(
    field: str, value: str, http: httpx.Client, script: LoginScript
) -> None:
    page = http.get(authorize_page(pkce_pair(), **{field: value}))
    assert page.status_code == 400
    assert len(script.violations) == 1


def test_new_permissions_may_be_unknown(http: httpx.Client, script: LoginScript) -> None:
    script.old_scopes = True
    pages = [
        http.get(authorize_page(pkce_pair(), scope=scope)) for scope in (FULL_SCOPE, OLD_SCOPE)
    ]
    queries = [parse_qs(urlsplit(page.headers["location"]).query) for page in pages]
    assert queries[0]["error"] == ["invalid_scope"]
    assert "code" in queries[1]


def test_the_page_may_show_the_code_instead(http: httpx.Client, script: LoginScript) -> None:
    script.shows_code = True
    page = http.get(authorize_page(pkce_pair()))
    assert (page.status_code, "<code>ac_" in page.text) == (200, True)


def device_login(http: httpx.Client) -> JsonObject:
    form = {"client_id": CLIENT_ID, "scope": FULL_SCOPE, "referrer": "gateway"}
    answer: JsonObject = http.post("/oauth2/device/code", data=form).json()
    return answer


def polled(http: httpx.Client, code: str) -> httpx.Response:
    form = {"grant_type": DEVICE_GRANT, "device_code": code, "client_id": CLIENT_ID}
    return http.post("/oauth2/token", data=form)


def test_a_device_login(http: httpx.Client, script: LoginScript) -> None:
    script.interval = 0.0
    script.device_answers.extend(["authorization_pending", "slow_down"])
    started = device_login(http)
    answers = [polled(http, started["device_code"]).json() for _ in range(3)]
    assert started["user_code"] == "WXKD-7M2P"
    assert [answer.get("error") for answer in answers] == [
        "authorization_pending",
        "slow_down",
        None,
    ]
    assert script.violations == []


def test_polling_too_fast_is_noticed(http: httpx.Client, script: LoginScript) -> None:
    script.interval = 60.0
    answer = polled(http, device_login(http)["device_code"])
    assert answer.json()["error"] == "slow_down"
    assert len(script.violations) == 1


def test_device_logins_may_be_off(
    http: httpx.Client, script: LoginScript, simulator: GrokSimulator
) -> None:
    script.device_off = True
    form = {"client_id": CLIENT_ID, "scope": FULL_SCOPE}
    assert http.post("/oauth2/device/code", data=form).status_code == 404
    assert http.get(f"{simulator.proxy_url}/login-config").json() == {"device_flow": False}


def test_a_spent_refresh_token_ends_the_login(http: httpx.Client, simulator: GrokSimulator) -> None:
    spent = simulator.state.log_in(simulator.account.id).refresh
    newest = refreshed(http, spent).json()["refresh_token"]
    answers = [refreshed(http, token) for token in (spent, newest)]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert {answer.json()["error"] for answer in answers} == {"invalid_grant"}


def test_a_spent_refresh_token_may_be_forgiven_for_a_while(
    http: httpx.Client, simulator: GrokSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = simulator.state.now()
    monkeypatch.setattr(simulator.state, "grace", 60.0)
    monkeypatch.setattr(simulator.state, "now", lambda: now)
    spent = simulator.state.log_in(simulator.account.id).refresh
    first, second = refreshed(http, spent).json(), refreshed(http, spent).json()
    assert first["refresh_token"] != second["refresh_token"]

    monkeypatch.setattr(simulator.state, "now", lambda: now + 61)
    assert refreshed(http, spent).status_code == 400
    assert refreshed(http, second["refresh_token"]).status_code == 400


def test_an_answer_may_be_lost_after_it_took_effect(
    http: httpx.Client, simulator: GrokSimulator, script: LoginScript
) -> None:
    script.lost_answers = 1
    spent = simulator.state.log_in(simulator.account.id).refresh
    with pytest.raises(httpx.RemoteProtocolError):
        refreshed(http, spent)
    assert refreshed(http, spent).json()["error"] == "invalid_grant"


def test_the_token_of_a_team_names_the_team(simulator: GrokSimulator) -> None:
    simulator.state.add_account(Account("member", team="team-1"))
    claims = jwt_claims(simulator.state.log_in("member").access)
    assert (claims["principal_type"], claims["principal_id"]) == ("Team", "team-1")
    assert claims["sub"] == "member"
