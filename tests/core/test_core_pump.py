"""A turn whose decoder or stream misbehaves fails alone, and names the plugin at fault."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway_core import (
    Event,
    Message,
    Request,
    Route,
    Text,
    UpstreamCall,
    hookimpl,
    load_settings,
)
from gateway_core.errors import Internal
from gateway_core.events import Fail
from gateway_core.exchange import Turn
from gateway_core.runtime import Runtime
from support.providers import LineDecoder, LineProvider, LocalStream

Run = Callable[[LineProvider], Awaitable[list[Event]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs one turn against a provider; the events that reached the client."""

    async def run(provider: LineProvider) -> list[Event]:
        settings = load_settings({"plugins.enabled": "none"}, {"GATEWAY_HOME": str(tmp_path)})
        delivered: list[Event] = []

        async def deliver(events: Sequence[Event]) -> None:
            delivered.extend(events)

        async with Runtime(settings, extra_plugins=[provider]) as runtime:
            turn = Turn(runtime, Request("line-1", [Message("user", [Text("Hi")])]), "x-1")
            await turn.prepare()
            await turn.run(deliver)
        return delivered

    return run


class Decodes(LineProvider):
    """Has the decoder it was given."""

    def __init__(self, decoder: LineDecoder, reads: Sequence[bytes]) -> None:
        super().__init__(reads=reads)
        self._decoder = decoder

    @hookimpl
    def gateway_decoder(self) -> LineDecoder:
        return self._decoder


class Feeds(LineDecoder):
    """Gives back one thing for each read, whatever it was."""

    def __init__(self, result: Callable[[], Any]) -> None:
        super().__init__()
        self._result = result

    def feed(self, data: bytes) -> Any:
        return self._result()


class Ends(LineDecoder):
    """Decodes as it should, and gives back one thing at the end."""

    def __init__(self, result: Callable[[], Any]) -> None:
        super().__init__()
        self._result = result

    def end(self) -> Any:
        return self._result()


def leave() -> None:
    raise SystemExit("bye")


WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: None, "gave a decoder whose {}() returned NoneType, not events"),
    (
        lambda: (event for event in list[Event]()),
        "gave a decoder whose {}() returned generator, not events",
    ),
    (lambda: "text", "gave a decoder whose {}() returned str, not events"),
    (lambda: b"text", "gave a decoder whose {}() returned bytes, not events"),
    (leave, "SystemExit"),
]
IDS = ["none", "generator", "text", "bytes", "exits"]


@pytest.mark.parametrize(("result", "said"), WRONG, ids=IDS)
async def test_a_read_that_is_decoded_to_no_events(
    run: Run, result: Callable[[], Any], said: str
) -> None:
    with pytest.raises(Internal) as caught:
        await run(Decodes(Feeds(result), [b"hello\n"]))
    said = said.format("feed")
    assert f"provider 'lines' failed in gateway_decoder ({said})" in caught.value.message


@pytest.mark.parametrize(("result", "said"), WRONG, ids=IDS)
async def test_an_end_that_is_decoded_to_no_events(
    run: Run, result: Callable[[], Any], said: str
) -> None:
    *_, last = await run(Decodes(Ends(result), [b"hello\n"]))
    assert isinstance(last, Fail)
    assert isinstance(last.error, Internal)
    assert f"gateway_decoder ({said.format('end')})" in last.error.message


async def test_events_may_come_as_a_tuple(run: Run) -> None:
    class Tuples(LineDecoder):
        def feed(self, data: bytes) -> Any:
            return tuple(super().feed(data))

    assert await run(Decodes(Tuples(), [b"hello\n.\n"])) == await run(LineProvider())


class Breaks(LineProvider):
    """Opens a stream that has a bug."""

    @hookimpl
    @asynccontextmanager
    async def gateway_open(self, call: UpstreamCall) -> AsyncIterator[LocalStream]:
        yield _Broken([])


class _Broken(LocalStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"hello\n"
        raise SystemExit("bye")


async def test_a_stream_that_breaks_is_told_from_its_decoder(run: Run) -> None:
    *_, last = await run(Breaks())
    assert isinstance(last, Fail)
    assert "provider 'lines' failed in gateway_open (SystemExit)" in last.error.message


class ClosesBadly(LineProvider):
    """Gives a whole answer, and then cannot let go of the stream."""

    def __init__(self, close: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self._close = close

    @hookimpl
    def gateway_translate(self, request: Request, route: Route) -> UpstreamCall:
        return UpstreamCall("POST", "http://localhost/", {}, b"", total_timeout=0.5)

    @hookimpl
    @asynccontextmanager
    async def gateway_open(self, call: UpstreamCall) -> AsyncIterator[LocalStream]:
        yield LocalStream([b"hello\n.\n"])
        await self._close()


async def fails() -> None:
    raise Internal("no")


async def breaks() -> None:
    raise OSError("no")


async def hangs() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("close", [fails, breaks, hangs])
async def test_an_answer_that_is_over_stays_as_it_is(
    run: Run, close: Callable[[], Awaitable[object]], caplog: pytest.LogCaptureFixture
) -> None:
    assert await run(ClosesBadly(close)) == await run(LineProvider(reads=[b"hello\n.\n"]))
    assert "closed" in caplog.text
