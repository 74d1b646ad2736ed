"""Refreshing ChatGPT logins: single-use tokens, dead ones and hiccups, and logins shared with
Codex CLI.
"""

import asyncio
import errno
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from dirty_equals import IsDatetime, IsStr
from pydantic import SecretStr

from gateway_codex.login import logout, refresh
from gateway_codex.settings import CodexSettings
from gateway_core import Credential, GatewayError, JsonObject, LoginRequired
from gateway_core.credentials.manager import CredentialManager
from gateway_core.credentials.store import MemoryStore
from simulators.codex.auth import LoginScript
from simulators.codex.state import BackendState, Tokens
from support.codex_logins import (
    ACCOUNT_ID,
    OwnerFile,
    credential_of,
    owner_document,
    unsigned_jwt,
)
from support.identity_provider import Fault

TOKEN_PATH = "/oauth/token"


@pytest.fixture
def tokens(backend: BackendState) -> Tokens:
    """A login whose access token is about to end."""
    return backend.log_in(ACCOUNT_ID, lifetime=60)


@pytest.fixture
def owner(tokens: Tokens, tmp_path: Path) -> OwnerFile:
    """Codex CLI's file with the same login."""
    file = OwnerFile(tmp_path / "auth.json")
    file.write(owner_document(tokens))
    return file


def access(credential: Credential) -> str:
    return credential.access_token.get_secret_value()


async def test_a_refresh_replaces_every_token(
    tokens: Tokens, http: httpx.AsyncClient, settings: CodexSettings
) -> None:
    stale = credential_of(tokens)
    fresh = await refresh(stale, http, settings)

    assert access(fresh) != tokens.access
    assert fresh.refresh_token not in (None, stale.refresh_token)
    assert fresh.secrets["id_token"] != stale.secrets["id_token"]
    assert fresh.label == "ann"
    in_ten_days = datetime.now(UTC) + timedelta(days=10)
    assert fresh.expires_at == IsDatetime(approx=in_ten_days, delta=60)


async def test_what_the_answer_leaves_out_stays(
    tokens: Tokens, http: httpx.AsyncClient, settings: CodexSettings, script: LoginScript
) -> None:
    script.silent_refresh = frozenset({"refresh_token", "id_token"})
    stale = credential_of(tokens)
    fresh = await refresh(stale, http, settings)

    assert access(fresh) != tokens.access
    assert (fresh.refresh_token, fresh.secrets) == (stale.refresh_token, stale.secrets)


async def test_a_token_without_an_end_is_renewed_after_eight_days(
    tokens: Tokens, http: httpx.AsyncClient, settings: CodexSettings, script: LoginScript
) -> None:
    script.faults[TOKEN_PATH].append(Fault(200, b'{"access_token": "opaque"}'))
    fresh = await refresh(credential_of(tokens), http, settings)
    in_eight_days = datetime.now(UTC) + timedelta(days=8)
    assert fresh.expires_at == IsDatetime(approx=in_eight_days, delta=60)


async def test_a_token_that_was_used_before_needs_a_new_login(
    tokens: Tokens, http: httpx.AsyncClient, settings: CodexSettings
) -> None:
    await refresh(credential_of(tokens), http, settings)
    with pytest.raises(LoginRequired) as caught:
        await refresh(credential_of(tokens), http, settings)
    assert caught.value.code == "refresh_token_reused"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b'{"error":{"code":"refresh_token_expired"}}'),
        (401, b'{"error":{"code":"refresh_token_invalidated"}}'),
        (400, b'{"error":{"code":"App_Session_Expired"}}'),
        (400, b'{"error":"invalid_refresh_token"}'),
        (400, b'{"code":"refresh_token_expired","message":"gone"}'),
        (401, b'{"error":{"code":"a_new_word"}}'),
        (401, b""),
    ],
)
async def test_a_dead_token_needs_a_new_login(
    status: int,
    body: bytes,
    tokens: Tokens,
    http: httpx.AsyncClient,
    settings: CodexSettings,
    script: LoginScript,
) -> None:
    script.faults[TOKEN_PATH].append(Fault(status, body))
    with pytest.raises(LoginRequired):
        await refresh(credential_of(tokens), http, settings)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"error":{"code":"a_new_word"}}', "application/json"),
        (429, b'{"error":{"code":"slow"}}', "application/json"),
        (500, b"", "application/json"),
        (503, b"{}", "application/json"),
        (403, b"<html>Just a moment...</html>", "text/html"),
        (401, b"<html>Access denied</html>", "text/html"),
    ],
)
async def test_a_hiccup_leaves_the_login_alone(
    status: int,
    body: bytes,
    kind: str,
    tokens: Tokens,
    http: httpx.AsyncClient,
    settings: CodexSettings,
    script: LoginScript,
) -> None:
    script.faults[TOKEN_PATH].append(Fault(status, body, kind))
    with pytest.raises(GatewayError) as caught:
        await refresh(credential_of(tokens), http, settings)
    assert not isinstance(caught.value, LoginRequired)
    assert (await refresh(credential_of(tokens), http, settings)).account == ACCOUNT_ID


