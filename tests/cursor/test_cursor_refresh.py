"""Renewing logins: sessions and API keys, and how each of them ends."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from gateway_core import Credential, GatewayError, LoginRequired, UpstreamProtocol
from gateway_cursor.identity import login_mark
from gateway_cursor.importer import import_login
from gateway_cursor.refresh import refresh
from gateway_cursor.settings import CursorSettings
from support.cursor_samples import CLAIMS, CursorService, jwt

TOKEN = "/oauth/token"
EXCHANGE = "/auth/exchange_user_api_key"
SESSION = Credential(
    provider="cursor",
    account=CLAIMS["sub"],
    label="dev@example.com",
    access_token=SecretStr(jwt("fake-access")),
    refresh_token=SecretStr(jwt("fake-refresh")),
    expires_at=datetime(2026, 10, 1, tzinfo=UTC),
    extra={"kind": "session"},
)
KEY = SESSION.model_copy(
    update={"refresh_token": SecretStr("crsr_fixture"), "extra": {"kind": "key"}}
)


def tokens_of(credential: Credential) -> tuple[str, str]:
    """The access token and the refresh token."""
    assert credential.refresh_token is not None
    return (
        credential.access_token.get_secret_value(),
        credential.refresh_token.get_secret_value(),
    )


# Sessions


async def test_a_session_is_renewed_and_keeps_its_refresh_token(
    service: CursorService, http: httpx.AsyncClient, settings: CursorSettings
) -> None:
    service.say(TOKEN, "refresh-ok")
    fresh = await refresh(SESSION, http, settings)
    assert tokens_of(fresh) == (jwt("fake-access-2"), jwt("fake-refresh"))
    assert fresh.expires_at == datetime.fromtimestamp(CLAIMS["exp"], UTC)
    assert (fresh.account, fresh.label, fresh.extra) == (
        SESSION.account,
        SESSION.label,
        SESSION.extra,
    )


async def test_a_new_refresh_token_takes_the_place_of_the_old_one(
    service: CursorService, http: httpx.AsyncClient, settings: CursorSettings
) -> None:
    granted = {"access_token": jwt("fake-access-2"), "refresh_token": jwt("fake-refresh-2")}
    service.say(TOKEN, httpx.Response(200, json=granted))
    assert tokens_of(await refresh(SESSION, http, settings))[1] == jwt("fake-refresh-2")


async def test_a_new_refresh_token_makes_no_other_login_of_it(
    service: CursorService, http: httpx.AsyncClient, settings: CursorSettings
) -> None:
    """Runs that wait belong to a login, and a renewal comes in the middle of work."""
    renewed = SESSION
    for number in (2, 3):
        granted = {"access_token": jwt(f"access-{number}"), "refresh_token": jwt(f"fake-{number}")}
        service.say(TOKEN, httpx.Response(200, json=granted))
        renewed = await refresh(renewed, http, settings)
        assert login_mark(renewed) == login_mark(SESSION)
    assert tokens_of(renewed) == (jwt("access-3"), jwt("fake-3"))
    anew = SESSION.model_copy(update={"refresh_token": renewed.refresh_token})
    assert login_mark(anew) != login_mark(SESSION)


@pytest.mark.parametrize(
    "answer",
    [
        "refresh-dead",
        "refresh-unauthorized",
        httpx.Response(403),
        httpx.Response(200, json={"access_token": ""}),
        httpx.Response(200, json={"access_token": "", "should_logout": True}),
        httpx.Response(200, json={"access_token": jwt("x"), "shouldLogout": True}),
        httpx.Response(400, json={"error": "invalid_grant"}),
    ],
)
async def test_a_session_that_is_over_needs_a_login_and_is_asked_about_once(
    service: CursorService,
    http: httpx.AsyncClient,
    settings: CursorSettings,
    answer: str | httpx.Response,
) -> None:
    service.say(TOKEN, answer)
    with pytest.raises(LoginRequired, match="gateway login cursor") as raised:
        await refresh(SESSION, http, settings)
    assert service.paths() == [TOKEN]
    assert "fake-refresh" not in str(raised.value)


@pytest.mark.parametrize("status", [404, 405])
async def test_only_where_the_endpoint_is_gone_the_other_way_is_tried(
    service: CursorService, http: httpx.AsyncClient, settings: CursorSettings, status: int
) -> None:
    granted = {"accessToken": jwt("fake-access-2"), "refreshToken": jwt("fake-refresh-2")}
    service.say(TOKEN, httpx.Response(status))
    service.say(EXCHANGE, httpx.Response(200, json=granted))
    assert tokens_of(await refresh(SESSION, http, settings)) == (
        jwt("fake-access-2"),
        jwt("fake-refresh-2"),
    )
    assert service.asked[1].headers["authorization"] == f"Bearer {jwt('fake-refresh')}"


@pytest.mark.parametrize(
    "answer", ["exchange-rejects-jwt", httpx.Response(200, json={"accessToken": ""})]
)
async def test_the_other_way_may_refuse_sessions(
    service: CursorService,
    http: httpx.AsyncClient,
    settings: CursorSettings,
    answer: str | httpx.Response,
) -> None:
    service.say(TOKEN, httpx.Response(404))
    service.say(EXCHANGE, answer)
    with pytest.raises(LoginRequired):
        await refresh(SESSION, http, settings)
    assert service.paths() == [TOKEN, EXCHANGE]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.Response(429, headers={"retry-after": "3"}),
        httpx.Response(404),
        httpx.Response(401, headers={"content-type": "text/html"}, content=b"<html>A proxy"),
        httpx.Response(200, content=b"<html>Sign in to the hotel's Wi-Fi"),
        httpx.ConnectError("no route"),
    ],
)
async def test_trouble_on_the_way_ends_no_login(
    service: CursorService,
    http: httpx.AsyncClient,
    settings: CursorSettings,
    answer: httpx.Response | Exception,
) -> None:
    service.say(TOKEN, answer)
    service.say(EXCHANGE, answer)
    with pytest.raises(GatewayError) as raised:
        await refresh(SESSION, http, settings)
    assert not isinstance(raised.value, LoginRequired)


async def test_an_answer_without_a_token_is_nonsense(
    service: CursorService, http: httpx.AsyncClient, settings: CursorSettings
) -> None:
    service.say(TOKEN, httpx.Response(200, json={"shouldLogout": False}))
    with pytest.raises(UpstreamProtocol):
        await refresh(SESSION, http, settings)


async def test_the_token_of_somebody_else_is_not_taken(
    service: CursorService, http: httpx.AsyncClient, settings: CursorSettings
) -> None:
    granted = {"access_token": jwt("fake-access-2", sub="auth0|user_other")}
    service.say(TOKEN, httpx.Response(200, json=granted))
    with pytest.raises(LoginRequired, match="another account"):
        await refresh(SESSION, http, settings)


async def test_a_session_without_a_refresh_token_cannot_be_renewed(
    http: httpx.AsyncClient, settings: CursorSettings
) -> None:
    with pytest.raises(LoginRequired, match="cannot be renewed"):
        await refresh(SESSION.model_copy(update={"refresh_token": None}), http, settings)


# API keys


async def test_a_key_is_exchanged_again_and_stays_the_key(
    service: CursorService, http: httpx.AsyncClient, settings: CursorSettings
) -> None:
    service.say(EXCHANGE, "exchange-api-key")
    fresh = await refresh(KEY, http, settings)
    assert tokens_of(fresh) == (jwt("fake-access"), "crsr_fixture")
    assert service.paths() == [EXCHANGE]


async def test_a_key_that_was_deleted_needs_a_new_one(
    service: CursorService, http: httpx.AsyncClient, settings: CursorSettings
) -> None:
    service.say(EXCHANGE, httpx.Response(401, json={"code": "unauthenticated"}))
    with pytest.raises(LoginRequired, match="API key") as raised:
        await refresh(KEY, http, settings)
    assert "crsr_fixture" not in str(raised.value)


# Logins of other programs


def cli_file(folder: Path, mark: str, **claims: object) -> Path:
    """The command line's file with these tokens."""
    path = folder / "auth.json"
    tokens = {"accessToken": jwt(mark, **claims), "refreshToken": jwt("fake-refresh")}
    path.write_text(json.dumps({**tokens, "apiKey": None}))
    return path


