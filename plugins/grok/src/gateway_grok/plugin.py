"""The Grok provider: the hooks and nothing else.

Each is one call into the module that knows: `discovery` and `login` for credentials, `account` for
plan and limits, `models`, `request`, `rails`, `stream` and `errors` for the exchange itself, and
`resources` for responses that xAI keeps.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from gateway_core import (
    CONTRACT,
    Account,
    Claim,
    Credential,
    GatewayError,
    JsonObject,
    LoginPrompt,
    LoginRequired,
    Model,
    ProviderInfo,
    Request,
    Route,
    UpstreamCall,
    UpstreamProtocol,
    UpstreamStream,
    hookimpl,
)
from gateway_core.http_errors import translate_http_errors
from gateway_core.json import loads
from gateway_core.provider import StoredAction
from gateway_grok import importer, login
from gateway_grok.account import account
from gateway_grok.discovery import Discovery
from gateway_grok.errors import is_other_rail, read_error
from gateway_grok.models import CAPABILITIES, STATIC_MODELS, parse_name, read_models
from gateway_grok.rails import RailMemory, account_headers, opened
from gateway_grok.refusals import read_refusal
from gateway_grok.request import translate
from gateway_grok.resources import act_on_stored
from gateway_grok.settings import GrokSettings, Rail
from gateway_grok.stream import GrokDecoder

if TYPE_CHECKING:
    import httpx

    from gateway_core.http import Transport

__all__ = ["GrokProvider"]

_MODEL_PATHS: dict[Rail, str] = {"proxy": "/models", "api": "/language-models"}


class GrokProvider:
    """xAI's Grok. Keeps nothing but which host serves which account, and the login endpoints."""

    def __init__(self) -> None:
        self._rails = RailMemory()
        self.discovery = Discovery()

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        """Grok, with a login in the browser."""
        return ProviderInfo(
            id="grok",
            title="xAI Grok",
            contract=CONTRACT,
            login="browser",
            settings=GrokSettings,
            capabilities=CAPABILITIES,
            hosts=("api.x.ai", "cli-chat-proxy.grok.com", "auth.x.ai"),
        )

    @hookimpl
    async def gateway_login(
        self, prompt: LoginPrompt, http: "httpx.AsyncClient", settings: GrokSettings, method: str
    ) -> Credential:
        """In the browser, by a pasted redirect or code, or with a device code."""
        return await login.login(prompt, http, settings, self.discovery, method)

    @hookimpl
    def gateway_import(self, source: Path | None) -> Credential:
        """From the official client's `auth.json`, which is then read again and never changed."""
        return importer.import_login(source)

    @hookimpl
    async def gateway_refresh(
        self, credential: Credential, http: "httpx.AsyncClient", settings: GrokSettings
    ) -> Credential:
        """A fresh access token; the refresh token is used up by it and comes new too. Of a login
        that the official client owns, what that has by now.
        """
        if importer.owner_file(credential) is not None:
            return await importer.read_again(credential)
        return await login.refresh(credential, http, settings, self.discovery)

    @hookimpl
    async def gateway_account(
        self, credential: Credential, http: "httpx.AsyncClient", settings: GrokSettings
    ) -> Account:
        """Plan, credits and how much of them is left."""
        return await account(credential, http, settings)

    @hookimpl
    async def gateway_models(
        self, credential: Credential | None, http: "httpx.AsyncClient", settings: GrokSettings
    ) -> Sequence[Model]:
        """What the account is offered, by the proxy unless the settings or the account want the
        public API; the static list without a login.
        """
        if credential is None:
            return STATIC_MODELS
        rail: Rail = self._rails.rail(credential.account) or "proxy"
        if settings.rail != "auto":
            rail = settings.rail
        answer = await _ask_models(http, credential, settings, rail)
        if settings.rail == "auto" and _refuses(answer, rail):
            rail = "api" if rail == "proxy" else "proxy"
            answer = await _ask_models(http, credential, settings, rail)
        if answer.status_code != 200:
            raise read_error(answer.status_code, _headers(answer), answer.content, rail)
        try:
            return read_models(loads(answer.content))
        except ValueError as error:
            raise UpstreamProtocol("the model list of xAI is no JSON") from error

    @hookimpl
    def gateway_claim(self, name: str, settings: GrokSettings) -> Claim | None:
        """Names with suffixes, unlisted models, and the Claude families."""
        return parse_name(name, settings.models)

    @hookimpl
    def gateway_translate(
        self,
        request: Request,
        route: Route,
        credential: Credential | None,
        settings: GrokSettings,
    ) -> UpstreamCall:
        """One streamed Responses request, or one for a compaction or a picture."""
        if credential is None:
            raise LoginRequired("no xAI account: run `gateway login grok`")
        return translate(request, route, credential, settings)

    @hookimpl
    def gateway_open(
        self, call: UpstreamCall, transport: "Transport"
    ) -> AbstractAsyncContextManager[UpstreamStream]:
        """The answer, from the host that gives one."""
        return opened(call, transport, self._rails)

    @hookimpl
    def gateway_decoder(self, call: UpstreamCall, headers: Mapping[str, str]) -> GrokDecoder:
        """A fresh decoder."""
        return GrokDecoder(call.state, headers)

    @hookimpl
    def gateway_error(
        self, status: int, headers: Mapping[str, str], body: bytes, call: UpstreamCall
    ) -> GatewayError:
        """By slug, then status, then words, then what was asked; with both refusals when both hosts
        refused.
        """
        return read_refusal(status, headers, body, call.state)

    @hookimpl
    async def gateway_stored_response(
        self,
        action: StoredAction,
        response_id: str,
        credential: Credential,
        http: "httpx.AsyncClient",
        settings: GrokSettings,
    ) -> JsonObject:
        """Fetch or delete a response that xAI keeps."""
        return await act_on_stored(action, response_id, credential, http, settings)


async def _ask_models(
    http: "httpx.AsyncClient", credential: Credential, settings: GrokSettings, rail: Rail
) -> "httpx.Response":
    headers = account_headers(credential, settings, rail) | {"accept": "application/json"}
    with translate_http_errors("xAI"):
        return await http.get(
            settings.base_url(rail) + _MODEL_PATHS[rail], headers=headers, follow_redirects=False
        )


def _refuses(answer: "httpx.Response", rail: Rail) -> bool:
    return is_other_rail(answer.status_code, _headers(answer), answer.content, rail)


def _headers(answer: "httpx.Response") -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}
