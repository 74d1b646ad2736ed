"""The upstream of the benchmarks: a raw server that speaks the Responses event stream.

The path says what it answers: `/burst/N` N text deltas at once, `/led/N` the first delta at once
and the others 2 ms later, `/paced/N/MS` one delta every MS milliseconds, each with the time at
which it was sent. Every event is an HTTP chunk of its own; all but the times is rendered
beforehand.

Run as a process: prints its port on one line and serves until it is terminated.
"""

import asyncio
import functools
import json
import random
import sys
import time
from typing import Any

from bodies import recorded_body
from processes import pin

__all__ = ["HEAD", "chunk"]

HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    b"x-request-id: req_bench\r\ntransfer-encoding: chunked\r\n\r\n"
)
LAST_CHUNK = b"0\r\n\r\n"
LED_SECONDS = 0.002
_WORDS = [" the", " answer", " is", ' "quoted"', " naïve", " and", "\n", " so", " on", " forty-two"]


def chunk(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _event(type: str, number: int, **fields: Any) -> bytes:
    value = {"type": type, "sequence_number": number, **fields}
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return chunk(b"event: %b\ndata: %b\n\n" % (type.encode(), data))


def _delta(number: int, text: str) -> bytes:
    return _event(
        "response.output_text.delta",
        number,
        item_id="msg_0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f607182",
        output_index=0,
        content_index=0,
        delta=text,
        logprobs=[],
        obfuscation="xK3f9Qa2",
    )


@functools.cache
def _envelope() -> dict[str, Any]:
    """The response object, with instructions and tools echoed as the real upstream does."""
    recorded = recorded_body()
    tools = [
        {
            "type": "function",
            "name": tool["name"],
            "description": tool.get("description"),
            "parameters": tool.get("input_schema", {}),
            "strict": False,
        }
        for tool in recorded["tools"]
    ]
    return {
        "id": "resp_0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f607182",
        "object": "response",
        "created_at": 1790000000,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": "".join(part["text"] for part in recorded["system"]) * 8,
        "model": "bench-1",
        "output": [],
        "parallel_tool_calls": True,
        "reasoning": {"effort": "medium", "summary": None},
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "low"},
        "tool_choice": "auto",
        "tools": tools,
        "usage": None,
        "metadata": {},
    }


@functools.cache
def opening() -> bytes:
    """Everything before the first delta."""
    item = {"id": "msg_0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f607182", "type": "message"}
    open_item = {**item, "status": "in_progress", "content": [], "role": "assistant"}
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    return b"".join(
        (
            _event("response.created", 0, response=_envelope()),
            _event("response.in_progress", 1, response=_envelope()),
            _event("response.output_item.added", 2, output_index=0, item=open_item),
            _event("response.content_part.added", 3, **place, part=part),
        )
    )


@functools.cache
def deltas(count: int) -> tuple[bytes, ...]:
    """The deltas of an answer."""
    return tuple(_delta(4 + number, _WORDS[number % len(_WORDS)]) for number in range(count))


@functools.cache
def closing(count: int) -> bytes:
    """Everything after the last delta."""
    text = "".join(_WORDS[number % len(_WORDS)] for number in range(count))
    id = "msg_0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f607182"
    place = {"item_id": id, "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": text}
    item = {"id": id, "type": "message", "status": "completed", "content": [part]}
    item["role"] = "assistant"
    usage = {
        "input_tokens": 40000,
        "input_tokens_details": {"cached_tokens": 39000},
        "output_tokens": count,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 40000 + count,
    }
    response = {**_envelope(), "status": "completed", "output": [item], "usage": usage}
    return b"".join(
        (
            _event("response.output_text.done", count + 4, **place, text=text, logprobs=[]),
            _event("response.content_part.done", count + 5, **place, part=part),
            _event("response.output_item.done", count + 6, output_index=0, item=item),
            _event("response.completed", count + 7, response=response),
            LAST_CHUNK,
        )
    )


@functools.cache
def burst(count: int) -> bytes:
    """A whole answer."""
    return HEAD + opening() + b"".join(deltas(count)) + closing(count)


class Upstream(asyncio.Protocol):
    """One connection: requests in, scripted answers out."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._expected = -1
        self._path: list[str] = []
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._expected < 0:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._received[:end]).decode("latin-1").lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            self._expected = end + 4 + length
            self._path = head.split(" ", 2)[1].strip("/").split("/")
        if len(self._received) >= self._expected:
            self._received.clear()
            self._expected = -1
            self._answer(*self._path)

    def _answer(self, kind: str, count: str, interval: str = "0") -> None:
        number = int(count)
        if kind == "burst":
            self._transport.write(burst(number))
        elif kind == "led":
            first, *others = deltas(number)
            self._transport.write(HEAD + opening() + first)
            rest = b"".join(others) + closing(number)
            self._loop.call_later(LED_SECONDS, self._transport.write, rest)
        else:
            self._transport.write(HEAD + opening())
            seconds = float(interval) / 1000
            # Connections that start together must not tick together.
            self._loop.call_later(seconds * random.random(), self._tick, 0, number, seconds)

    def _tick(self, sent: int, count: int, seconds: float) -> None:
        if self._transport.is_closing():
            return
        if sent == count:
            self._transport.write(closing(count))
            return
        self._transport.write(_timed(sent))
        self._loop.call_later(seconds, self._tick, sent + 1, count, seconds)


_BEFORE, _AFTER = _delta(4, "@" + "0" * 19 + "@").split(b"0" * 19)


def _timed(number: int) -> bytes:
    """A delta whose text is the time now, in nanoseconds of the monotonic clock."""
    return b"%b%019d%b" % (_BEFORE, time.monotonic_ns(), _AFTER)


async def serve() -> None:
    """Serve on a free port of loopback until cancelled."""
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    pin(int(sys.argv[1]))
    for size in (20, 200, 2000):
        burst(size)
    try:
        import uvloop

        uvloop.run(serve())
    except ImportError:
        asyncio.run(serve())