async def test_a_login_without_a_refresh_token_cannot_be_renewed(
    tokens: Tokens, http: httpx.AsyncClient, settings: CodexSettings, script: LoginScript
) -> None:
    credential = credential_of(tokens).model_copy(update={"refresh_token": None})
    with pytest.raises(LoginRequired, match="gateway login codex"):
        await refresh(credential, http, settings)
    assert script.requests == []


async def test_the_managers_single_flight_spends_a_token_once(
    tokens: Tokens,
    backend: BackendState,
    http: httpx.AsyncClient,
    settings: CodexSettings,
    tmp_path: Path,
) -> None:
    async def renew(credential: Credential) -> Credential:
        return await refresh(credential, http, settings)

    store = MemoryStore(credential_of(tokens))
    async with CredentialManager(store, renew, tmp_path / "locks") as manager:
        given = await asyncio.gather(*(manager.fresh("codex") for _ in range(5)))

    assert backend.refreshes == 1
    assert len({access(credential) for credential in given}) == 1


async def test_codex_cli_is_given_what_we_obtain(
    owner: OwnerFile, tokens: Tokens, http: httpx.AsyncClient, settings: CodexSettings
) -> None:
    fresh = await refresh(credential_of(tokens, shared=owner), http, settings)

    assert fresh.refresh_token is not None
    assert owner.read() == {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "tokens": {
            "id_token": fresh.secrets["id_token"].get_secret_value(),
            "access_token": access(fresh),
            "refresh_token": fresh.refresh_token.get_secret_value(),
            "account_id": ACCOUNT_ID,
            "later_token": "kept",
        },
        "last_refresh": IsStr(regex=rf"{datetime.now(UTC).year}-\d\d-\d\dT.*\d+Z"),
        "agent": {"name": "kept"},
    }
    assert owner.mode == 0o600


async def test_tokens_that_codex_cli_renewed_are_adopted_without_a_request(
    owner: OwnerFile,
    tokens: Tokens,
    backend: BackendState,
    script: LoginScript,
    http: httpx.AsyncClient,
    settings: CodexSettings,
) -> None:
    renewed = backend.refresh(tokens.refresh)
    owner.write(owner_document(renewed))
    fresh = await refresh(credential_of(tokens, shared=owner), http, settings)

    assert access(fresh) == renewed.access
    assert (fresh.label, fresh.extra) == ("ann", {"imported_from": str(owner.path)})
    assert script.requests == []


async def test_tokens_that_codex_cli_renewed_long_ago_are_renewed_in_turn(
    owner: OwnerFile,
    tokens: Tokens,
    backend: BackendState,
    http: httpx.AsyncClient,
    settings: CodexSettings,
) -> None:
    another = backend.log_in(ACCOUNT_ID, lifetime=120)
    owner.write(owner_document(another))
    fresh = await refresh(credential_of(tokens, shared=owner), http, settings)

    assert access(fresh) not in (tokens.access, another.access)
    assert owner.access_token == access(fresh)


async def test_older_tokens_in_the_file_are_not_taken_for_newer_ones(
    owner: OwnerFile,
    tokens: Tokens,
    backend: BackendState,
    http: httpx.AsyncClient,
    settings: CodexSettings,
) -> None:
    ours = credential_of(backend.refresh(tokens.refresh), shared=owner)
    ours = ours.model_copy(update={"expires_at": datetime.now(UTC) + timedelta(minutes=4)})
    fresh = await refresh(ours, http, settings)

    assert backend.refreshes == 2
    assert owner.access_token == access(fresh)


