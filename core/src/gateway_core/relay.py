"""Calls to one provider: its hooks as typed methods, with their failures in our terms.

Nobody else calls the hooks of a provider. Which providers there are is the business of
`gateway_core.plugins`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy
from pydantic import BaseModel

from gateway_core.errors import GatewayError, Internal, Unsupported
from gateway_core.hookspecs import GatewaySpec
from gateway_core.json import JsonObject
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

    from gateway_core.credentials.store import Credential
    from gateway_core.http import Transport

__all__ = ["Relay"]

T = TypeVar("T")
log = logging.getLogger(__name__)

_DECODER_METHODS = ("feed", "end", "data_to_send")


class Relay:
    """Typed calls to the hooks of one provider; other providers do not see them.

    A `GatewayError` that a plugin raises goes through. Anything else it raises, and a result of the
    wrong type, is its bug: logged and turned into `Internal` that names the provider and the hook,
    so that a turn fails and the server does not.
    """

    def __init__(
        self,
        manager: pluggy.PluginManager,
        info: ProviderInfo,
        settings: BaseModel,
        others: Sequence[object],
    ) -> None:
        self.info = info
        self.settings = settings
        self._callers = {
            name: manager.subset_hook_caller(name, others)
            for name in vars(GatewaySpec)
            if name.startswith("gateway_")
        }

    async def login(
        self, prompt: LoginPrompt, http: "httpx.AsyncClient", method: str = "auto"
    ) -> "Credential":
        """Lead a person through a login."""
        credential: Credential = await self._await(
            "gateway_login", prompt=prompt, http=http, settings=self.settings, method=method
        )
        return credential

    async def import_login(self, source: Path | None = None) -> "Credential":
        """The login that another program keeps. Raises `Unsupported` when the provider knows of
        none.
        """
        credential: Credential | None = await asyncio.to_thread(
            self._call, "gateway_import", source=source, settings=self.settings
        )
        if credential is None:
            raise Unsupported(
                f"provider {self.info.id!r} imports no logins; run `gateway login {self.info.id}`"
            )
        return credential

    async def refresh(self, credential: "Credential", http: "httpx.AsyncClient") -> "Credential":
        """A fresh credential for a stale one."""
        fresh: Credential = await self._await(
            "gateway_refresh", credential=credential, http=http, settings=self.settings
        )
        return fresh

    async def logout(self, credential: "Credential", http: "httpx.AsyncClient") -> bool:
        """Revoke at the provider; False when it offers no way."""
        arguments = {"credential": credential, "http": http, "settings": self.settings}
        awaitable = self._call("gateway_logout", **arguments)
        if awaitable is None:
            return False
        await self.guard("gateway_logout", awaitable)
        return True

    async def account(self, credential: "Credential", http: "httpx.AsyncClient") -> Account | None:
        """What the provider tells about the account; None when it tells nothing."""
        arguments = {"credential": credential, "http": http, "settings": self.settings}
        awaitable = self._call("gateway_account", **arguments)
        return None if awaitable is None else await self.guard("gateway_account", awaitable)

    async def models(
        self, credential: "Credential | None", transport: "Transport"
    ) -> Sequence[Model]:
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

    def claim(self, name: str) -> Claim | None:
        """The model that a name outside all lists means here, or None."""
        hook = "gateway_claim"
        claim: Claim | None = self._call(hook, name=name, settings=self.settings)
        if claim is None:
            return None
        self._expect(hook, claim, isinstance(claim, Claim))
        self._expect(hook, claim.options, isinstance(claim.options, Mapping))
        return claim

    def translate(
        self, request: Request, route: Route, credential: "Credential | None"
    ) -> UpstreamCall:
        """The upstream call for a request."""
        hook = "gateway_translate"
        call: UpstreamCall = self._call(
            hook, request=request, route=route, credential=credential, settings=self.settings
        )
        self._expect(hook, call, isinstance(call, UpstreamCall))
        return call

    def open(
        self, call: UpstreamCall, transport: "Transport"
    ) -> AbstractAsyncContextManager[UpstreamStream]:
        """The upstream stream, to be entered."""
        hook = "gateway_open"
        stream: AbstractAsyncContextManager[UpstreamStream] = self._call(
            hook, call=call, transport=transport
        )
        self._expect(hook, stream, isinstance(stream, AbstractAsyncContextManager))
        return stream

    def decoder(
        self, call: UpstreamCall, route: Route, headers: Mapping[str, str]
    ) -> StreamDecoder:
        """A fresh decoder."""
        hook = "gateway_decoder"
        decoder: StreamDecoder = self._call(hook, call=call, route=route, headers=headers)
        self._expect(hook, decoder, all(hasattr(decoder, name) for name in _DECODER_METHODS))
        return decoder

    def error(
        self, status: int, headers: Mapping[str, str], body: bytes, call: UpstreamCall
    ) -> GatewayError:
        """What a non-2xx answer means."""
        hook = "gateway_error"
        error: GatewayError = self._call(hook, status=status, headers=headers, body=body, call=call)
        self._expect(hook, error, isinstance(error, GatewayError))
        return error

    def count_tokens(self, request: Request, route: Route) -> int:
        """Input tokens of a request; slow, so called in a worker thread."""
        hook = "gateway_count_tokens"
        count: int = self._call(hook, request=request, route=route, settings=self.settings)
        self._expect(hook, count, type(count) is int)
        return count

    async def stored_response(
        self,
        action: StoredAction,
        response_id: str,
        credential: "Credential",
        http: "httpx.AsyncClient",
    ) -> JsonObject:
        """Act on a response the upstream stores. Raises `Unsupported` when it stores none."""
        answer: JsonObject = await self._await(
            "gateway_stored_response",
            action=action,
            response_id=response_id,
            credential=credential,
            http=http,
            settings=self.settings,
        )
        return answer

    def _implementations(self, hook: str) -> list[pluggy.HookImpl]:
        return self._callers[hook].get_hookimpls()

    def _expect(self, hook: str, value: object, fits: bool) -> None:
        if not fits:
            raise self.bug(hook, TypeError(f"returned {type(value).__name__}"))

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
        """Log what is wrong with a hook and return the error that the client is given."""
        log.error("plugin of provider %s failed in %s", self.info.id, hook, exc_info=error)
        return Internal(
            f"the plugin of provider {self.info.id!r} failed in {hook} ({type(error).__name__}); "
            f"the log has the details"
        )


def _wrong_models(models: object) -> TypeError | ValueError | None:
    """What is wrong with a model list, if anything: routing reads ids and aliases at each turn."""
    if not isinstance(models, Sequence):
        return TypeError(f"returned {type(models).__name__}, not a list of Model")
    seen: set[str] = set()
    for model in models:
        if not isinstance(model, Model):
            return TypeError(f"returned a list with {type(model).__name__} in it, not Model")
        if not isinstance(model.id, str) or not model.id:
            return TypeError(f"returned a model with the id {model.id!r}")
        if not isinstance(model.aliases, tuple | list):
            return TypeError(f"returned {model.id!r} with aliases that are no tuple")
        if model.id in seen:
            return ValueError(f"returned {model.id!r} twice")
        seen.add(model.id)
    return None
