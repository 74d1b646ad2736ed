"""Logging in: in a browser anywhere while Cursor is asked whether it is done, or with an API key.

No port is opened, and no code is typed: the address has the challenge of PKCE, and whoever holds
its verifier is given the tokens. So the same way serves over SSH and in containers.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlencode
from uuid import uuid4

from pydantic import SecretStr

from gateway_core import (
    Credential,
    GatewayError,
    LoginPrompt,
    LoginRequired,
    Unsupported,
    UpstreamProtocol,
)
from gateway_core.credentials.device import Pending, poll
from gateway_core.credentials.oauth import OAuthAnswer, TokenResponse, pkce_pair, token_response
from gateway_core.defaults import retry_after_in
from gateway_core.errors import error_for_status
from gateway_core.http_errors import translate_http_errors
from gateway_core.json import loads_object
from gateway_core.lookups import text_at
from gateway_core.redaction import register_secret
from gateway_cursor.identity import credential_kind
from gateway_cursor.refresh import exchange_key
from gateway_cursor.settings import CursorSettings
from gateway_cursor.tokens import new_credential
from gateway_cursor.unary import ask

if TYPE_CHECKING:
    import httpx

__all__ = ["FIRST_PAUSE", "cannot_revoke", "login"]

Sleep = Callable[[float], Awaitable[object]]

FIRST_PAUSE: float = 1.0
"""Seconds before the first question whether the login is done; later ones are asked more rarely."""

_log = logging.getLogger(__name__)
_GROWTH: Final = 1.2
_LONGEST_PAUSE: Final = 10.0
_MINUTES: Final = 24  # about 150 tries at this pace
_FAILURES: Final = 3
_SECONDS: Final = 20.0
_POLICY: Final = "sign_in_policy_violation"
_MENU: Final = """How do you log in to Cursor?

  1  in a browser, on any device
  2  with an API key of your dashboard
"""


async def login(
    prompt: LoginPrompt,
    http: "httpx.AsyncClient",
    settings: CursorSettings,
    method: str,
    *,
    sleep: Sleep = asyncio.sleep,
) -> Credential:
    """Lead a person through a login.

    method: `browser` and `auto` open a browser here as well as showing the address, `paste` only
    shows it, `device` asks first whether an API key is to be used, unless the setting `login` says
    so. sleep: waits between two questions. Raises `LoginRequired` when the person or the service
    declines.
    """
    way = settings.login
    if way is None and method == "device":
        way = await _choose(prompt)
    if way == "api-key":
        credential = await _with_key(prompt, http, settings)
    else:
        tokens = await _in_browser(
            prompt, http, settings, sleep, here=method in ("browser", "auto")
        )
        credential = new_credential(tokens)
    credential = await _identified(credential, http, settings)
    if credential.label:
        prompt.show(f"This is the login of {credential.label}.")
    return credential


def cannot_revoke(credential: Credential, settings: CursorSettings) -> GatewayError:
    """The error that tells people what forgetting a login leaves undone."""
    if credential_kind(credential) == "key":
        return Unsupported(
            f"the API key stays valid until you delete it at {settings.website}/dashboard"
        )
    return Unsupported(
        "Cursor knows no logout from here; the session can be ended at "
        f"{settings.website}/dashboard"
    )


async def _identified(
    credential: Credential, http: "httpx.AsyncClient", settings: CursorSettings
) -> Credential:
    """The credential of a new login with what people call its account. A login is not lost because
    that was not answered.
    """
    if credential.label:
        return credential
    try:
        told = await ask("aiserver.v1.AuthService/GetUserMeta", credential, http, settings)
    except GatewayError as error:
        _log.info("the owner of the new Cursor login is not known: %s", error.message)
        return credential
    return credential.model_copy(update={"label": text_at(told, "email")})


async def _choose(prompt: LoginPrompt) -> Literal["browser", "api-key"]:
    prompt.show(_MENU)
    while True:
        answer = (await prompt.ask("1 or 2: ")).strip().lower()
        if answer in ("1", "browser"):
            return "browser"
        if answer in ("2", "api-key"):
            return "api-key"
        prompt.show("That is neither.")


async def _with_key(
    prompt: LoginPrompt, http: "httpx.AsyncClient", settings: CursorSettings
) -> Credential:
    prompt.show(f"You find your keys at {settings.website}/dashboard.")
    key = SecretStr((await prompt.ask("API key (crsr_...): ", secret=True)).strip())
    if not key.get_secret_value().startswith("crsr_"):
        raise LoginRequired("that is no API key of Cursor: they begin with crsr_")
    register_secret(key.get_secret_value())
    return new_credential(await exchange_key(key, http, settings), "key", key=key)


async def _in_browser(
    prompt: LoginPrompt,
    http: "httpx.AsyncClient",
    settings: CursorSettings,
    sleep: Sleep,
    *,
    here: bool,
) -> TokenResponse:
    pkce = pkce_pair()
    register_secret(pkce.verifier.get_secret_value())  # the service wants it in an address
    attempt = str(uuid4())
    query = {
        "challenge": pkce.challenge,
        "uuid": attempt,
        "mode": "login",
        "redirectTarget": "cli",
    }
    url = f"{settings.website}/loginDeepControl?{urlencode(query)}"
    if here and prompt.open_browser(url):
        prompt.show(f"Your browser was opened. If it shows nothing, open this URL:\n\n{url}\n")
    else:
        prompt.show(f"Open this URL in a browser, on any device:\n\n{url}\n")
    prompt.show("Whoever is logged in to Cursor there is logged in here. Waiting ...")

    async def asked() -> TokenResponse | Pending:
        with translate_http_errors("Cursor"), _unlogged():
            answer = await http.get(
                f"{settings.base_url}/auth/poll",
                params={"uuid": attempt, "verifier": pkce.verifier.get_secret_value()},
                headers={"accept": "application/json", "user-agent": settings.agent},
                timeout=_SECONDS,
                follow_redirects=False,
            )
        return _judge(answer)

    return await poll(
        asked,
        interval=FIRST_PAUSE,
        timeout=_MINUTES * 60.0,
        growth=_GROWTH,
        longest=_LONGEST_PAUSE,
        patience=_FAILURES,
        sleep=sleep,
    )


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep the HTTP library from logging addresses: this one has the verifier in it."""

    def silent(record: logging.LogRecord) -> bool:
        return False

    library = logging.getLogger("httpx")
    library.addFilter(silent)
    try:
        yield
    finally:
        library.removeFilter(silent)


def _judge(answer: "httpx.Response") -> TokenResponse | Pending:
    """What an answer to the question means; 404 is no error but the usual answer."""
    status = answer.status_code
    if status == 404:
        return Pending()
    if status == 429:
        return Pending(wait=retry_after_in(dict(answer.headers)) or 0.0)
    if status == 200:
        try:
            body = loads_object(answer.content if answer.content.strip() else b"{}")
        except ValueError as error:
            message = "Cursor answered the login with something other than JSON"
            raise UpstreamProtocol(message) from error
        tokens = token_response(OAuthAnswer(status, body))
        return Pending() if tokens.access_token is None else tokens
    if status >= 500:
        raise error_for_status(status, f"Cursor answered the login with status {status}")
    if _POLICY in answer.text:
        raise LoginRequired(
            "your organisation does not allow this way of logging in to Cursor; ask who "
            "administers it, or log in with an API key (`gateway login cursor --device`)",
            code=_POLICY,
        )
    raise LoginRequired(f"Cursor refused the login (status {status}); start again")
