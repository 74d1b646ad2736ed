"""The loopback listener that catches the browser at the end of a login.

Speaks just enough HTTP to answer one browser, tolerates the sockets that browsers open and leave
idle, and trusts nothing that does not carry this attempt's `state`.
"""

import asyncio
import errno
import html
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit

from gateway_core.errors import LoginRequired

__all__ = ["OTHER_ATTEMPT", "Callback", "LoopbackCallback", "has_code", "raise_if_declined"]

OTHER_ATTEMPT = "this link is from another login attempt; open the fresh URL that the gateway shows"

_HEAD_LIMIT = 32 * 1024
_HEAD_TIMEOUT = 10.0
_REASONS = {200: "OK", 204: "No Content", 400: "Bad Request", 404: "Not Found", 405: "Not Allowed"}
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:34em;margin:15vh auto}}</style>
<h1>{title}</h1><p>{text}</p></html>
"""


@dataclass(slots=True, frozen=True)
class Callback:
    """What the browser brought back. `query` holds the code and never shows in `repr`.

    path: the path it came to, `/` when a person pasted less than an address.
    """

    path: str
    query: Mapping[str, str] = field(repr=False)

    @property
    def code(self) -> str | None:
        """The authorization code, if one came."""
        return self.query.get("code") or None


def has_code(query: Mapping[str, str]) -> bool:
    """Whether a callback completes an ordinary login."""
    return bool(query.get("code"))


def raise_if_declined(query: Mapping[str, str]) -> None:
    """Raise `LoginRequired`, its `code` the OAuth error, when the callback reports one."""
    error = query.get("error")
    if error:
        description = query.get("error_description")
        told = f"{error}: {description}" if description else error
        told = "".join(char for char in told if char.isprintable())[:300]
        raise LoginRequired(f"the provider declined the login ({told})", code=error[:100])


class LoopbackCallback:
    """`async with LoopbackCallback(...) as listener: callback = await listener.wait()`.

    ports: tried in order; 0 is any free port. Entering raises `OSError` when none can be had.
    paths: where the browser may come to, the first being the redirect URI's.
    state: this attempt's; a request without it is told so and changes nothing.
    host: how the redirect URI calls us, `127.0.0.1` or `localhost`; providers compare it literally.
    accept: which queries complete the login, for portals that end without a code.
    allow_origin: the page that may call us by script (CORS preflight included).
    on_stray: told once when a browser comes with another attempt's state.

    Listens on 127.0.0.1, and on ::1 where there is one, as browsers resolve `localhost` to either.
    """

    def __init__(
        self,
        *,
        ports: Sequence[int],
        state: str,
        paths: Sequence[str] = ("/callback",),
        host: str = "127.0.0.1",
        accept: Callable[[Mapping[str, str]], bool] = has_code,
        allow_origin: str | None = None,
        on_stray: Callable[[str], None] | None = None,
    ) -> None:
        self.state = state
        self.accept = accept
        self.on_stray = on_stray
        self._ports = tuple(ports)
        self._paths = tuple(paths)
        self._host = host
        self._allow_origin = allow_origin
        self._port = self._ports[0]
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._answer: asyncio.Future[Callback] | None = None
        self._left = False

    @property
    def port(self) -> int:
        """The port listened on; before that, or without success, the first of those wanted."""
        return self._port

    @property
    def origin(self) -> str:
        """`http://host:port`."""
        return f"http://{self._host}:{self._port}"

    @property
    def redirect_uri(self) -> str:
        """The origin with the first path."""
        return self.origin + self._paths[0]

    async def __aenter__(self) -> "LoopbackCallback":
        last: OSError | None = None
        for port in self._ports:
            try:
                await self._listen(port)
            except OSError as error:
                last = error
            else:
                self._answer = asyncio.get_running_loop().create_future()
                return self
        ports = ", ".join(map(str, self._ports))
        raise OSError(errno.EADDRINUSE, f"cannot listen on 127.0.0.1 at any of: {ports}") from last

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._left = True
        for server in self._servers:
            server.close()  # at once; to wait for it is to wait for sockets that are not served yet
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._answer is not None and self._answer.done() and not self._answer.cancelled():
            self._answer.exception()  # seen, even if another way of login won

    async def wait(self) -> Callback:
        """The browser's answer, once the page has been sent. Raises `LoginRequired` when the
        provider reports an error.
        """
        if self._answer is None:
            raise RuntimeError("wait() outside of `async with`")
        return await asyncio.shield(self._answer)

    async def _listen(self, port: int) -> None:
        first = await asyncio.start_server(self._connected, "127.0.0.1", port, limit=_HEAD_LIMIT)
        bound: int = first.sockets[0].getsockname()[1]
        try:
            second = await asyncio.start_server(self._connected, "::1", bound, limit=_HEAD_LIMIT)
        except OSError as error:
            # Somebody else there would get the code of a browser that prefers IPv6.
            if error.errno == errno.EADDRINUSE:
                first.close()
                raise
            self._servers = [first]
        else:
            self._servers = [first, second]
        self._port = bound

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._left:
            writer.transport.abort()
            return
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)
        # One that is cancelled before it began has closed nothing.
        connection.add_done_callback(lambda _: writer.transport.abort())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        outcome: Callback | LoginRequired | None = None
        try:
            async with asyncio.timeout(_HEAD_TIMEOUT):
                head = await reader.readuntil(b"\r\n\r\n")
            response, outcome = self._respond(head)
            writer.write(response)
            async with asyncio.timeout(_HEAD_TIMEOUT):
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            pass  # a browser's spare socket, or one that left early
        finally:
            writer.transport.abort()
            # Only now: whoever waits closes the listener, and the page must be out by then.
            if outcome is not None and self._answer is not None and not self._answer.done():
                if isinstance(outcome, Callback):
                    self._answer.set_result(outcome)
                else:
                    self._answer.set_exception(outcome)

    def _respond(self, head: bytes) -> tuple[bytes, Callback | LoginRequired | None]:
        """The answer to a request, and what it means for the login, if anything."""
        request_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, colon, value in (line.partition(":") for line in lines)
            if colon
        }
        method, _, rest = request_line.partition(" ")
        target, _, version = rest.partition(" ")
        if not version.startswith("HTTP/1."):
            return self._page(400, "Bad request", "This is not HTTP."), None
        if not self._is_us(headers.get("host", "")):
            return self._page(400, "Bad request", "This is not the host that was asked for."), None
        try:
            url = urlsplit(target)
            query = dict(parse_qsl(url.query, keep_blank_values=True, max_num_fields=100))
        except ValueError:
            return self._page(400, "Bad request", "The address is malformed."), None
        if url.path not in self._paths:
            return self._page(404, "Not found", "There is nothing here."), None
        if method == "OPTIONS" and self._allow_origin is not None:
            return self._encode(204, b""), None
        if method != "GET":
            return self._page(405, "Not allowed", "Only GET works here."), None
        return self._judge(Callback(url.path, query))

    def _judge(self, callback: Callback) -> tuple[bytes, Callback | LoginRequired | None]:
        if self._answer is not None and self._answer.done():
            return self._page(200, "Already done", "You can close this window."), None
        state = callback.query.get("state")
        # Some providers leave the state out of errors; the worst a forged one can do is to make
        # the person start again.
        needs_state = not callback.query.get("error")
        if state is None and needs_state:
            return self._page(400, "Login incomplete", "The address lacks its state."), None
        if state is not None and not secrets.compare_digest(state.encode(), self.state.encode()):
            if self.on_stray is not None:
                self.on_stray(OTHER_ATTEMPT)
                self.on_stray = None
            return self._page(400, "Not this login", _sentence(OTHER_ATTEMPT)), None
        try:
            raise_if_declined(callback.query)
        except LoginRequired as error:
            return self._page(400, "Login declined", _sentence(error.message)), error
        if not self.accept(callback.query):
            return self._page(400, "Login incomplete", "The address lacks its code."), None
        return self._page(200, "Logged in", "You can close this window."), callback

    def _is_us(self, host: str) -> bool:
        return host.lower() in {
            f"{name}:{self._port}" for name in ("127.0.0.1", "localhost", "[::1]")
        }

    def _page(self, status: int, title: str, text: str) -> bytes:
        page = _PAGE.format(title=html.escape(title), text=html.escape(text))
        return self._encode(status, page.encode())

    def _encode(self, status: int, body: bytes) -> bytes:
        lines = [
            f"HTTP/1.1 {status} {_REASONS[status]}",
            "Content-Type: text/html; charset=utf-8",
            f"Content-Length: {len(body)}",
            "Connection: close",  # or the browser keeps the socket and the next login hangs
            "Cache-Control: no-store",
            "Referrer-Policy: no-referrer",
            "X-Content-Type-Options: nosniff",
            "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'",
        ]
        if self._allow_origin is not None:
            lines += [
                f"Access-Control-Allow-Origin: {self._allow_origin}",
                "Access-Control-Allow-Methods: GET, OPTIONS",
                "Access-Control-Allow-Private-Network: true",
                "Vary: Origin",
            ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
