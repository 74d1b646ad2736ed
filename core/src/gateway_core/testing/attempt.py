"""One login, played to its end: the kit is the person, the browser, and the trouble on the line."""

import asyncio
import re
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urljoin, urlsplit

import httpx

from gateway_core.errors import GatewayError
from gateway_core.relay import Relay
from gateway_core.testing.awake import awake
from gateway_core.testing.case import Violation
from gateway_core.testing.prompt import ScriptedPrompt
from gateway_core.testing.vendor import Decision, Vendor
from gateway_core.testing.watch import all_logs, left_running

if TYPE_CHECKING:
    from gateway_core.credentials.store import Credential

__all__ = ["PATIENCE_SECONDS", "TROUBLES", "Attempt", "Line", "Person", "Trouble", "attempt"]

Trouble: TypeAlias = Literal["unreachable", "silent", "broken"]
TROUBLES: tuple[Trouble, ...] = ("unreachable", "silent", "broken")

PATIENCE_SECONDS = 5.0
"""How long anything may take; nothing here has a reason to wait."""
_URL = re.compile(r"https?://[^\s<>\"']+")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Line(httpx.AsyncBaseTransport):
    """The line to a vendor. trouble: what is wrong with it. sent: how many requests went over it;
    `arrived` is set by each.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, trouble: Trouble | None = None) -> None:
        self.trouble = trouble
        self.sent = 0
        self.arrived = asyncio.Event()
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The vendor's answer, or the trouble."""
        self.sent += 1
        self.arrived.set()
        match self.trouble:
            case "unreachable":
                raise httpx.ConnectError("all connection attempts failed", request=request)
            case "silent":
                raise httpx.ReadTimeout("no answer", request=request)
            case "broken":
                page = b"<!doctype html><title>500</title><h1>Something went wrong</h1>"
                return httpx.Response(500, headers={"content-type": "text/html"}, content=page)
        return await self._inner.handle_async_request(request)

    def client(self) -> httpx.AsyncClient:
        """A client whose every request goes over the line."""
        return httpx.AsyncClient(transport=self, trust_env=False)


class Person(ScriptedPrompt):
    """Answers what it knows, and then pastes what the browser ended on. Sees URLs that are shown as
    well as those that are opened.
    """

    def __init__(self, answers: Collection[str], *, paste: bool, at_terminal: bool) -> None:
        super().__init__(*answers, has_browser=not paste, has_terminal=at_terminal)
        self.pastes: asyncio.Queue[str] = asyncio.Queue()
        self._seen: set[str] = set()

    def show(self, message: str) -> None:
        """Remember it, and look at the URLs in it."""
        super().show(message)
        for url in _URL.findall(message):
            self.look_at(url)

    def open_browser(self, url: str) -> bool:
        """Look at it; False where the browser is elsewhere."""
        self.look_at(url)
        return self._has_browser

    async def think(self) -> str:
        """What is pasted in the end."""
        return await self.pastes.get()

    def look_at(self, url: str) -> None:
        """Go there, unless that was done."""
        if url not in self._seen:
            self._seen.add(url)
            self.opened.put_nowait(url)


