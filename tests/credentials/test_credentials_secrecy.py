"""No secret shows: not in a repr, not in a log line, not in an exception or what it hangs on to.

Every secret here holds the word `canary`; every way to fail is walked and searched for it.
"""

import logging
from collections.abc import Awaitable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from gateway_core.credentials.browser import browser_login, parse_pasted
from gateway_core.credentials.callback import Callback, LoopbackCallback
from gateway_core.credentials.device import DeviceCode, device_login
from gateway_core.credentials.file_store import FileStore
from gateway_core.credentials.keyring_store import KeyringStore
from gateway_core.credentials.manager import CredentialManager
from gateway_core.credentials.oauth import (
    TokenResponse,
    exchange_code,
    pkce_pair,
    refresh_token,
)
from gateway_core.credentials.store import (
    Credential,
    CredentialStore,
    MemoryStore,
    load_credential,
)
from gateway_core.errors import GatewayError, LoginRequired, UpstreamFailed
from support.login_prompt import ScriptedPrompt

WORD = "canary"
ACCESS, REFRESH, OTHER, CODE = (f"{WORD}-{name}" for name in ("access", "refresh", "other", "code"))


@pytest.fixture
def credential() -> Credential:
    return Credential(
        provider="codex",
        account="ann",
        access_token=SecretStr(ACCESS),
        refresh_token=SecretStr(REFRESH),
        expires_at=datetime(2020, 1, 1, tzinfo=UTC),
        secrets={"client": SecretStr(OTHER)},
    )


def everything_about(error: BaseException) -> str:
    """The texts of an exception and of all that hang on it, shown or not."""
    texts: list[str] = []
    pending: list[BaseException | None] = [error]
    while pending:
        one = pending.pop()
        if one is not None:
            texts += [repr(one), str(one), repr(vars(one)), *map(repr, one.args)]
            pending += [one.__cause__, one.__context__]
    return "\n".join(texts)


async def fails(work: Awaitable[object]) -> BaseException:
    try:
        await work
    except Exception as error:
        return error
    raise AssertionError("it was meant to fail")


def test_reprs(credential: Credential) -> None:
    shown = [
        credential,
        TokenResponse.model_validate(
            {"access_token": ACCESS, "id_token": OTHER, "raw": {"a": CODE}}
        ),
        DeviceCode.model_validate(
            {"device_code": CODE, "user_code": "AB", "verification_uri": "https://x"}
        ),
        Callback("/callback", {"code": CODE}),
        parse_pasted(CODE, "state"),
        MemoryStore(credential),
    ]

    assert WORD not in "".join(f"{value!r} {value}" for value in shown)
    assert pkce_pair().verifier.get_secret_value() not in repr(pkce_pair())


