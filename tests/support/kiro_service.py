"""Kiro's services as a script: each path gives the answers that a test put there, in order.

It checks nothing by itself; what was asked is in `requests`.
"""

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway_core.json import dumps, loads

__all__ = ["Asked", "KiroService"]


@dataclass(slots=True, frozen=True)
class Asked:
    """One request. `body` is decoded where it is JSON; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass(slots=True)
class _Answer:
    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass(slots=True)
class KiroService:
    """An ASGI application. `say` adds an answer; the last one of a path is given again and again.

    url: where it is served. requests: all that was asked, in order.
    """

    url: str = ""
    requests: list[Asked] = field(default_factory=list)
    _answers: dict[str, deque[_Answer]] = field(default_factory=lambda: defaultdict(deque))

    def say(
        self,
        path: str,
        body: object,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        *,
        only: bool = False,
    ) -> None:
        """Answer the next request to a path so; a body that is no bytes is sent as JSON.

        only: forget what was said for the path before.
        """
        data = body if isinstance(body, bytes) else dumps(body)
        if only:
            self._answers[path].clear()
        self._answers[path].append(_Answer(status, data, headers or {}))

    def asked(self, path: str) -> list[Asked]:
        """What a path was asked so far."""
        return [request for request in self.requests if request.path == path]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        data = await request.body()
        try:
            body = loads(data)
        except ValueError:
            body = data.decode()
        headers = dict(request.headers)
        path = request.url.path
        self.requests.append(Asked(request.method, path, dict(request.query_params), headers, body))
        script = self._answers.get(path)
        if not script:
            answer = _Answer(404, dumps({"__type": "UnknownOperationException"}), {})
        else:
            answer = script.popleft() if len(script) > 1 else script[0]
        response = Response(answer.body, answer.status, dict(answer.headers))
        await response(scope, receive, send)
