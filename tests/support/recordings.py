"""The requests of real clients that were recorded, ready to be sent to a gateway again."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway_core.json import JsonObject, loads_object

__all__ = ["Recording", "recordings"]

_CAPTURES = Path(__file__).parents[1] / "captures"
_NOT_OURS = frozenset({"authorization", "x-api-key", "host", "content-length", "content-encoding"})
_ON_WEBSOCKETS = frozenset({"type", "generate", "previous_response_id"})


@dataclass(frozen=True)
class Recording:
    """One request as it was sent."""

    name: str
    path: str
    headers: dict[str, str]
    body: JsonObject

    def __str__(self) -> str:
        return self.name


def recordings() -> Iterator[Recording]:
    """All requests for an answer; of a websocket, each frame."""
    for file in sorted(_CAPTURES.glob("*.json")):
        capture = loads_object(file.read_bytes())
        request = capture["request"]
        headers = {
            name: value for name, value in request["headers"] if name.lower() not in _NOT_OURS
        }
        path = request["path"].replace("/backend-api/codex", "/v1")
        bodies = [frame["body"] for frame in capture.get("frames", ())]
        if not bodies and request["method"] == "POST" and "count_tokens" not in path:
            bodies = [request["body"]]
        kept = {"accept": "text/event-stream"} if "frames" in capture else headers
        for number, body in enumerate(bodies):
            body = {key: value for key, value in body.items() if key not in _ON_WEBSOCKETS}
            name = file.stem if len(bodies) == 1 else f"{file.stem}-{number}"
            yield Recording(name, path, kept, body)
