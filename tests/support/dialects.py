"""The three client formats as a test sees them: where to ask, what to send, how an error looks."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway_core.json import JsonObject, loads_object

__all__ = ["ANTHROPIC", "CHAT", "DIALECTS", "RESPONSES", "Dialect"]


@dataclass(slots=True, frozen=True)
class Dialect:
    """One format.

    success: bytes that only a complete stream has. failure: those of a stream that broke off.
    ping: what keeps a silent connection open. overloaded: the status of a provider without
    capacity. field: a field of the request that must be there.
    """

    name: str
    path: str
    field: str
    success: bytes
    failure: bytes
    ping: bytes
    overloaded: int
    turn: Callable[[str, str], JsonObject]

    def body(self, model: str, text: str = "Hello", /, **more: object) -> JsonObject:
        """A request for one turn."""
        return {"model": model, **self.turn(model, text), **more}

    def error(self, body: bytes) -> JsonObject:
        """The error object of an HTTP error answer, checked for the dialect's shape."""
        value = loads_object(body)
        assert isinstance(value["error"]["message"], str)
        assert value["error"]["message"]
        if self.name == "anthropic":
            assert value["type"] == "error"
            assert value["request_id"].startswith("req_")
            assert set(value["error"]) == {"type", "message"}
        else:
            assert {"message", "type", "param", "code"} <= set(value["error"])
        error: JsonObject = value["error"]
        return error

    def __str__(self) -> str:
        return self.name


ANTHROPIC = Dialect(
    "anthropic",
    "/v1/messages",
    "messages",
    b"event: message_stop",
    b"event: error",
    b"event: ping",
    529,
    lambda model, text: {"max_tokens": 100, "messages": [{"role": "user", "content": text}]},
)
CHAT = Dialect(
    "chat",
    "/v1/chat/completions",
    "messages",
    b'"finish_reason":"stop"',
    b'data: {"error":',
    b": ping",
    503,
    lambda model, text: {"messages": [{"role": "user", "content": text}]},
)
RESPONSES = Dialect(
    "responses",
    "/v1/responses",
    "input",
    b"event: response.completed",
    b"event: response.failed",
    b": ping",
    503,
    lambda model, text: {"input": text},
)
DIALECTS = (ANTHROPIC, CHAT, RESPONSES)
