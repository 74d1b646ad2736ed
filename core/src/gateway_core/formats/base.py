"""What every wire format offers on its client side, and small helpers its readers share.

Client side: `read_request` (JSON to `Request`) and a `StreamWriter` (events to bytes, or a whole
body). Upstream side, where a format has one: `write_request` (Request to JSON) and a `StreamReader`
(bytes to events, a `StreamDecoder`). The two sides are inverses, and tests hold them to it.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from gateway_core.errors import GatewayError, InvalidRequest
from gateway_core.events import Event
from gateway_core.json import JsonObject
from gateway_core.parts import Response
from gateway_core.request import Request

__all__ = ["ClientFormat", "ReadRequest", "StreamWriter", "WriterFactory", "optional", "required"]

T = TypeVar("T")


class StreamWriter(Protocol):
    """Events to a client's bytes, for one answer.

    Owns every id it emits. `feed` takes a batch and returns one bytes object, possibly empty; a
    `Fail` in it ends the stream in the format's own error event with no success marker after.
    """

    def feed(self, events: Sequence[Event]) -> bytes:
        """The wire form of a batch of events."""
        ...

    def ping(self) -> bytes:
        """A keep-alive that every client of the format ignores."""
        ...

    def body(self, response: Response) -> JsonObject:
        """The whole answer for a client that does not stream."""
        ...


class ReadRequest(Protocol):
    """Decoded JSON and the client's headers (lower-case names) to a canonical request.

    Raises `InvalidRequest` with `param` naming the field when the shape is wrong.
    """

    def __call__(self, body: JsonObject, headers: Mapping[str, str]) -> Request: ...


class WriterFactory(Protocol):
    """A fresh writer for one answer; `model` is what the client is told it talks to."""

    def __call__(self, request: Request, model: str) -> StreamWriter: ...


@dataclass(slots=True, frozen=True)
class ClientFormat:
    """The client side of a format as the server uses it.

    error_body: the body of an HTTP error answer. error_status: the status of an error, where the
    format's clients expect another than the error's own.
    """

    name: str
    read_request: ReadRequest
    writer: WriterFactory
    error_body: "ErrorBody"
    error_status: "ErrorStatus"


class ErrorBody(Protocol):
    """An error as the body of an HTTP answer in the format's dialect."""

    def __call__(self, error: GatewayError, request_id: str) -> JsonObject: ...


class ErrorStatus(Protocol):
    """The HTTP status that tells the format's clients what to do about an error."""

    def __call__(self, error: GatewayError) -> int: ...


def required(body: Mapping[str, Any], key: str, kind: type[T], path: str = "") -> T:
    """The value of a field that must be there and of this type. Raises `InvalidRequest`."""
    value = body.get(key)
    if type(value) is not kind or kind is float:
        value = optional(body, key, kind, path)
        if value is None:
            raise InvalidRequest(f"{path}{key}: field required", param=f"{path}{key}")
    return value


def optional(body: Mapping[str, Any], key: str, kind: type[T], path: str = "") -> T | None:
    """The value of a field, None when absent or null. Raises `InvalidRequest` on another type."""
    value = body.get(key)
    if value is None or (type(value) is kind and kind is not float):
        return value
    if kind is float and type(value) in (int, float):
        if not -_LARGEST <= value <= _LARGEST:
            raise InvalidRequest(f"{path}{key}: the number is too large", param=f"{path}{key}")
        return float(value)  # type: ignore[return-value]  # kind is float here
    raise InvalidRequest(
        f"{path}{key}: expected {_WORDS.get(kind, kind.__name__)}, got {type(value).__name__}",
        param=f"{path}{key}",
    )


_LARGEST = sys.float_info.max  # JSON integers have no bound, and 1e999 is read as infinity
_WORDS: dict[type, str] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "a boolean",
    list: "a list",
    dict: "an object",
}
