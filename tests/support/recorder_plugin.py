"""A policy plugin that writes down what clients asked, for tests to read.

One JSON line for each translated request: what matters of an agentic conversation, not the whole of
it.
"""

import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from gateway_core import Reasoning, Request, Text, ToolResult, UpstreamCall, hookimpl
from gateway_core.json import dumps, loads

__all__ = ["RecorderPlugin", "read_record"]


class RecorderPlugin:
    """Wraps `gateway_translate` of every provider. file: by default what `RECORDED_REQUESTS` names,
    for a gateway in another process.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file or Path(os.environ["RECORDED_REQUESTS"])

    @hookimpl(wrapper=True)
    def gateway_translate(self, request: Request) -> Generator[None, UpstreamCall, UpstreamCall]:
        with self._file.open("ab") as file:
            file.write(dumps(_summary(request)) + b"\n")
        return (yield)


def read_record(file: Path) -> list[dict[str, Any]]:
    """The requests so far, oldest first.

    Each has `time` (seconds), `model`, `stream`, `text` (of the last user message), `results`
    (tool results: `id`, `text`, `failed`) and `issuers` (of the reasoning seals).
    """
    return [loads(line) for line in file.read_bytes().splitlines()] if file.exists() else []


def _summary(request: Request) -> dict[str, object]:
    parts = [part for message in request.messages for part in message.parts]
    said = [message.parts for message in request.messages if message.role == "user"]
    return {
        "time": time.time(),
        "model": request.model,
        "stream": request.stream,
        "text": "\n".join(part.text for part in said[-1] if isinstance(part, Text)),
        "results": [
            {
                "id": part.call_id,
                "text": "".join(item.text for item in part.content if isinstance(item, Text)),
                "failed": part.failed,
            }
            for part in parts
            if isinstance(part, ToolResult)
        ],
        "issuers": [
            part.seal.issuer for part in parts if isinstance(part, Reasoning) and part.seal
        ],
    }
