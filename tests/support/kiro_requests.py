"""Requests in the words of the service itself, to ask the simulator without the plugin."""

from typing import Any
from urllib.parse import urlsplit

import httpx

from gateway_core.json import JsonObject, dumps
from simulators.kiro.fixtures import document
from simulators.kiro.server import KiroSimulator
from simulators.kiro.state import PROFILE

__all__ = [
    "MODEL",
    "READ_FILE",
    "address_of",
    "assistant",
    "body",
    "headers_of",
    "recorded_request",
    "result",
    "send",
    "use",
    "user",
]

MODEL = "claude-sonnet-4.5"
READ_FILE: JsonObject = {
    "toolSpecification": {
        "name": "read_file",
        "description": "Read a text file",
        "inputSchema": {
            "json": {"type": "object", "properties": {"path": {"type": "string"}}},
        },
    }
}
_AGENT = "gateway-kiro/0.1.0 (Linux)"


def user(content: str = "hi", **context: Any) -> JsonObject:
    """What the user says. context: tools and results beside it."""
    said: JsonObject = {"content": content, "modelId": MODEL, "origin": "AI_EDITOR"}
    if context:
        said["userInputMessageContext"] = context
    return {"userInputMessage": said}


def assistant(content: str = "A", *uses: JsonObject, **more: Any) -> JsonObject:
    """What the assistant said."""
    said: JsonObject = {"content": content, **more}
    if uses:
        said["toolUses"] = list(uses)
    return {"assistantResponseMessage": said}


def use(id: str = "tooluse_1", name: str = "read_file", **input: object) -> JsonObject:
    """The use of a tool."""
    return {"toolUseId": id, "name": name, "input": input}


def result(id: str = "tooluse_1", text: str = "x") -> JsonObject:
    """What came of it."""
    return {"toolUseId": id, "content": [{"text": text}], "status": "success"}


def body(*messages: JsonObject, **more: Any) -> JsonObject:
    """A whole body: a history, and what the user says now."""
    *history, current = messages or (user(),)
    state: JsonObject = {
        "chatTriggerType": "MANUAL",
        "agentTaskType": "vibe",
        "agentContinuationId": "0b7a1c52-9d3e-4f60-8a21-77aa88bb99cc",
        "conversationId": "6f1c2d3e-4a5b-4c6d-8e7f-901122334455",
        "currentMessage": current,
    }
    if history:
        state["history"] = history
    return {"conversationState": state, "profileArn": PROFILE, **more}


def headers_of(token: str, **more: str) -> dict[str, str]:
    """The headers of a careful client; `_` stands for `-` in the names of more."""
    return {
        "authorization": f"Bearer {token}",
        "content-type": "application/x-amz-json-1.0",
        "accept": "application/vnd.amazon.eventstream",
        "x-amz-target": "AmazonCodeWhispererStreamingService.GenerateAssistantResponse",
        "x-amzn-codewhisperer-optout": "true",
        "x-amzn-kiro-agent-mode": "vibe",
        "x-amzn-kiro-profile-arn": PROFILE,
        "user-agent": _AGENT,
        "x-amz-user-agent": _AGENT,
        "amz-sdk-invocation-id": "3f1d0c9b-8a76-4e54-9b32-10fedcba9876",
        "amz-sdk-request": "attempt=1; max=3",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }


def send(
    simulator: KiroSimulator, sent: JsonObject, path: str = "/runtime/us-east-1/", **more: str
) -> httpx.Response:
    """Ask the simulator in the name of its own account."""
    headers = headers_of(simulator.tokens.access, **more)
    with httpx.Client(base_url=simulator.url, timeout=5) as http:
        return http.post(path, content=dumps(sent), headers=headers)


def address_of(simulator: KiroSimulator, url: str) -> str:
    """Where the simulator has what the real service has at an address."""
    parts = urlsplit(url)
    name, region = str(parts.hostname).split(".")[:2]
    query = f"?{parts.query}" if parts.query else ""
    return f"{simulator.url}/{name}/{region}{parts.path}{query}"


def recorded_request(simulator: KiroSimulator, name: str) -> tuple[str, dict[str, str], JsonObject]:
    """Address, headers and body of a recorded request, in the name of the simulator's account."""
    recorded = document(name)
    token = f"Bearer {simulator.tokens.access}"
    headers = {**recorded["headers"], "authorization": token}
    return address_of(simulator, recorded["url"]), headers, recorded["body"]
