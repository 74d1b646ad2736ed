"""The Codex provider: the hooks and nothing else.

Each is one call into the module that knows: `login` and `importer` for credentials, `account` for
plan and limits, `models`, `request`, `stream` and `errors` for the exchange itself.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gateway_codex import importer, login
from gateway_codex.account import account, rate_windows_from_headers
from gateway_codex.errors import read_error
from gateway_codex.identity import is_same_account
from gateway_codex.models import CAPABILITIES, STATIC_MODELS, parse_name, read_models
from gateway_codex.request import CallState, account_headers, translate
from gateway_codex.settings import CodexSettings
from gateway_codex.stream import CodexDecoder
from gateway_core import (
    CONTRACT,
    Account,
    Claim,
    Credential,
    GatewayError,
    LoginPrompt,
    LoginRequired,
    Model,
    ProviderInfo,
    RateWindow,
    Request,
    Route,
    UpstreamCall,
    UpstreamProtocol,
    hookimpl,
)
from gateway_core.json import loads

if TYPE_CHECKING:
    import httpx

__all__ = ["CodexProvider"]


class CodexProvider:
    """ChatGPT subscriptions. Keeps nothing but the latest rate-limit windows of each account."""

    def __init__(self) -> None:
        self._windows: dict[str, list[RateWindow]] = {}

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        """Codex, with a login in the browser."""
        return ProviderInfo(
            id="codex",
            title="ChatGPT (Codex)",
            contract=CONTRACT,
            login="browser",
            settings=CodexSettings,
            capabilities=CAPABILITIES,
            hosts=("chatgpt.com", "auth.openai.com"),
        )

    @hookimpl
    async def gateway_login(
        self, prompt: LoginPrompt, http: "httpx.AsyncClient", settings: CodexSettings, method: str
    ) -> Credential:
        """In the browser, by a pasted redirect, or with a device code."""
        return await login.login(prompt, http, settings, method)

    @hookimpl
    def gateway_import(self, source: Path | None, settings: CodexSettings) -> Credential:
        """From the official client's `auth.json`."""
        return importer.import_login(source, settings)

    @hookimpl
    async def gateway_refresh(
        self, credential: Credential, http: "httpx.AsyncClient", settings: CodexSettings
    ) -> Credential:
        """A fresh access token; the refresh token is used up by it and comes new too."""
        return await login.refresh(credential, http, settings)

    @hookimpl
    async def gateway_logout(
        self, credential: Credential, http: "httpx.AsyncClient", settings: CodexSettings
    ) -> None:
        """Revoke the tokens."""
        await login.logout(credential, http, settings)

    @hookimpl
    def gateway_same_account(self, credential: Credential, other: Credential) -> bool:
        """By workspace and person; earlier versions kept the workspace alone."""
        return is_same_account(credential, other)

    @hookimpl
    async def gateway_account(
        self, credential: Credential, http: "httpx.AsyncClient", settings: CodexSettings
    ) -> Account:
        """Plan, credits and rate-limit windows; the windows of the latest answer when the usage
        endpoint does not tell.
        """
        seen = self.windows(credential.account)
        return await account(credential, http, settings, seen=seen)

    @hookimpl
    async def gateway_models(
        self, credential: Credential | None, http: "httpx.AsyncClient", settings: CodexSettings
    ) -> Sequence[Model]:
        """What the account's catalogue lists; the static list without a login."""
        if credential is None:
            return STATIC_MODELS
        answer = await http.get(
            f"{settings.base_url}/models",
            params={"client_version": settings.client_version},
            headers=account_headers(credential, settings) | {"accept": "application/json"},
        )
        if answer.status_code != 200:
            headers = {name.lower(): value for name, value in answer.headers.items()}
            raise read_error(answer.status_code, headers, answer.content, time.time())
        try:
            return read_models(loads(answer.content))
        except ValueError as error:
            raise UpstreamProtocol("the model list of the backend is no JSON") from error

    @hookimpl
    def gateway_claim(self, name: str, settings: CodexSettings) -> Claim | None:
        """Names with suffixes, unlisted models, and the Claude families."""
        return parse_name(name, settings.models)

    @hookimpl
    def gateway_translate(
        self,
        request: Request,
        route: Route,
        credential: Credential | None,
        settings: CodexSettings,
    ) -> UpstreamCall:
        """One streamed Responses request."""
        if credential is None:
            raise LoginRequired("no ChatGPT account: run `gateway login codex`")
        return translate(request, route, credential, settings)

    @hookimpl
    def gateway_decoder(self, call: UpstreamCall, headers: Mapping[str, str]) -> CodexDecoder:
        """A fresh decoder; the answer's headers tell the rate-limit windows in passing."""
        state: CallState = call.state
        self._remember(state.account, rate_windows_from_headers(headers))
        return CodexDecoder(
            state.scope,
            dict(state.restore),
            clock=time.time,
            on_windows=lambda windows: self._remember(state.account, windows),
        )

    @hookimpl
    def gateway_error(
        self, status: int, headers: Mapping[str, str], body: bytes, call: UpstreamCall
    ) -> GatewayError:
        """By code, then status, then words."""
        windows = rate_windows_from_headers(headers)
        self._remember(call.state.account, windows)
        return read_error(status, headers, body, time.time(), windows)

    def windows(self, account: str) -> Sequence[RateWindow]:
        """The rate-limit windows that the latest answer to an account told of; none at first."""
        return self._windows.get(account, ())

    def _remember(self, account: str, windows: list[RateWindow]) -> None:
        if windows:
            self._windows[account] = windows
