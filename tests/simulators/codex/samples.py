"""Requests as the backend likes them, for tests to send or to spoil."""

from pathlib import Path
from typing import Any

from gateway_core.json import JsonObject, loads

__all__ = ["CALL", "CHATGPT_CAPTURES", "LOOK", "RESULT", "capture", "headers_of", "request", "said"]

CAPTURES = Path(__file__).parents[2] / "captures"
CHATGPT_CAPTURES = (
    "codex-0.136-chatgpt-http-turn2",
    "codex-0.169-chatgpt-http-turn2",
    "codex-0.169-chatgpt-compaction-trigger",
)
CALL: JsonObject = {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"}
RESULT: JsonObject = {"type": "function_call_output", "call_id": "call_1", "output": "seen"}
LOOK: JsonObject = {
    "type": "function",
    "name": "look",
    "strict": False,
    "parameters": {"type": "object"},
}


def said(text: str, role: str = "user") -> JsonObject:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def request(*items: JsonObject, **more: Any) -> JsonObject:
    """A request as the backend likes it."""
    return {
        "model": "gpt-5.5",
        "instructions": "Be brief.",
        "input": list(items) or [said("Hello")],
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "a-conversation",
        "store": False,
        "stream": True,
        **more,
    }


def capture(name: str) -> tuple[dict[str, str], JsonObject]:
    """Headers and body of a recorded request."""
    recorded = loads((CAPTURES / f"{name}.json").read_bytes())["request"]
    return dict(recorded["headers"]), recorded["body"]


def headers_of(token: str, account: str) -> dict[str, str]:
    """The headers of a client that introduces itself."""
    return {
        "authorization": f"Bearer {token}",
        "chatgpt-account-id": account,
        "accept": "text/event-stream",
        "content-type": "application/json",
        "originator": "gateway",
        "user-agent": "gateway/1.0",
    }
