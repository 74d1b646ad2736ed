"""Calls to one provider: its hooks as typed methods, with their failures in our terms.

Nobody else calls the hooks of a provider. Which providers there are is the business of
`gateway_core.plugins`.
"""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pluggy
from pydantic import BaseModel

from gateway_core.credentials.store import Credential
from gateway_core.errors import (
    ContextOverflow,
    GatewayError,
    Internal,
    LoginRequired,
    TooLarge,
    Unsupported,
)
from gateway_core.hookspecs import GatewaySpec
from gateway_core.json import JsonObject
from gateway_core.plugin_health import WrongResult
from gateway_core.provider import (
    Account,
    Claim,
    LoginPrompt,
    Model,
    ProviderInfo,
    Route,
    StoredAction,
    StreamDecoder,
    UpstreamCall,
    UpstreamStream,
)
from gateway_core.request import Request

if TYPE_CHECKING:
    import httpx

    from gateway_core.http import Transport

__all__ = ["Relay", "WithHttp"]

T = TypeVar("T")
log = logging.getLogger(__name__)

_DECODER_METHODS = ("feed", "end", "data_to_send")


class WithHttp(Protocol):
    """What has an HTTP client, made when it is first asked for."""

    @property
    def http(self) -> "httpx.AsyncClient": ...


