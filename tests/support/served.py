"""A provider that is served: a gateway on a real socket in front of the provider's simulator.

What every such pair can do, so that one set of checks (`support.provider_faults`,
`support.provider_sdks`) is good for all providers. Each provider has a subclass beside its
simulator, which says how the pair starts and how the simulator is told to misbehave.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import httpx
import pytest

from gateway_core import Credential
from gateway_core.credentials.store import CredentialKey
from gateway_core.json import dumps_text, loads_object
from simulators.grok.connections import Connections
from support.conversations import AnthropicTalk, ChatTalk, ResponsesTalk, Talk, Turn
from support.dialects import Dialect
from support.server import Gateway

__all__ = [
    "KINDS",
    "LONG_NAME",
    "HttpServed",
    "Kind",
    "Served",
    "Simulator",
    "fixtures_of",
    "pieces_of",
    "results_for",
]

Kind = Callable[..., Talk]
KINDS: tuple[Kind, ...] = (AnthropicTalk, ChatTalk, ResponsesTalk)
"""The three dialects, as conversations that their SDKs hold."""

LONG_NAME = "mcp__a_server_with_a_very_long_name__and_a_tool_with_a_name_that_is_longer_still"
"""The tool of every conversation whose name is longer than most providers take."""


class Simulator(Protocol):
    """What simulators of all providers understand."""

    @property
    def violations(self) -> list[str]:
        """All that was wrong in any request so far."""
        ...

    def play(self, script: str) -> None:
        """From now on models answer by this script."""
        ...


class HttpSimulator(Simulator, Protocol):
    """What simulators on HTTP/1.1 have besides."""

    connections: Connections

    @property
    def requests(self) -> Sequence[Any]:
        """The requests for answers, oldest first."""
        ...

    def forget_requests(self) -> None:
        """Begin anew for the next test: no request was made."""
        ...


S = TypeVar("S", bound=Simulator)
H = TypeVar("H", bound=HttpSimulator)


class Served(Generic[S]):
    """The pair, and a plain client of the gateway.

    provider: its id. model: the one that is asked where it does not matter which. simulated: makes
    the simulator. started: starts the gateway, from simulator, home and settings. idle_setting: the
    name of that for how many seconds of silence it waits.
    """

    provider: ClassVar[str]
    model: ClassVar[str]
    simulated: ClassVar[Callable[[], AbstractContextManager[Any]]]
    idle_setting: ClassVar[str] = "timeouts.idle"
    started: ClassVar[Callable[..., AbstractContextManager[Gateway]]]

    def __init__(self, simulator: S, gateway: Gateway, http: httpx.Client) -> None:
        self.simulator = simulator
        self.gateway = gateway
        self.http = http

    @classmethod
    @contextmanager
    def running(cls, home: Path, settings: Mapping[str, object] | None = None) -> Iterator[Self]:
        """A pair while the block runs. home: an empty folder. settings: by dotted key."""
        with (
            cls.simulated() as simulator,
            cls.started(simulator, home, settings) as gateway,
            gateway.http() as http,
        ):
            yield cls(simulator, gateway, http)

    @contextmanager
    def fresh(self) -> Iterator[Self]:
        """The pair for one test: it begins as if nobody had asked, and nothing may be wrong with
        what it asks the provider.
        """
        self.forget()
        yield self
        assert self.simulator.violations == []

    # What a provider says of itself

    @property
    def requests(self) -> Sequence[Any]:
        """The requests for answers since the last `play`, oldest first."""
        raise NotImplementedError

    def forget(self) -> None:
        """Begin anew: nobody asked, and no client ever left."""
        raise NotImplementedError

    @property
    def refreshes(self) -> int:
        """How often a token was to be renewed so far."""
        raise NotImplementedError

    def end_tokens(self) -> None:
        """Refuse all access tokens of today, long before their time."""
        raise NotImplementedError

    def end_login(self) -> None:
        """Refuse all that was ever granted."""
        raise NotImplementedError

    def wait_until_left(self) -> None:
        """Wait until the gateway has left an answer that stalls. Fails when it does not."""
        raise NotImplementedError

    def sent(self) -> str:
        """All that the last request told the provider, as text."""
        raise NotImplementedError

    # What tests do with it

    def play(self, script: str) -> None:
        """Begin anew with this script. What was asked before must have been right."""
        assert self.simulator.violations == []
        self.forget()
        self.simulator.play(script)

    def ask(
        self, dialect: Dialect, text: str = "Hello", *, model: str | None = None, **more: object
    ) -> httpx.Response:
        """The answer to one request, as a stream unless `more` says otherwise."""
        body = dialect.body(model or self.model, text, **{"stream": True, **more})
        return self.http.post(dialect.path, json=body)

    async def ask_at_once(self, asked: Sequence[tuple[Dialect, str]]) -> list[httpx.Response]:
        """The streams that answer several texts, which are asked at the same time."""
        async with self.gateway.async_http() as http, asyncio.timeout(15):
            posts = (
                http.post(dialect.path, json=dialect.body(self.model, text, stream=True))
                for dialect, text in asked
            )
            return await asyncio.gather(*posts)

    def talk(self, kind: Kind, stream: bool = True, model: str | None = None) -> Talk:
        """A new conversation, in which the model thinks."""
        return kind(self.gateway, stream, model or self.model)

    def credential(self) -> Credential:
        """The login in the gateway's store."""
        (key,) = (key for key in self.gateway.runtime.store.list() if key.provider == self.provider)
        found = self.gateway.runtime.store.get(CredentialKey(key.provider, key.account))
        assert found is not None
        return found

    def secrets(self) -> set[str]:
        """The tokens of that login."""
        credential = self.credential()
        tokens = [credential.access_token, credential.refresh_token]
        return {token.get_secret_value() for token in tokens if token is not None}


class HttpServed(Served[H]):
    """The pair for a provider that is asked with a JSON body over HTTP/1.1."""

    @property
    def requests(self) -> Sequence[Any]:
        return self.simulator.requests

    def forget(self) -> None:
        self.simulator.forget_requests()
        self.simulator.connections.forget()

    def wait_until_left(self) -> None:
        assert self.simulator.connections.hung_up.wait(5)

    def sent(self) -> str:
        return dumps_text(self.requests[-1].body)


def results_for(turn: Turn) -> dict[str, str]:
    """A result for each call of a turn."""
    return {call.id: f"the result of {call.name}" for call in turn.calls}


def pieces_of(response: httpx.Response) -> Iterator[str]:
    """The text in a stream of any dialect."""
    for line in response.iter_lines():
        if not line.startswith("data: {"):
            continue
        event = loads_object(line[6:])
        if event.get("type") == "response.output_text.delta":
            yield event["delta"]
        elif event.get("type") == "content_block_delta":
            yield event["delta"].get("text", "")
        elif event.get("choices"):
            yield event["choices"][0]["delta"].get("content") or ""


def fixtures_of(kind: type[Served[Any]]) -> tuple[Any, Any]:
    """Fixtures for the tests of a provider: a pair for the whole session, as starting one takes
    longer than most tests, and the same for one test.
    """

    @pytest.fixture(scope="session", name="running")
    def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served[Any]]:
        with kind.running(tmp_path_factory.mktemp("home")) as pair:
            yield pair

    @pytest.fixture(name="served")
    def served(running: Served[Any]) -> Iterator[Served[Any]]:
        with running.fresh():
            yield running

    return running, served
