"""Responses in the background, asked for with the real SDK over an upstream in the test's hands."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import openai

from gateway_core import JsonObject
from gateway_core.testing.upstream import RequestInHand, ThreadedUpstream
from support.server import Gateway

__all__ = [
    "Start",
    "ask",
    "asked_for",
    "events_of",
    "finish",
    "rows",
    "said_hello",
    "wait_for",
    "writing",
]

MODEL = "line-1"
STATE_FILE = Path("state", "gateway.sqlite3")

Start: TypeAlias = Callable[..., AbstractContextManager[Gateway]]
"""Starts a gateway; see the fixture `start` of the tests of background responses."""


def ask(client: openai.OpenAI, input: str = "Hi", **more: Any) -> Any:
    """A response in the background: the object, or the stream of its events."""
    return client.responses.create(model=MODEL, input=input, background=True, **more)


def said_hello(upstream: ThreadedUpstream) -> RequestInHand:
    """The next request at the upstream, after it was answered with a first text."""
    request = upstream.next_request()
    request.head()
    request.send(b"hello\n")
    return request


def finish(request: RequestInHand, *words: bytes) -> None:
    """Say the rest of an answer."""
    request.send(b"".join(word + b"\n" for word in (*words, b".")))
    request.finish()


def wait_for(client: openai.OpenAI, id: str, *statuses: str) -> Any:
    """The response, once it has one of these statuses."""
    while True:
        response = client.responses.retrieve(id)
        if response.status in statuses:
            return response


def events_of(client: openai.OpenAI, id: str, **query: Any) -> list[JsonObject]:
    """The events of a response, read again to their end."""
    return [event.to_dict() for event in client.responses.retrieve(id, stream=True, **query)]


def asked_for(text: bytes, requests: list[RequestInHand]) -> RequestInHand:
    """The one of these requests that says a text."""
    return next(request for request in requests if b"'%b'" % text in request.body)


def rows(home: Path, query: str, *values: str) -> list[Any]:
    """What the store of this home has for a query; nothing when there is no store."""
    if not (home / STATE_FILE).exists():
        return []
    with closing(sqlite3.connect(home / STATE_FILE)) as connection, connection:
        return connection.execute(query, values).fetchall()


@contextmanager
def writing(home: Path) -> Iterator[None]:
    """Another process is in the middle of a write."""
    with closing(sqlite3.connect(home / STATE_FILE, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
