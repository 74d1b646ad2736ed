"""The demo upstream: performs a program as bytes. Real providers have a server for this.

The wire protocol is one JSON object per line. An answer begins with `begin` and is complete with
`end`; parts are numbered, and `close` completes one. The only I/O is waiting.
"""

import asyncio
import hashlib
import struct
import zlib
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from gateway_core import JsonObject, UpstreamProtocol
from gateway_core.errors import ERROR_CLASSES
from gateway_core.json import dumps

__all__ = ["DemoStream", "open_stream"]

_READ = 4096
_ARGUMENTS = 16
_GREY = {"colour": "#808080"}


@dataclass(slots=True, frozen=True)
class DemoStream:
    """An open answer in the shape of `UpstreamStream`."""

    status: int
    headers: Mapping[str, str]
    reads: AsyncGenerator[bytes, None]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.reads

    async def send(self, data: bytes) -> None:
        """The demo upstream is not duplex."""
        raise UpstreamProtocol("the demo upstream takes no bytes after the request")


@asynccontextmanager
async def open_stream(program: JsonObject, attempt: int) -> AsyncIterator[DemoStream]:
    """Perform a program. `attempt` counts from 1; errors with `times` fail only so many of them.

    An error before anything else but waits is an HTTP error, as real upstreams do it.
    """
    steps = [s for s in program["steps"] if attempt <= s.get("times", attempt)]
    status = 200
    headers = {"content-type": "application/x-ndjson"}
    performance = _perform(program["model"], steps, program["delay_ms"] / 1000)
    first = next((step for step in steps if step["do"] != "wait"), None)
    if first is not None and first["do"] == "error":
        status = ERROR_CLASSES[first["kind"]].status
        headers = {"content-type": "application/json"}
        for step in steps[: steps.index(first)]:
            await asyncio.sleep(step["seconds"])
        performance = iter([dumps({"error": first})])
    async with aclosing(_play(performance)) as reads:
        yield DemoStream(status, headers, reads)


async def _play(performance: Iterator[bytes | float]) -> AsyncGenerator[bytes, None]:
    for act in performance:
        if isinstance(act, bytes):
            yield act
        else:
            await asyncio.sleep(act)


def _perform(model: str, steps: list[JsonObject], delay: float) -> Iterator[bytes | float]:
    """The reads of an answer, and the pauses between them in seconds.

    A pause of no length still lets others run, as waiting for a network would.
    """
    reason = "stop"
    yield _line(type="begin", model=model)
    for part, step in enumerate(steps):
        match step["do"]:
            case "text" | "think" as verb:
                for word in _words(step["text"]):
                    yield _line(type=verb, part=part, text=word)
                    yield delay
                seal = hashlib.sha256(step["text"].encode()).hexdigest()
                yield _line(type="close", part=part, seal=seal if verb == "think" else None)
            case "tool":
                yield _line(**step | {"type": "tool", "part": part, "arguments": None})
                arguments = step["arguments"]
                for start in range(0, len(arguments), _ARGUMENTS):
                    piece = arguments[start : start + _ARGUMENTS]
                    yield _line(type="arguments", part=part, text=piece)
                    yield delay
                yield _line(type="close", part=part, seal=None)
            case "burst":
                numbers = range(step["words"])
                lines = (_line(type="text", part=part, text=f"word{n} ") for n in numbers)
                data = b"".join(lines)
                for start in range(0, len(data), _READ):
                    yield data[start : start + _READ]
                    yield 0.0
            case "image":
                for _ in range(step["partials"]):
                    yield _line(type="partial", part=part, data=_picture({**step, **_GREY}))
                    yield delay
                yield _line(**step | {"type": "image", "part": part, "data": _picture(step)})
            case "wait":
                yield float(step["seconds"])
            case "stop":
                reason = step["reason"]
            case "cut":
                return
            case "error":
                yield _line(**step | {"type": "error"})
                return
            case verb:
                yield _line(**step | {"type": verb, "part": part})
    yield _line(type="end", reason=reason)


def _line(**values: object) -> bytes:
    return dumps(values) + b"\n"


def _words(text: str) -> list[str]:
    """The text in words, each with the blank after it."""
    words = text.split(" ")
    return [*(word + " " for word in words[:-1]), words[-1]]


def _picture(step: JsonObject) -> str:
    """A PNG of one colour, in base64."""
    colour = bytes.fromhex(step["colour"].removeprefix("#"))
    head = struct.pack(">IIBBBBB", step["width"], step["height"], 8, 2, 0, 0, 0)
    rows = (b"\0" + colour * step["width"]) * step["height"]
    png = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        png += struct.pack(">I", len(data)) + kind + data
        png += struct.pack(">I", zlib.crc32(kind + data))
    return b64encode(png).decode()
