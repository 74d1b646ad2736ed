"""Responses in the background, asked for with the real SDK over an upstream in the test's hands."""

from typing import Any

import openai

from gateway_core import JsonObject
from gateway_core.testing.upstream import RequestInHand, ThreadedUpstream

__all__ = ["ask", "events_of", "finish", "said_hello", "wait_for"]

MODEL = "line-1"


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
