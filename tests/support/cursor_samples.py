"""The recorded exchanges with Cursor's small services, `http-samples.json`: what is to be asked,
word for word, and what is answered.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from gateway_core import JsonObject
from gateway_core.json import dumps

__all__ = ["CLAIMS", "PKCE", "CursorService", "body", "end_of", "jwt", "reply", "sample", "unary"]

_FIXTURES = Path(__file__).parents[1] / "cursor" / "fixtures"
_DOCUMENT = json.loads((_FIXTURES / "http-samples.json").read_text())
_SAMPLES: Mapping[str, JsonObject] = {entry["name"]: entry for entry in _DOCUMENT["exchanges"]}
CLAIMS: Mapping[str, Any] = _DOCUMENT["jwt"]["claims"]
PKCE: Mapping[str, str] = _DOCUMENT["pkce"]


def jwt(mark: str, **claims: object) -> str:
    """A token as Cursor makes them. mark: tells it from others; claims: besides those of all, None
    takes one away.
    """
    told = {key: value for key, value in {**CLAIMS, **claims}.items() if value is not None}
    parts = [dumps(_DOCUMENT["jwt"]["header"]), dumps(told)]
    return ".".join([*(urlsafe_b64encode(part).decode().rstrip("=") for part in parts), mark])


def sample(name: str) -> JsonObject:
    """One exchange, with tokens instead of their placeholders."""
    text = json.dumps(_SAMPLES[name])
    for mark in ("access", "access-2", "refresh"):
        text = text.replace(f"<jwt:{mark}>", jwt(f"fake-{mark}"))
    exchange: JsonObject = json.loads(text.replace("<accessToken>", jwt("fake-access")))
    return exchange


def body(name: str) -> Any:
    """What is answered in an exchange."""
    return sample(name)["response"]["body"]


def reply(name: str) -> httpx.Response:
    """The answer of an exchange."""
    answer = sample(name)["response"]
    content = answer["body"]
    return httpx.Response(
        answer["status"],
        headers=answer["headers"],
        content=content if isinstance(content, str) else dumps(content),
    )


def end_of(name: str) -> bytes:
    """The payload of a fixture that is the end of a stream."""
    return unary(name)[5:]


def unary(name: str) -> bytes:
    """The bytes of a fixture."""
    (path,) = _FIXTURES.glob(f"{name}-*.bin")
    return path.read_bytes()


class CursorService:
    """Cursor's small services, which answer as `say` told them: at each path one answer after the
    other, the last one for ever. What is asked is held against the recorded request.
    """

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []
        self._answers: dict[str, list[str | httpx.Response | Exception]] = {}

    def say(self, path: str, *answers: str | httpx.Response | Exception) -> None:
        """Answer a path with recorded exchanges, by name, or with these answers or errors."""
        self._answers[path] = list(answers)

    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [request.url.path for request in self.asked]

    def client(self) -> httpx.AsyncClient:
        """An HTTP client that knows nobody else."""
        return httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answers = self._answers.get(request.url.path)
        assert answers, f"nobody was expected at {request.url.path}"
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return answer
        _check(request, sample(answer)["request"])
        return reply(answer)


def _check(request: httpx.Request, recorded: JsonObject) -> None:
    """Whether a request is the recorded one; where a login chooses, only the form counts."""
    assert request.method == recorded["method"]
    assert str(request.url).partition("?")[0] == recorded["url"].partition("?")[0]
    assert request.url.params.keys() == httpx.URL(recorded["url"]).params.keys()
    for name, value in recorded["headers"].items():
        assert request.headers[name] == value
    if "authorization" not in recorded["headers"] and recorded["url"].count("/aiserver.v1") == 0:
        assert "authorization" not in request.headers
    if isinstance(recorded["body"], dict):
        assert json.loads(request.content) == recorded["body"]
