"""A client that asks for responses over WebSocket, and what such tests say and look at."""

import json
from typing import Any

from websockets.sync.client import ClientConnection, connect

from gateway_core.content import Text
from gateway_core.events import Close, Delta, End, Event, Open, Usage
from support.scripted_provider import ScriptedProvider
from support.server import KEY, Gateway

__all__ = ["AUTH", "answer", "create", "opened", "said_to", "saying"]

AUTH = {"authorization": f"Bearer {KEY}"}


def saying(text: str) -> list[Event]:
    """An answer of these words."""
    return [Open(0, Text("")), Delta(0, text), Close(0), End("stop", usage=Usage(3, output=1))]


def opened(gateway: Gateway, **headers: str) -> ClientConnection:
    """A connection to the endpoint."""
    url = gateway.url.replace("http:", "ws:") + "/v1/responses"
    return connect(url, additional_headers={**AUTH, **headers}, proxy=None, max_size=None)


def create(socket: ClientConnection, **fields: Any) -> list[dict[str, Any]]:
    """Ask for a response; its events, up to the last."""
    event = {"type": "response.create", "model": "scripted-1", "store": False, **fields}
    socket.send(json.dumps(event))
    return answer(socket)


def answer(socket: ClientConnection) -> list[dict[str, Any]]:
    """The events of one answer, up to the last."""
    events = []
    while True:
        events.append(json.loads(socket.recv(10)))
        kind = events[-1]["type"]
        if kind in ("response.completed", "response.incomplete", "response.failed", "error"):
            return events


def said_to(provider: ScriptedProvider) -> list[str]:
    """What the latest request says, message by message."""
    return [
        f"{message.role}: {part.text}"
        for message in provider.requests[-1].messages
        for part in message.parts
        if isinstance(part, Text)
    ]
