"""The ways in which a stream ends other than well."""

import asyncio
from typing import Final

from gateway_core.json import JsonObject
from gateway_core.testing.upstream_h2 import H2Request
from simulators.cursor.faults import error, recorded_end, with_details
from simulators.cursor.session import Session
from simulators.cursor.wire import end_of_stream

__all__ = ["Over", "end_as_told", "refuse_at_once"]

_CODES: Final = {"NO_ERROR": 0, "INTERNAL": 2, "REFUSED_STREAM": 7, "CANCEL": 8, "CALM": 11}


class Over(Exception):
    """Nothing more is to be done for a run."""


async def end_as_told(step: JsonObject, session: Session) -> None:
    """End a stream as a step of the script says. Raises `Over`."""
    verb = step["do"]
    await session.flush()
    if verb in ("open", "stall", "silence"):
        session.silent = verb == "silence"
        await asyncio.Event().wait()
    session.ended = True
    if verb == "fail":
        told = _failure(step)
        await session.end(told["error"], told.get("metadata"))
    elif verb == "no-turn":
        await session.end()
    elif verb == "eof":
        await session.finish()
    elif verb == "truncate":
        await session.stream.send(_TRUNCATED[step["word"]])
        await session.finish()
    else:
        await _break_off(session.stream, verb, step["word"])
    raise Over


_TRUNCATED: Final = {
    "head": b"\x00\x00\x00",
    "payload": b"\x00\x00\x00\x00\x20\x0a\x09",
    "garbage": b"\x00\x00\x00\x00\x04\xff\xff\xff\xff",
    "huge": b"\x00\x7f\xff\xff\xff\x0a",
}


def _failure(step: JsonObject) -> JsonObject:
    code, options = step["code"], dict(step["options"])
    if code[0] == "s" and code[1:2] == "9":
        return recorded_end(code)
    number = options.pop("number", None)
    if number is None:
        return {"error": error(code, step["words"] or "Error")}
    retryable = options.pop("retryable", "false") == "true"
    title = step["words"] or "Something went wrong"
    more = {"providerStatusCode": options["status"]} if "status" in options else {}
    told = with_details(code, int(number), title, "No more is known.", retryable=retryable, **more)
    return {"error": told}


async def refuse_at_once(word: str, stream: H2Request) -> None:
    """Do away with a run before anything of it is read. word: what, as in `Backend.before`."""
    verb, _, more = word.partition(" ")
    if verb == "http":
        status, _, code = more.partition(" ")
        kind = {"content-type": "application/json"}
        await stream.head(int(status), kind)
        told = error(code or "unavailable")
        await stream.send(str(told).replace("'", '"').encode())
        await stream.finish()
    elif verb == "fail":
        told = recorded_end(more)
        await stream.head(200, {"content-type": "application/connect+proto"})
        await stream.send(end_of_stream(told["error"], told.get("metadata")))
        await stream.finish()
    else:
        await _break_off(stream, verb, more)


async def _break_off(stream: H2Request, verb: str, word: str) -> None:
    if verb == "reset":
        await stream.reset(_CODES[word])
    elif verb == "goaway":
        await stream.go_away(_CODES[word or "NO_ERROR"])
    else:
        await stream.cut()
