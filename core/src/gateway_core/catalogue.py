"""The models of every provider: kept in memory, remembered on disk, refreshed in the background.

A provider's list comes from its `gateway_models` hook. What was fetched last is written to the
cache folder with the time, so that a start needs no network; a refresh that fails keeps the list
there was.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from gateway_core.credentials.store import Credential
from gateway_core.errors import GatewayError, UpstreamTimeout
from gateway_core.http import Transports
from gateway_core.private_files import write_private
from gateway_core.provider import Model
from gateway_core.relay import Relay

if TYPE_CHECKING:
    import httpx

__all__ = ["MAX_AGE_SECONDS", "REFRESH_SECONDS", "STATIC_SECONDS", "Catalogue"]

log = logging.getLogger(__name__)

MAX_AGE_SECONDS = 3600.0
REFRESH_SECONDS = 30.0
"""How long a provider may take over its live list."""
JUST_NOW_SECONDS = 1.0
"""How old an answer may be that nobody has to be asked for again."""
STATIC_SECONDS = 5.0
"""How long a provider may take over its list without a login, before the start goes on."""

_NEVER = 0.0


@dataclass
class _Remembered:
    fetched_at: float
    models: list[Model]


_remembered = TypeAdapter(_Remembered)


class _Asked(NamedTuple):
    """How asking a provider ended: with which account's login, and when by the loop's clock."""

    account: str | None
    at: float
    error: GatewayError | None


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
    lists; `refresh` asks a provider, once for all who want that at the same time.
    """

    def __init__(self, relays: Mapping[str, Relay], transports: Transports, folder: Path) -> None:
        self._relays = relays
        self._transports = transports
        self._folder = folder
        self._models: dict[str, list[Model]] = {}
        self._fetched_at: dict[str, float] = {}
        self._outdated: Counter[str] = Counter()
        self._asking = {id: asyncio.Lock() for id in relays}
        self._asked: dict[str, _Asked] = {}

    def models(self, provider: str) -> Sequence[Model]:
        """The provider's models as last known."""
        return self._models.get(provider, ())

    def age(self, provider: str) -> float | None:
        """Seconds since the list was fetched live; None when it never was."""
        fetched_at = self._fetched_at.get(provider)
        return None if fetched_at is None else max(0.0, time.time() - fetched_at)

    def stale(self, provider: str) -> bool:
        """Whether a refresh is due. It is, too, for a list of a time that is far ahead: then it was
        remembered by a clock that was wrong.
        """
        fetched_at = self._fetched_at.get(provider)
        return fetched_at is None or abs(time.time() - fetched_at) > MAX_AGE_SECONDS

    def outdate(self, provider: str) -> None:
        """A refresh is due, whatever the age of the list: a login came or went."""
        self._fetched_at.pop(provider, None)
        self._asked.pop(provider, None)
        self._outdated[provider] += 1

    async def outdate_remembered(self, provider: str) -> None:
        """The list on disk, too, is that of another account: it serves until it is asked for."""
        self.outdate(provider)
        remembered = await asyncio.to_thread(self._recall, provider)
        if remembered is not None:
            undated = _Remembered(_NEVER, remembered.models)
            await asyncio.to_thread(self._remember, provider, undated)

    async def load(self) -> None:
        """Fill the lists that there are none of, without needing a network. A provider that fails
        is left with none.
        """
        missing = [id for id in self._relays if id not in self._models]
        await asyncio.gather(*(self._load(id, self._relays[id]) for id in missing))

    async def refresh(self, provider: str, credential: Credential | None) -> None:
        """Ask the provider for its models, or take the answer that somebody else waits for or has
        just been given. Raises the provider's `GatewayError`, or `UpstreamTimeout` after
        `REFRESH_SECONDS`; the old list then stays.
        """
        account = credential.account if credential else None
        loop = asyncio.get_running_loop()
        wanted_at = loop.time() - JUST_NOW_SECONDS
        async with self._asking[provider]:
            asked = self._asked.get(provider)
            if asked is None or asked.account != account or asked.at < wanted_at:
                outdated, error = self._outdated[provider], None
                try:
                    await self._ask(provider, credential)
                except GatewayError as raised:
                    error = raised
                asked = _Asked(account, loop.time(), error)
                if outdated == self._outdated[provider]:
                    self._asked[provider] = asked
        if asked.error is not None:
            raise asked.error

    async def _ask(self, provider: str, credential: Credential | None) -> None:
        relay = self._relays[provider]
        transport = self._transports.get(provider, credential.account if credential else None)
        outdated = self._outdated[provider]
        try:
            async with asyncio.timeout(REFRESH_SECONDS):
                models = list(await relay.models(credential, transport))
        except TimeoutError as error:
            raise UpstreamTimeout(
                f"provider {provider!r} did not give its models within {REFRESH_SECONDS:g} s"
            ) from error
        self._models[provider] = models
        fetched_at = _NEVER  # as a login came or went in the meantime
        if outdated == self._outdated[provider]:
            fetched_at = self._fetched_at[provider] = time.time()
        await asyncio.to_thread(self._remember, provider, _Remembered(fetched_at, models))

    async def _load(self, id: str, relay: Relay) -> None:
        remembered = await asyncio.to_thread(self._recall, id)
        if remembered is not None and relay.info.login != "none":
            if id in self._models:
                return  # asked for meanwhile
            self._models[id] = remembered.models
            # That of a provider without a need for a login may be what is there without one.
            if not relay.info.login_optional and remembered.fetched_at != _NEVER:
                self._fetched_at[id] = remembered.fetched_at
            return
        try:
            async with asyncio.timeout(STATIC_SECONDS):
                optional = relay.info.login_optional
                transport = _NoNetwork() if optional else self._transports.get(id, None)
                models = list(await relay.models(None, transport))
        except Exception as error:
            reason = str(error) or type(error).__name__
            log.warning("no model list from provider %s: %s", id, reason)
        else:
            self._models.setdefault(id, models)

    def _file(self, provider: str) -> Path:
        return self._folder / "models" / f"{provider}.json"

    def _recall(self, provider: str) -> _Remembered | None:
        try:
            return _remembered.validate_json(self._file(provider).read_bytes())
        except (OSError, ValidationError):
            return None

    def _remember(self, provider: str, fetched: _Remembered) -> None:
        try:
            write_private(self._file(provider), _remembered.dump_json(fetched))
        except (OSError, ValueError) as error:  # pydantic's own errors are ValueErrors
            log.warning("the model list of %s could not be kept: %s", provider, error)