class Relay:
    """Typed calls to the hooks of one provider; other providers do not see them.

    A `GatewayError` that a plugin raises goes through. Anything else it raises, and a result of the
    wrong type, is its bug: logged, remembered, and turned into `Internal` that names the provider
    and the hook, so that a turn fails and the server does not.

    plugin: the name of the provider's plugin. remember: told the plugin, the hook and the error of
    each such bug; must not raise, and may be called from worker threads.
    """

    def __init__(
        self,
        manager: pluggy.PluginManager,
        plugin: str,
        info: ProviderInfo,
        settings: BaseModel,
        others: Sequence[object],
        remember: Callable[[str, str, BaseException], None],
    ) -> None:
        self.info = info
        self._plugin = plugin
        self.settings = settings
        self._remember = remember
        self._callers = {
            name: manager.subset_hook_caller(name, others)
            for name in vars(GatewaySpec)
            if name.startswith("gateway_")
        }
        self._policies = any(
            _wraps(implementation) for implementation in self._implementations("gateway_translate")
        )

    async def login(
        self, prompt: LoginPrompt, http: "httpx.AsyncClient", method: str = "auto"
    ) -> Credential:
        """Lead a person through a login."""
        hook = "gateway_login"
        credential = await self._await(
            hook, prompt=prompt, http=http, settings=self.settings, method=method
        )
        return self._own_credential(hook, credential)

    async def import_login(self, source: Path | None = None) -> Credential:
        """The login that another program keeps. Raises `Unsupported` when the provider knows of
        none.
        """
        hook = "gateway_import"
        credential = await asyncio.to_thread(
            self._call, hook, source=source, settings=self.settings
        )
        if credential is None:
            raise Unsupported(
                f"provider {self.info.id!r} imports no logins; run `gateway login {self.info.id}`"
            )
        return self._own_credential(hook, credential)

    async def refresh(self, credential: Credential, http: "httpx.AsyncClient") -> Credential:
        """A fresh credential for a stale one."""
        hook = "gateway_refresh"
        fresh = await self._await(hook, credential=credential, http=http, settings=self.settings)
        return self._own_credential(hook, fresh)

    async def logout(self, credential: Credential, http: "httpx.AsyncClient") -> bool:
        """Revoke at the provider; False when it offers no way."""
        arguments = {"credential": credential, "http": http, "settings": self.settings}
        awaitable = self._call("gateway_logout", **arguments)
        if awaitable is None:
            return False
        await self.guard("gateway_logout", awaitable)
        return True

    def same_account(self, credential: Credential, other: Credential) -> bool:
        """Whether two logins are of one account, though the plugin named it differently."""
        hook = "gateway_same_account"
        same: bool | None = self._call(hook, credential=credential, other=other)
        self._expect(hook, same, same is None or type(same) is bool, "bool")
        return same is True

    async def account(self, credential: Credential, http: "httpx.AsyncClient") -> Account | None:
        """What the provider tells about the account; None when it tells nothing."""
        hook = "gateway_account"
        awaitable = self._call(hook, credential=credential, http=http, settings=self.settings)
        if awaitable is None:
            return None
        account: Account = await self.guard(hook, awaitable)
        self._expect(hook, account, isinstance(account, Account), "Account")
        return account

    async def models(self, credential: Credential | None, transport: WithHttp) -> Sequence[Model]:
        """The provider's models, each id once. The HTTP client is made only for a plugin that asks
        for it.
        """
        hook = "gateway_models"
        wanted = any("http" in hookimpl.argnames for hookimpl in self._implementations(hook))
        models: Sequence[Model] = await self._await(
            hook,
            credential=credential,
            http=transport.http if wanted else None,
            settings=self.settings,
        )
        if wrong := _wrong_models(models):
            raise self.bug(hook, wrong)
        return models

    @property
    def streams_http(self) -> bool:
        """Whether the provider leaves opening the upstream to the core."""
        return len(self._implementations("gateway_open")) == 1

    @property
    def keeps_responses(self) -> bool:
        """Whether the provider can be asked for responses that its upstream stores."""
        return bool(self._implementations("gateway_stored_response"))

    def claim(self, name: str) -> Claim | None:
        """The model that a name outside all lists means here, or None."""
        hook = "gateway_claim"
        claim: Claim | None = self._call(hook, name=name, settings=self.settings)
        if claim is None:
            return None
        self._expect(hook, claim, isinstance(claim, Claim), "Claim")
        if not isinstance(claim.options, Mapping):
            kind = type(claim.options).__name__
            raise self.bug(hook, WrongResult(f"returned a Claim whose options are a {kind}"))
        return claim

    def translate(
        self, request: Request, route: Route, credential: Credential | None
    ) -> UpstreamCall:
        """The upstream call for a request. Wrappers of the hook get a request of their own, whose
        fields they may set anew.
        """
        hook = "gateway_translate"
        if self._policies:
            request = replace(request)
        call: UpstreamCall = self._call(
            hook, request=request, route=route, credential=credential, settings=self.settings
        )
        self._expect(hook, call, isinstance(call, UpstreamCall), "UpstreamCall")
        return call

    def open(
        self, call: UpstreamCall, transport: "Transport"
    ) -> AbstractAsyncContextManager[UpstreamStream]:
        """The upstream stream, to be entered."""
        hook = "gateway_open"
        stream: AbstractAsyncContextManager[UpstreamStream] = self._call(
            hook, call=call, transport=transport
        )
        fits = isinstance(stream, AbstractAsyncContextManager)
        self._expect(hook, stream, fits, "an asynchronous context manager")
        return stream

    def decoder(
        self, call: UpstreamCall, route: Route, headers: Mapping[str, str]
    ) -> StreamDecoder:
        """A fresh decoder."""
        hook = "gateway_decoder"
        decoder: StreamDecoder = self._call(hook, call=call, route=route, headers=headers)
        fits = all(hasattr(decoder, name) for name in _DECODER_METHODS)
        self._expect(hook, decoder, fits, "StreamDecoder")
        return decoder

    def error(
        self, status: int, headers: Mapping[str, str], body: bytes, call: UpstreamCall
    ) -> GatewayError:
        """What a non-2xx answer means."""
        hook = "gateway_error"
        error: GatewayError = self._call(hook, status=status, headers=headers, body=body, call=call)
        self._expect(hook, error, isinstance(error, GatewayError), "GatewayError")
        return error

    def count_tokens(
        self, request: Request, route: Route, credential: Credential | None = None
    ) -> int:
        """Input tokens of a request as it would be sent; slow, so called in a worker thread.

        The credential, however stale, only serves to translate: nothing is sent. That is left out
        for a plugin that counts without the call. Raises as `translate` does for what cannot be
        asked.
        """
        hook = "gateway_count_tokens"
        call: UpstreamCall | None = None
        counter = next(each for each in reversed(self._implementations(hook)) if not _wraps(each))
        if "call" in counter.argnames:
            with suppress(LoginRequired, ContextOverflow, TooLarge):
                call = self.translate(request, route, credential)
        count: int = self._call(
            hook, request=request, route=route, settings=self.settings, call=call
        )
        self._expect(hook, count, type(count) is int, "int")
        return count

    async def stored_response(
        self,
        action: StoredAction,
        response_id: str,
        credential: Credential,
        http: "httpx.AsyncClient",
    ) -> JsonObject:
        """Act on a response the upstream stores. Raises `Unsupported` when it stores none."""
        hook = "gateway_stored_response"
        answer: JsonObject = await self._await(
            hook,
            action=action,
            response_id=response_id,
            credential=credential,
            http=http,
            settings=self.settings,
        )
        self._expect(hook, answer, isinstance(answer, dict), "dict")
        return answer

    def _implementations(self, hook: str) -> list[pluggy.HookImpl]:
        return self._callers[hook].get_hookimpls()

    def _expect(self, hook: str, value: object, fits: bool, wanted: str) -> None:
        if not fits:
            raise self.bug(hook, WrongResult(f"returned {type(value).__name__}, not {wanted}"))

    def _own_credential(self, hook: str, value: object) -> Credential:
        if not isinstance(value, Credential):
            raise self.bug(hook, WrongResult(f"returned {type(value).__name__}, not Credential"))
        if value.provider != self.info.id:
            raise self.bug(hook, WrongResult(f"returned a Credential of {value.provider!r}"))
        return value

    def _call(self, hook: str, **arguments: Any) -> Any:
        try:
            return self._callers[hook](**arguments)
        except GatewayError:
            raise
        except (Exception, SystemExit) as error:
            raise self.bug(hook, error) from error

    async def _await(self, hook: str, **arguments: Any) -> Any:
        awaitable = self._call(hook, **arguments)
        if awaitable is None:
            raise Unsupported(f"provider {self.info.id!r} does not implement {hook}")
        return await self.guard(hook, awaitable)

    async def guard(self, hook: str, awaitable: Awaitable[T]) -> T:
        """Await what a hook returned, with its failures in our terms."""
        from gateway_core.http_errors import translate_http_errors

        try:
            with translate_http_errors(self.info.title):
                return await awaitable
        except GatewayError:
            raise
        except (Exception, SystemExit) as error:
            raise self.bug(hook, error) from error

    def bug(self, hook: str, error: BaseException) -> Internal:
        """Log and remember what is wrong with a hook; the error that the client is given."""
        policy = self._policy_at_fault(hook, error)
        who = f"policy {policy!r}" if policy else f"plugin of provider {self.info.id!r}"
        log.error("the %s failed in %s", who, hook, exc_info=error)
        self._remember(policy or self._plugin, hook, error)
        said = str(error) if isinstance(error, WrongResult) else type(error).__name__
        return Internal(f"the {who} failed in {hook} ({said}); the log has the details")

    def _policy_at_fault(self, hook: str, error: BaseException) -> str | None:
        """The plugin whose wrapper of the hook raised the error; None when it came from within."""
        codes = {
            getattr(implementation.function, "__code__", None): implementation
            for implementation in self._implementations(hook)
        }
        for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
            if implementation := codes.get(frame.f_code):
                return implementation.plugin_name if _wraps(implementation) else None
        return None


def _wraps(implementation: pluggy.HookImpl) -> bool:
    return implementation.wrapper or implementation.hookwrapper


def _wrong_models(models: object) -> WrongResult | None:
    """What is wrong with a model list, if anything: routing reads ids and aliases at each turn."""
    if not isinstance(models, Sequence):
        return WrongResult(f"returned {type(models).__name__}, not a list of Model")
    seen: set[str] = set()
    for model in models:
        if not isinstance(model, Model):
            return WrongResult(f"returned a list with {type(model).__name__} in it, not Model")
        if not isinstance(model.id, str):
            return WrongResult(f"returned a model whose id is a {type(model.id).__name__}")
        if not model.id:
            return WrongResult("returned a model with the id ''")
        if not isinstance(model.aliases, tuple | list):
            return WrongResult(f"returned {model.id!r} with aliases that are no tuple")
        if model.id in seen:
            return WrongResult(f"returned {model.id!r} twice")
        seen.add(model.id)
    return None
