"""Request bodies: a recorded turn of Claude Code, inflated to a size by a longer history."""

import json
from pathlib import Path
from typing import Any

__all__ = ["claude_code_body", "recorded_body", "small_body"]

RECORDED = Path(__file__).parents[1] / "tests/captures/claude-2.1.329-tools-turn4.json"
_CODE = """\
def handle_{number}(items: list[str], *, limit: int = {number}) -> dict[str, int]:
    \"\"\"Counts \\"items\\" up to a limit; naïve, but it is only read by a model.\"\"\"
    counts: dict[str, int] = {{}}
    for position, item in enumerate(items):
        if position >= limit:
            break
        counts[item.strip().lower()] = counts.get(item.strip().lower(), 0) + 1
    return counts

"""


def recorded_body() -> dict[str, Any]:
    """The recorded request's JSON."""
    body: dict[str, Any] = json.loads(RECORDED.read_bytes())["request"]["body"]
    return body


def claude_code_body(model: str, size: int) -> bytes:
    """A streaming request of about `size` bytes: the recorded tools and system prompt, then as many
    rounds of reading files as fit.
    """
    body = recorded_body() | {"model": model, "stream": True}
    history: list[Any] = []
    left = size - len(_encode(body))
    number = 0
    while left > 0:
        number += 1
        turn = _file_read(number, min(left, 6000))
        left -= len(_encode(turn))
        history += turn
    body["messages"][2:2] = history
    return _encode(body)


def small_body(model: str) -> bytes:
    """A chat turn of about 1 KB."""
    text = "Tell me how many items there are. " * 22
    messages = [{"role": "user", "content": text}]
    return _encode({"model": model, "max_tokens": 1000, "stream": True, "messages": messages})


def _file_read(number: int, size: int) -> list[Any]:
    call_id = f"toolu_{number:024d}"
    lines = "".join(_CODE.format(number=number * 100 + part) for part in range(size // 380 + 1))
    path = f"/home/user/project/module_{number}.py"
    return [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": f"I read module {number} next."},
                {"type": "tool_use", "id": call_id, "name": "Read", "input": {"file_path": path}},
            ],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": call_id, "content": lines[:size]}],
        },
    ]


def _encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
