"""The real application on a real socket, in a thread of this process.

The SDKs of the vendors are imported only by the methods that hand them out: nothing else here
needs them.
"""

import asyncio
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import httpx

from gateway_core.addresses import parse_address
from gateway_core.app import create_app
from gateway_core.cli.server import Server, listen, loop_factory
from gateway_core.credentials.store import Credential, CredentialStore
from gateway_core.runtime import Runtime
from gateway_core.settings import load_settings

if TYPE_CHECKING:
    import anthropic
    import openai

__all__ = ["KEY", "Gateway", "StartGateway", "running_gateway"]

KEY = "local-secret"
_PATIENCE_SECONDS = 15
_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Never used, but every client would read all certificates of the system again."""


@dataclass(slots=True)
class Gateway:
    """A gateway that listens, and the ways to talk to it."""

    url: str
    runtime: Runtime
    key: str = KEY
    headers: dict[str, str] = field(default_factory=lambda: {"authorization": f"Bearer {KEY}"})

    def http(self) -> httpx.Client:
        """A plain client that sends the key."""
        return httpx.Client(
            base_url=self.url, headers=self.headers, timeout=_PATIENCE_SECONDS, verify=_TLS
        )

    def async_http(self) -> httpx.AsyncClient:
        """The same for asynchronous tests."""
        return httpx.AsyncClient(
            base_url=self.url, headers=self.headers, timeout=_PATIENCE_SECONDS, verify=_TLS
        )

    def openai(self) -> "openai.OpenAI":
        """The real SDK; without retries, so that each failure is seen."""
        import openai  # takes a second

        return openai.OpenAI(
            base_url=f"{self.url}/v1",
            api_key=self.key,
            max_retries=0,
            timeout=_PATIENCE_SECONDS,
            http_client=openai.DefaultHttpxClient(verify=_TLS),
        )

    def anthropic(self) -> "anthropic.Anthropic":
        """The real SDK; without retries."""
        import anthropic  # takes two seconds

        return anthropic.Anthropic(
            base_url=self.url,
            api_key=self.key,
            max_retries=0,
            timeout=_PATIENCE_SECONDS,
            http_client=anthropic.DefaultHttpxClient(verify=_TLS),
        )


class StartGateway(Protocol):
    """Starts a gateway with exactly these plugins (objects, or classes without arguments).

    settings: by dotted key (`providers.mine.base_url`). credentials: the logins it finds.
    """

    def __call__(
        self,
        *plugins: object,
        settings: Mapping[str, object] | None = None,
        credentials: Sequence[Credential] = (),
    ) -> Gateway: ...


@contextmanager
def running_gateway(
    home: Path,
    *,
    extra_plugins: Sequence[object] = (),
    settings: Mapping[str, object] | None = None,
    store: CredentialStore | None = None,
    grace: int = 2,
) -> Iterator[Gateway]:
    """Start a gateway with only these plugins on a free port; stop it afterwards.

    home: an empty folder for its files. settings: by dotted key (`server.ping_interval`). grace:
    seconds that a stop waits for open answers.
    """
    loaded = load_settings(dict(settings or {}), {"GATEWAY_HOME": str(home)})
    runtime = Runtime(
        loaded, extra_plugins=extra_plugins, installed=False, store=store, takes_over=True
    )
    if broken := runtime.plugins.broken:
        raise AssertionError(f"a plugin of the test is broken: {broken[0].reason}")
    listener = listen(parse_address("127.0.0.1:0"))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    ready = threading.Event()
    failures: list[BaseException] = []
    servers: list[Server] = []

    async def tell() -> None:
        ready.set()

    async def serve() -> None:
        async with runtime:
            server = Server(
                create_app(runtime, key=KEY),
                on_ready=tell,
                signals=False,
                largest_message=loaded.server.max_body_bytes,
            )
            server.config.timeout_graceful_shutdown = grace
            servers.append(server)
            await server.serve([listener])

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                runner.run(serve())
        except BaseException as error:
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="gateway", daemon=True)
    thread.start()
    try:
        if not ready.wait(_PATIENCE_SECONDS) or failures:
            raise AssertionError(f"the gateway did not start: {failures}")
        yield Gateway(url, runtime)
    finally:
        for server in servers:
            server.stop()
        thread.join(_PATIENCE_SECONDS)
        listener.close()
    if failures:
        raise failures[0]
    if thread.is_alive():
        raise AssertionError("the gateway did not stop")