class Attempt:
    """A login that runs. `person` and `line` can be looked at meanwhile and afterwards.

    credential, error: how it ended; both None while it runs. logs: what was logged meanwhile.
    """

    def __init__(self, method: str, vendor: Vendor, line: Line, person: Person) -> None:
        self.method = method
        self.vendor = vendor
        self.line = line
        self.person = person
        self.credential: Credential | None = None
        self.error: GatewayError | None = None
        self.logs: list[str] = []
        self.task: asyncio.Task[None]

    async def run(self, relay: Relay, http: httpx.AsyncClient) -> None:
        """The login itself."""
        try:
            self.credential = await relay.login(self.person, http, self.method)
        except GatewayError as error:
            self.error = error

    async def url(self) -> str | None:
        """The next URL that the person is sent to; None when the login ended instead."""
        looking = asyncio.create_task(self.person.opened.get())
        shown = await self._first_of(looking, "neither ends nor shows a URL")
        return looking.result() if shown else None

    async def follow(self, decision: Decision = "approve") -> None:
        """Be led to the end, deciding this way."""
        while (url := await self.url()) is not None:
            redirect = await self.vendor.browse(url, decision)
            if redirect is not None:
                await self.come_back(redirect)

    async def come_back(self, redirect: str) -> int | None:
        """Let the browser go to the redirect: the status it gets. Where a browser cannot come back,
        the address is pasted: None.
        """
        if self.method != "paste" and urlsplit(redirect).hostname in _LOOPBACK:
            with suppress(OSError, EOFError):
                status, location = await _get(redirect)
                if location is not None:
                    self.person.look_at(location)
                return status
        self.paste(redirect)
        return None

    def paste(self, text: str) -> None:
        """Answer the question that the person sits in front of, or the next one."""
        self.person.waiting.clear()
        self.person.pastes.put_nowait(text)

    async def settled(self, doing: str) -> None:
        """Wait until the login ended or asks (again)."""
        asking = asyncio.create_task(self.person.waiting.wait())
        await self._first_of(asking, f"hangs {doing}")

    async def ended(self, doing: str) -> None:
        """Wait for the end. Raises `Violation` when there is none."""
        await asyncio.wait([self.task], timeout=PATIENCE_SECONDS)
        if not self.task.done():
            raise Violation(f"the {self.method} login hangs {doing}")

    async def cancel(self) -> None:
        """Ctrl-C. Raises `Violation` when the login does not end at once."""
        self.task.cancel()
        await asyncio.wait([self.task], timeout=PATIENCE_SECONDS)
        if not self.task.done():
            raise Violation(f"the {self.method} login goes on after it was cancelled")

    async def _first_of(self, wanted: "asyncio.Task[Any]", otherwise: str) -> bool:
        """Whether this comes before the end of the login, after which nobody waits for it."""
        both: set[asyncio.Task[Any]] = {wanted, self.task}
        await asyncio.wait(both, timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if wanted.done():
            return True
        wanted.cancel()
        await asyncio.wait([wanted])
        if not self.task.done():
            raise Violation(f"the {self.method} login {otherwise}")
        return False

    @property
    def told(self) -> str:
        """Everything that the person was told and asked."""
        return "\n".join((*self.person.shown, *self.person.questions))

    @property
    def outcome(self) -> str:
        """How it ended, for people; never a secret."""
        if self.credential is not None:
            return "it gave a credential"
        if self.error is not None:
            return f"it raised {type(self.error).__name__}"
        return "it goes on"


@asynccontextmanager
async def attempt(
    relay: Relay,
    vendor: Vendor,
    method: str,
    *,
    trouble: Trouble | None = None,
    answers: Collection[str] | None = None,
    at_terminal: bool = True,
) -> AsyncIterator[Attempt]:
    """Start a login. answers: what is typed instead of the vendor's. Leaving ends it.

    Raises `Violation` when something of it still runs once it ended, or it stopped the event loop.
    """
    before = asyncio.all_tasks()
    line = Line(vendor.transport(), trouble)
    known = vendor.answers if answers is None else answers
    person = Person(known, paste=method == "paste", at_terminal=at_terminal)
    running = Attempt(method, vendor, line, person)
    with awake(), all_logs() as running.logs:
        async with line.client() as http:
            running.task = asyncio.create_task(running.run(relay, http))
            try:
                yield running
            finally:
                running.task.cancel()
                await asyncio.wait([running.task], timeout=PATIENCE_SECONDS)
        await asyncio.sleep(0)  # connections that the login closed need a moment to go
        await asyncio.sleep(0)
    if left := left_running(before):
        raise Violation(f"after the {method} login there still runs {', '.join(left)}")


async def _get(url: str) -> tuple[int, str | None]:
    """What a browser does; by hand, because an HTTP library would log the address."""
    parts = urlsplit(url)
    async with asyncio.timeout(PATIENCE_SECONDS):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
        try:
            target = f"{parts.path or '/'}?{parts.query}"
            writer.write(f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
    status = int(head.split(" ", 2)[1])
    location = re.search(r"(?im)^location:\s*(\S+)", head)
    return status, urljoin(url, location[1]) if location and 300 <= status < 400 else None