@pytest.mark.parametrize(
    "document",
    [
        f'{{"provider": "codex", "account": "ann", "access_token": ["{ACCESS}"]}}',
        f'{{"provider": "codex", "access_token": "{ACCESS}", "secrets": "{OTHER}"}}',
        f'{{"access_token": "{ACCESS}"',
        f'["{ACCESS}"]',
    ],
)
def test_a_damaged_credential(document: str, credential: Credential, tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.put(credential)
    (path,) = tmp_path.iterdir()
    path.write_text(document)

    with pytest.raises(ValueError, match=r".") as loading:
        load_credential(document)
    with pytest.raises(LoginRequired) as reading:
        store.get(credential.key)

    assert WORD not in everything_about(loading.value) + everything_about(reading.value)


def test_a_credential_made_with_a_wrong_type() -> None:
    with pytest.raises(ValidationError) as caught:
        Credential.model_validate({"provider": "x", "account": "y", "access_token": [ACCESS]})

    assert WORD not in str(caught.value)


def test_a_keyring_that_quotes_what_it_was_given(credential: Credential) -> None:
    from keyring.backend import KeyringBackend

    class Quoting(KeyringBackend):
        priority = 1

        def get_password(self, service: str, username: str) -> str | None:
            return None

        def set_password(self, service: str, username: str, password: str) -> None:
            raise ValueError(f"{WORD}: {password}")

    store = KeyringStore(backend=Quoting())  # type: ignore[no-untyped-call]
    with pytest.raises(GatewayError) as caught:
        store.put(credential)

    assert WORD not in everything_about(caught.value)


@pytest.fixture(
    params=[
        (400, f'{{"error": "invalid_grant", "error_description": "{REFRESH} is unknown"}}'),
        (400, f'{{"error": "{REFRESH}", "error_description": "{CODE}"}}'),
        (401, f'{{"error": {{"code": "bad", "message": "no such token {REFRESH}, {CODE}"}}}}'),
        (422, f'{{"detail": "{REFRESH} {CODE}", "code": "{CODE}"}}'),
        (500, f"<html>{REFRESH} {CODE} {ACCESS}</html>"),
        (200, f'{{"access_token": ["{ACCESS}"], "refresh_token": "{REFRESH}"}}'),
        (200, f"{ACCESS}"),
        (302, f"{REFRESH}"),
    ],
    ids=lambda param: f"{param[0]}-{len(param[1])}",
)
def blabbing_http(request: pytest.FixtureRequest) -> httpx.AsyncClient:
    """A client whose server quotes secrets in every possible place."""
    status, body = request.param
    return httpx.AsyncClient(
        transport=httpx.MockTransport(lambda asked: httpx.Response(status, text=body))
    )


async def test_token_endpoints_that_quote_what_they_were_sent(
    blabbing_http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    url = "https://auth.example.org/token"
    caplog.set_level(logging.DEBUG)
    async with blabbing_http as http:
        refreshing = await fails(refresh_token(http, url, refresh_token=SecretStr(REFRESH)))
        exchanging = await fails(
            exchange_code(
                http,
                url,
                client_id="app",
                code=CODE,
                redirect_uri="http://127.0.0.1:1/callback",
                verifier=SecretStr(REFRESH),
            )
        )

    assert REFRESH not in everything_about(refreshing)
    assert ACCESS not in everything_about(refreshing)
    assert WORD not in everything_about(exchanging)
    assert WORD not in caplog.text


async def test_device_endpoints_that_quote_what_they_were_sent() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/device":
            code = {"device_code": CODE, "user_code": "AB", "verification_uri": "https://x.org/"}
            return httpx.Response(200, json=code)
        return httpx.Response(400, json={"error": "odd", "error_description": f"{CODE}?"})

    async def at_once(seconds: float) -> None:
        return None

    prompt = ScriptedPrompt()
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        error = await fails(
            device_login(
                prompt,
                http,
                device_url="https://x.org/device",
                token_url="https://x.org/token",
                client_id="app",
                sleep=at_once,
            )
        )

    assert WORD not in everything_about(error)
    assert WORD not in "".join(prompt.shown)


async def test_a_pasted_code_is_not_repeated() -> None:
    prompt = ScriptedPrompt(f"code={CODE}&state=other", f"https://x/?kode={CODE}", "fine")
    listener = LoopbackCallback(ports=(0,), state="state")
    await browser_login(prompt, listener, lambda redirect_uri: "https://x")

    assert WORD not in "".join(prompt.shown)


@pytest.mark.parametrize(
    "failure",
    [
        LoginRequired(f"token {REFRESH} was revoked, {OTHER} too"),
        UpstreamFailed(f"could not send {REFRESH} {ACCESS}"),
        KeyError(REFRESH),
        ValueError(f"{ACCESS} is not a token"),
        httpx.ConnectError(f"Authorization: Bearer {ACCESS}"),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_plugins_that_quote_tokens_in_their_errors(
    failure: Exception,
    credential: Credential,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def refresh(credential: Credential) -> Credential:
        raise failure

    manager = CredentialManager(MemoryStore(credential), refresh, tmp_path / "locks")
    with caplog.at_level(logging.DEBUG):
        first = await fails(manager.fresh("codex"))
        again = await fails(manager.refreshed(credential))

    assert WORD not in everything_about(first) + everything_about(again)
    assert caplog.text
    assert WORD not in caplog.text


async def test_a_successful_refresh_logs_no_token(
    credential: Credential, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def refresh(credential: Credential) -> Credential:
        update = {"access_token": SecretStr(f"{WORD}-new"), "expires_at": None}
        return credential.model_copy(update=update)

    store: CredentialStore = FileStore(tmp_path / "credentials")
    store.put(credential)
    manager = CredentialManager(store, refresh, tmp_path / "locks")
    with caplog.at_level(logging.DEBUG):
        await manager.fresh("codex")

    assert "refreshed the codex login" in caplog.text
    assert WORD not in caplog.text
