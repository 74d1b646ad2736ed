"""Simulated Cursor on a real socket: runs over HTTP/2, everything else over either HTTP.

`with CursorSimulator() as simulator:` serves the login page, the API and the agents at one address
from a thread of its own, with one account that is logged in. What a connection speaks is found out
from its first bytes, or over TLS by what the client offers.
"""

import asyncio
import ssl
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, TypeVar

from gateway_core.testing.upstream_h2 import H2Request, H2Upstream, serve_h2
from simulators.cursor.auth import Auth, LoginScript
from simulators.cursor.backend import Backend
from simulators.cursor.ends import refuse_at_once
from simulators.cursor.http import Answer, Asked, refusal, serve_http1
from simulators.cursor.play import play
from simulators.cursor.run import Run
from simulators.cursor.services import NOT_LOGGED_IN, Services
from simulators.cursor.session import Session
from simulators.cursor.state import Account, CursorState, TokenRefused, Tokens
from simulators.cursor.validate_request import header_problems

__all__ = ["RUN", "CursorSimulator"]

T = TypeVar("T")

RUN: Final = "/agent.v1.AgentService/Run"
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_PATIENCE_SECONDS: Final = 15.0


class CursorSimulator:
    """Cursor, seen from a test.

    url: its root, for the page, the API and the agents. state: accounts and tokens. login: what
    goes wrong when somebody logs in. services: the calls with one answer. backend: script and runs.
    account, tokens: the account that is there from the start, and its login. tls: speak TLS with
    this context, which should offer `h2`.
    """

    def __init__(
        self, *, account: Account | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.url = ""
        self.state = CursorState()
        self.login = LoginScript()
        self.services = Services(self.state)
        self.backend = Backend(self.state)
        self.account = self.state.add_account(account or Account())
        self.tokens: Tokens = self.state.log_in(self.account.id)
        self._auth = Auth(self.state, self.login)
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._connections: set[asyncio.Task[None]] = set()
        self._sessions: dict[int, Session] = {}
        self._server: asyncio.Server | None = None
        self._agents = _Agents(self)
        self._thread = threading.Thread(target=self._loop.run_forever, name="cursor", daemon=True)

    def __enter__(self) -> "CursorSimulator":
        self._thread.start()
        self.do(self._listen())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE_SECONDS)
        self._loop.close()

    # For tests

    @property
    def runs(self) -> list[Run]:
        """All runs, oldest first."""
        return list(self.backend.runs)

    @property
    def violations(self) -> list[str]:
        """All that was wrong in anything that came so far."""
        said = [f"run {run.number}: {found}" for run in self.runs for found in run.violations]
        return [*said, *self.backend.strays, *self.login.violations, *self.services.violations]

    def play(self, script: str) -> None:
        """From now on the models go by this script; see `simulators.cursor.script`."""
        self.backend.play(script)

    def wait(self, until: Callable[[], object]) -> None:
        """Wait until something is so. Raises `AssertionError` when it does not come to it."""
        self.backend.wait(until)

    def hang_up(self, run: Run) -> None:
        """Lose the connection of a run."""
        session = self._sessions[run.number]
        session.ended = True
        self.do(session.stream.cut())

    def forget(self) -> None:
        """Begin anew for the next test: nothing was asked, and nothing is out of the ordinary."""
        self.backend.forget()
        self.login = self._auth.script = LoginScript()
        self.services.asked.clear()
        self.services.broken.clear()
        self.services.violations.clear()

    def do(self, doing: Coroutine[Any, Any, T]) -> T:
        """Do something in the simulator's loop and wait for it. Raises `TimeoutError`."""
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(_PATIENCE_SECONDS)

    # Connections

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls)
        scheme = "http" if self._tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError):
                begun = b""
                while len(begun) < len(_PREFACE) and _PREFACE.startswith(begun):
                    piece = await reader.read(65_536)
                    if not piece:
                        return
                    begun += piece
                if begun.startswith(_PREFACE):
                    await serve_h2(self._agents, reader, writer, begun)
                else:
                    await serve_http1(begun, reader, writer, self._answer_http1)
        finally:
            writer.close()

    async def _answer_http1(self, asked: Asked) -> Answer:
        if asked.path == RUN:
            return Answer(464)
        return await self.answer(asked)

    async def answer(self, asked: Asked) -> Answer:
        """Answer a request that is no run."""
        for serves in (self._auth, self.services):
            answer = await serves.answer(asked)
            if answer is not None:
                return answer
        self.backend.strays.append(f"nothing is served at {asked.method} {asked.path}")
        return Answer(404)

    async def serve_run(self, stream: H2Request) -> None:
        """Serve a run."""
        backend = self.backend
        if backend.before:
            run = Run(len(backend.runs) + 1, stream.headers, phase="ended")
            backend.runs.append(run)
            await refuse_at_once(backend.before.popleft(), stream)
            backend.changed()
            return
        asked = Asked("POST", RUN, stream.headers)
        run = Run(len(backend.runs) + 1, stream.headers)
        backend.runs.append(run)
        run.violations += header_problems(stream.headers)
        id = stream.headers.get("x-request-id", "")
        if id in backend.request_ids:
            run.violations.append(f"the id {id} is that of another run")
        backend.request_ids.add(id)
        if asked.content_type != "application/connect+proto":
            run.violations.append(f"the content type is {asked.content_type!r}")
            await _give(stream, Answer(415))
            return
        try:
            run.account = self.state.account_of(asked.bearer or "")
        except TokenRefused:
            run.phase = "ended"
            await _give(stream, refusal(NOT_LOGGED_IN))
            return
        session = self._sessions[run.number] = Session(stream, run, backend.changed)
        await _converse(session, backend)


class _Agents(H2Upstream):
    """Both halves of HTTP/2: runs, and the calls with one answer."""

    def __init__(self, simulator: CursorSimulator) -> None:
        super().__init__(duplex=True)
        self._simulator = simulator

    async def serve(self, request: H2Request) -> None:
        method, target = request.headers[":method"], request.target
        if (method, target) == ("POST", RUN):
            await self._simulator.serve_run(request)
            return
        await request.complete.wait()
        asked = Asked(method, target, request.headers, request.body)
        await _give(request, await self._simulator.answer(asked))


async def _give(stream: H2Request, answer: Answer) -> None:
    await stream.head(answer.status, answer.headers)
    await stream.send(answer.body)
    await stream.finish()


async def _converse(session: Session, backend: Backend) -> None:
    """Serve a run until it is over and the client has left, or nothing more can be said."""
    loop = asyncio.get_running_loop()
    playing = loop.create_task(play(session, backend))
    hearing = loop.create_task(session.hear())
    beating = loop.create_task(session.beat(lambda: backend.heartbeat))
    try:
        await asyncio.wait({playing, hearing}, return_when=asyncio.FIRST_COMPLETED)
        if playing.done():
            playing.result()  # its own mistakes are told
        await hearing
    finally:
        for task in (playing, hearing, beating):
            task.cancel()
        session.leave()
