"""The models of every provider: kept in memory, remembered on disk, refreshed in the background.

A provider's list comes from its `gateway_models` hook. What was fetched last is written to the
cache folder with the time, so that a start needs no network; a refresh that fails keeps the list
there was.
"""

import asyncio
import logging
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from gateway_core.credentials.store import Credential
from gateway_core.errors import UpstreamTimeout
from gateway_core.http import Transports
from gateway_core.provider import Model
from gateway_core.relay import Relay

if TYPE_CHECKING:
    import httpx

__all__ = ["MAX_AGE_SECONDS", "REFRESH_SECONDS", "STATIC_SECONDS", "Catalogue"]

log = logging.getLogger(__name__)

MAX_AGE_SECONDS = 3600.0
REFRESH_SECONDS = 30.0
"""How long a provider may take over its live list."""
STATIC_SECONDS = 5.0
"""How long a provider may take over its list without a login, before the start goes on."""


@dataclass
class _Remembered:
    fetched_at: float
    models: list[Model]


_remembered = TypeAdapter(_Remembered)


class _NoNetwork:
    """Stands in for a transport: no start waits for the list of a provider that merely serves
    without a login, too. It is asked later, in the background.
    """

    @property
    def http(self) -> "httpx.AsyncClient":
        """A client that reaches nobody."""
        import httpx

        def refuse(request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("nobody is asked yet", request=request)

        return httpx.AsyncClient(transport=httpx.MockTransport(refuse), trust_env=False)


class Catalogue:
    """Model lists by provider id.

    `models(provider)` never waits. `load` fills the lists from disk, or from the providers' static
    lists; `refresh` asks a provider.
    """

    def __init__(self, relays: Mapping[str, Relay], transports: Transports, folder: Path) -> None:
        self._relays = relays
        self._transports = transports
        self._folder = folder
        self._models: dict[str, list[Model]] = {}
        self._fetched_at: dict[str, float] = {}

    def models(self, provider: str) -> Sequence[Model]:
        """The provider's models as last known."""
        return self._models.get(provider, ())

    def age(self, provider: str) -> float | None:
        """Seconds since the list was fetched live; None when it never was."""
        fetched_at = self._fetched_at.get(provider)
        return None if fetched_at is None else max(0.0, time.time() - fetched_at)

    def stale(self, provider: str) -> bool:
        """Whether a refresh is due."""
        age = self.age(provider)
        return age is None or age > MAX_AGE_SECONDS

    def outdate(self, provider: str) -> None:
        """A refresh is due, whatever the age of the list: a login came or went."""
        self._fetched_at.pop(provider, None)

    async def load(self) -> None:
        """Fill the lists without needing a network. A provider that fails is left with none."""
        await asyncio.gather(*(self._load(id, relay) for id, relay in self._relays.items()))

    async def refresh(self, provider: str, credential: Credential | None) -> None:
        """Ask the provider for its models. Raises its `GatewayError`, or `UpstreamTimeout` after
        `REFRESH_SECONDS`; the old list then stays.
        """
        relay = self._relays[provider]
        transport = self._transports.get(provider, credential.account if credential else None)
        try:
            async with asyncio.timeout(REFRESH_SECONDS):
                models = list(await relay.models(credential, transport))
        except TimeoutError as error:
            raise UpstreamTimeout(
                f"provider {provider!r} did not give its models within {REFRESH_SECONDS:g} s"
            ) from error
        self._models[provider] = models
        self._fetched_at[provider] = time.time()
        await asyncio.to_thread(self._remember, provider, models)

    async def _load(self, id: str, relay: Relay) -> None:
        remembered = await asyncio.to_thread(self._recall, id)
        if remembered is not None and relay.info.login != "none":
            self._models[id] = remembered.models
            if not relay.info.login_optional:  # else it may be what is there without the login
                self._fetched_at[id] = remembered.fetched_at
            return
        try:
            async with asyncio.timeout(STATIC_SECONDS):
                optional = relay.info.login_optional
                transport = _NoNetwork() if optional else self._transports.get(id, None)
                self._models[id] = list(await relay.models(None, transport))
        except Exception as error:
            reason = str(error) or type(error).__name__
            log.warning("no model list from provider %s: %s", id, reason)

    def _file(self, provider: str) -> Path:
        return self._folder / "models" / f"{provider}.json"

    def _recall(self, provider: str) -> _Remembered | None:
        try:
            return _remembered.validate_json(self._file(provider).read_bytes())
        except (OSError, ValidationError):
            return None

    def _remember(self, provider: str, models: list[Model]) -> None:
        path = self._file(provider)
        try:
            data = _remembered.dump_json(_Remembered(self._fetched_at[provider], models))
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).replace(path)
        except (OSError, ValueError) as error:  # pydantic's own errors are ValueErrors
            log.warning("the model list of %s could not be kept: %s", provider, error)
