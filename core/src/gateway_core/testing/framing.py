"""Upstream events as bytes, for the framings that the kit can write itself: `.sse` and JSON lines.

Other framings stay opaque: there the kit cuts and spoils bytes, and needs the author's
`unknown_event`.
"""

from collections.abc import Callable, Iterator
from typing import Any

from gateway_core.json import dumps, loads
from gateway_core.testing.transcripts import Transcript

__all__ = [
    "framed",
    "frames",
    "is_framed",
    "payload_places",
    "payloads",
    "respelled",
    "rewritten",
    "unknown_event",
    "with_payload",
]

_UNKNOWN = "gateway.unheard_of"
_LINES = ("jsonl", "ndjson")


def is_framed(transcript: Transcript) -> bool:
    """Whether the kit can write this framing."""
    return transcript.suffix == "sse" or transcript.suffix in _LINES


def unknown_event(transcript: Transcript) -> bytes:
    """A well-formed event of a kind that no upstream has."""
    payload = dumps({"type": _UNKNOWN, "object": _UNKNOWN, "note": "something new"})
    if transcript.suffix == "sse":
        return b"event: %b\ndata: %b\n\n" % (_UNKNOWN.encode(), payload)
    return payload + b"\n"


def framed(transcript: Transcript, payload: bytes) -> bytes:
    """An event with this payload, which must be one line."""
    return b"data: %b\n\n" % payload if transcript.suffix == "sse" else payload + b"\n"


def frames(transcript: Transcript) -> list[bytes]:
    """The events, each with the bytes that end it; joined they are the transcript's bytes."""
    data = transcript.data
    if transcript.suffix != "sse":
        return data.splitlines(keepends=True)
    ends = b"\r\n\r\n" if b"\r\n\r\n" in data else b"\n\n"
    *blocks, rest = data.split(ends)
    return [block + ends for block in blocks] + ([rest] if rest else [])


def respelled(transcript: Transcript) -> Iterator[tuple[str, bytes]]:
    """The same events in other bytes that mean the same: how, and the bytes."""
    if transcript.suffix == "sse":
        found = frames(transcript)
        yield "with comments between the events", b": still here\n\n".join([b"", *found])
    plain = transcript.data.replace(b"\r\n", b"\n")
    yield "with CRLF line ends", plain.replace(b"\n", b"\r\n")


def rewritten(transcript: Transcript, rewrite: Callable[[Any], Any]) -> bytes:
    """The transcript's bytes with every JSON payload replaced by what `rewrite` makes of it."""
    return b"".join(_rewrite(transcript, frame, rewrite) for frame in frames(transcript))


def payloads(transcript: Transcript) -> Iterator[tuple[int, Any]]:
    """The JSON payloads with the number of their frame."""
    for number, frame in enumerate(frames(transcript)):
        try:
            yield number, loads(_payload(transcript, frame))
        except ValueError:
            continue


def with_payload(transcript: Transcript, number: int, value: Any) -> bytes:
    """The transcript's bytes with another JSON payload in one frame."""
    found = frames(transcript)
    found[number] = _rewrite(transcript, found[number], lambda _: value)
    return b"".join(found)


def payload_places(transcript: Transcript) -> list[int]:
    """The offsets of all bytes that are inside a payload, its first byte left out."""
    places: list[int] = []
    start = 0
    for frame in frames(transcript):
        payload = _payload(transcript, frame).strip()
        if payload and (at := frame.find(payload)) >= 0:
            places += range(start + at + 1, start + at + len(payload))
        start += len(frame)
    return places


def _rewrite(transcript: Transcript, frame: bytes, rewrite: Callable[[Any], Any]) -> bytes:
    try:
        value = loads(_payload(transcript, frame))
    except ValueError:
        return frame
    payload = dumps(rewrite(value))
    if transcript.suffix != "sse":
        return payload + b"\n"
    kept = [line for line in frame.splitlines() if line and not line.startswith(b"data:")]
    return b"".join(line + b"\n" for line in [*kept, b"data: " + payload]) + b"\n"


def _payload(transcript: Transcript, frame: bytes) -> bytes:
    if transcript.suffix != "sse":
        return frame
    lines = [line.removeprefix(b"data:") for line in frame.splitlines() if line[:5] == b"data:"]
    return b"\n".join(line.removeprefix(b" ") for line in lines)