async def test_what_the_owner_renewed_is_taken_over(
    tmp_path: Path, http: httpx.AsyncClient, settings: CursorSettings
) -> None:
    ours = import_login(cli_file(tmp_path, "fake-access", exp=4_000_000_000))
    cli_file(tmp_path, "fake-access-2", exp=4_000_003_600)
    assert tokens_of(await refresh(ours, http, settings))[0].endswith("fake-access-2")


async def test_a_login_that_its_owner_did_not_renew_is_renewed_and_not_given_back(
    tmp_path: Path, service: CursorService, http: httpx.AsyncClient, settings: CursorSettings
) -> None:
    path = cli_file(tmp_path, "fake-access")
    ours, before = import_login(path), path.read_bytes()
    service.say(TOKEN, "refresh-ok")
    fresh = await refresh(ours, http, settings)
    assert tokens_of(fresh)[0] == jwt("fake-access-2")
    assert path.read_bytes() == before
    assert fresh.extra == ours.extra


@pytest.mark.parametrize(
    "claims", [{"sub": "auth0|user_other", "exp": 4_000_003_600}, {"exp": 1_000}]
)
async def test_another_login_or_an_older_one_is_not_taken_over(
    tmp_path: Path,
    service: CursorService,
    http: httpx.AsyncClient,
    settings: CursorSettings,
    claims: dict[str, object],
) -> None:
    ours = import_login(cli_file(tmp_path, "fake-access", exp=4_000_000_000))
    cli_file(tmp_path, "fake-access-3", **claims)
    service.say(TOKEN, "refresh-ok")
    assert tokens_of(await refresh(ours, http, settings))[0] == jwt("fake-access-2")


