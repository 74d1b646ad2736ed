"""Requests as xAI likes them, for tests of the simulator itself."""

from typing import Any

from gateway_core.json import JsonObject
from simulators.grok.problem import Rail

__all__ = ["headers_of", "request", "said"]


def said(text: str, role: str = "user") -> JsonObject:
    """A message."""
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def request(*items: JsonObject, **more: Any) -> JsonObject:
    """A request that both rails take."""
    return {
        "model": "grok-4.5",
        "input": list(items) or [said("Hello")],
        "reasoning": {"effort": "low", "summary": "concise"},
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "0b9d7a3e-1111-4222-8333-555555555555",
        "store": False,
        "stream": True,
        **more,
    }


def headers_of(token: str, rail: Rail, accept: str = "text/event-stream") -> dict[str, str]:
    """The headers of a client that knows the rail."""
    headers = {
        "authorization": f"Bearer {token}",
        "accept": accept,
        "content-type": "application/json",
        "user-agent": "grok-shell/1.0.6 (linux; x86_64)",
    }
    if rail == "api":
        return headers
    return headers | {
        "x-xai-token-auth": "xai-grok-cli",
        "x-grok-client-version": "1.0.6",
        "x-grok-client-identifier": "grok-shell",
        "x-authenticateresponse": "authenticate-response",
    }
