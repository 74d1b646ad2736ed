"""Requests with one body and one answer, and HTTP/1.1 as far as they need it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import parse_qs, urlsplit

from gateway_core.json import JsonObject, dumps

__all__ = ["Answer", "Asked", "Handler", "refusal", "serve_http1"]

_CONNECT_STATUS: Final = {
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "resource_exhausted": 429,
    "invalid_argument": 400,
    "failed_precondition": 400,
    "unavailable": 503,
    "internal": 500,
    "unknown": 500,
    "deadline_exceeded": 504,
    "unimplemented": 501,
}


@dataclass(slots=True, frozen=True)
class Asked:
    """One request. Header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The members of the query."""
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def content_type(self) -> str:
        """The media type of the body, without parameters."""
        return self.headers.get("content-type", "").split(";")[0].strip()

    @property
    def bearer(self) -> str | None:
        """The token of the `authorization` header."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme == "Bearer" and token else None


@dataclass(slots=True)
class Answer:
    """What is answered to it."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(cls, value: object, status: int = 200) -> "Answer":
        """An answer in JSON."""
        return cls(status, dumps(value), {"content-type": "application/json"})


Handler: TypeAlias = Callable[[Asked], Awaitable[Answer]]


def refusal(error: JsonObject) -> Answer:
    """A Connect error as a whole answer."""
    return Answer.of_json(error, _CONNECT_STATUS.get(error["code"], 500))


async def serve_http1(
    begun: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler
) -> None:
    """Serve one connection until the client closes it. begun: what was read of it already."""
    data = begun
    while True:
        while b"\r\n\r\n" not in data:
            piece = await reader.read(65_536)
            if not piece:
                return
            data += piece
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = [line.partition(":") for line in lines]
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        length = int(headers.get("content-length", "0"))
        while len(data) < length:
            piece = await reader.read(65_536)
            if not piece:
                return
            data += piece
        body, data = data[:length], data[length:]
        method, target, _ = first.split(" ")
        answer = await handler(Asked(method, target, headers, body))
        fields = {**answer.headers, "content-length": str(len(answer.body))}
        said = [f"HTTP/1.1 {answer.status} Status", *(f"{k}: {v}" for k, v in fields.items())]
        writer.write("\r\n".join([*said, "", ""]).encode() + answer.body)
        await writer.drain()