async def test_a_store_that_is_gone_does_no_harm(
    tmp_path: Path, service: CursorService, http: httpx.AsyncClient, settings: CursorSettings
) -> None:
    path = cli_file(tmp_path, "fake-access")
    ours = import_login(path)
    path.unlink()
    service.say(TOKEN, "refresh-ok")
    assert tokens_of(await refresh(ours, http, settings))[0] == jwt("fake-access-2")


async def test_an_imported_key_is_exchanged_before_anything_is_asked(
    tmp_path: Path, service: CursorService, http: httpx.AsyncClient, settings: CursorSettings
) -> None:
    path = tmp_path / "auth.json"
    path.write_text(json.dumps({"accessToken": None, "apiKey": "crsr_fixture"}))
    ours = import_login(path)
    assert ours.expires_at is not None
    assert ours.expires_at < datetime.now(UTC)
    service.say(EXCHANGE, "exchange-api-key")
    assert tokens_of(await refresh(ours, http, settings)) == (jwt("fake-access"), "crsr_fixture")


async def test_what_the_ide_renewed_is_taken_over(
    tmp_path: Path, http: httpx.AsyncClient, settings: CursorSettings
) -> None:
    path = tmp_path / "state.vscdb"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE ItemTable (key TEXT UNIQUE, value BLOB)")
        row = ("cursorAuth/accessToken", jwt("fake-access", exp=4_000_000_000))
        database.execute("INSERT INTO ItemTable VALUES (?, ?)", row)
    ours = import_login(path)
    with closing(sqlite3.connect(path)) as database, database:
        later = jwt("fake-access-2", exp=4_000_003_600)
        database.execute("UPDATE ItemTable SET value = ?", (later,))
    fresh = await refresh(ours, http, settings)
    assert fresh.access_token.get_secret_value().endswith("fake-access-2")