async def test_the_login_of_another_account_is_left_alone(
    owner: OwnerFile, tokens: Tokens, http: httpx.AsyncClient, settings: CodexSettings
) -> None:
    claims: JsonObject = {"https://api.openai.com/auth": {"chatgpt_account_id": "other"}}
    document = owner_document(tokens)
    document["tokens"] |= {"access_token": unsigned_jwt(claims), "account_id": "other"}
    owner.write(document)
    fresh = await refresh(credential_of(tokens, shared=owner), http, settings)

    assert fresh.account == ACCOUNT_ID
    assert owner.read() == document


async def test_a_file_that_is_gone_is_not_made_again(
    owner: OwnerFile, tokens: Tokens, http: httpx.AsyncClient, settings: CodexSettings
) -> None:
    owner.remove()
    fresh = await refresh(credential_of(tokens, shared=owner), http, settings)
    assert access(fresh) != tokens.access
    assert owner.read() is None


async def test_a_token_that_codex_cli_spent_at_the_same_time_is_followed(
    owner: OwnerFile,
    tokens: Tokens,
    backend: BackendState,
    settings: CodexSettings,
) -> None:
    renewed = backend.log_in(ACCOUNT_ID)

    def answer(request: httpx.Request) -> httpx.Response:
        owner.write(owner_document(renewed))
        return httpx.Response(401, json={"error": {"code": "refresh_token_reused"}})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        fresh = await refresh(credential_of(tokens, shared=owner), http, settings)
    assert access(fresh) == renewed.access


async def test_a_spent_token_is_replaced_by_that_of_the_file_even_when_it_is_old(
    owner: OwnerFile,
    tokens: Tokens,
    backend: BackendState,
    http: httpx.AsyncClient,
    settings: CodexSettings,
) -> None:
    backend.refresh(tokens.refresh)
    owner.write(owner_document(backend.log_in(ACCOUNT_ID, lifetime=30)))
    fresh = await refresh(credential_of(tokens, shared=owner), http, settings)
    assert owner.access_token == access(fresh)


async def test_a_shared_login_that_is_dead_for_both_needs_a_new_one(
    owner: OwnerFile,
    tokens: Tokens,
    backend: BackendState,
    http: httpx.AsyncClient,
    settings: CodexSettings,
) -> None:
    backend.refuse_refresh = "refresh_token_invalidated"
    before = owner.read()
    with pytest.raises(LoginRequired):
        await refresh(credential_of(tokens, shared=owner), http, settings)
    assert owner.read() == before


async def test_a_file_that_cannot_be_written_does_not_cost_us_the_login(
    owner: OwnerFile,
    tokens: Tokens,
    http: httpx.AsyncClient,
    settings: CodexSettings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("gateway_codex.importer.write_private", full)
    fresh = await refresh(credential_of(tokens, shared=owner), http, settings)
    assert access(fresh) != tokens.access
    assert "No space left on device" in caplog.text
    assert "Codex CLI will have to log in again" in caplog.text
    assert tokens.refresh not in caplog.text


async def test_logout_leaves_a_shared_login_to_codex_cli(
    owner: OwnerFile,
    tokens: Tokens,
    backend: BackendState,
    http: httpx.AsyncClient,
    settings: CodexSettings,
) -> None:
    await logout(credential_of(tokens, shared=owner), http, settings)
    assert backend.revoked == []


async def test_logout_revokes_a_shared_login_when_asked_to(
    owner: OwnerFile,
    tokens: Tokens,
    backend: BackendState,
    http: httpx.AsyncClient,
    settings: CodexSettings,
) -> None:
    asked = settings.model_copy(update={"revoke_imported": True})
    await logout(credential_of(tokens, shared=owner), http, asked)
    assert backend.revoked == [tokens.refresh]


async def test_no_token_shows_when_a_refresh_fails(
    tokens: Tokens,
    http: httpx.AsyncClient,
    settings: CodexSettings,
    script: LoginScript,
    caplog: pytest.LogCaptureFixture,
) -> None:
    quoting = b'{"error":{"code":"odd","message":"token refresh-canary is odd"}}'
    script.faults[TOKEN_PATH].append(Fault(400, quoting))
    canary = credential_of(tokens).model_copy(update={"refresh_token": SecretStr("refresh-canary")})
    with pytest.raises(GatewayError) as caught:
        await refresh(canary, http, settings)
    assert "canary" not in f"{caught.value!r} {caught.value} {vars(caught.value)}" + caplog.text
