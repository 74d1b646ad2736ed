"""Requests as the Cursor plugin translates them, and what such a call says in plain JSON."""

import json
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from gateway_core import (
    Credential,
    JsonObject,
    Message,
    Model,
    Request,
    Route,
    Text,
    ToolCall,
    UpstreamCall,
)
from gateway_core.content import Part
from gateway_core.degrade import degrade
from gateway_core.json import dumps_text, loads
from gateway_cursor.models import CAPABILITIES
from gateway_cursor.plan import RunPlan, RunStart
from gateway_cursor.proto import agent_pb2 as pb
from gateway_cursor.request import translate
from gateway_cursor.settings import CursorSettings
from gateway_cursor.values import from_value

__all__ = [
    "CREDENTIAL",
    "asked",
    "assistant",
    "call_of",
    "conversation",
    "degraded",
    "fixture",
    "fixture_blobs",
    "planned",
    "readable",
    "roots",
    "translated",
    "user",
]

FIXTURES = Path(__file__).parents[1] / "cursor" / "fixtures"
CREDENTIAL = Credential(
    provider="cursor",
    account="auth0|user_1",
    access_token=SecretStr("fake-access-1"),
    refresh_token=SecretStr("fake-refresh-1"),
    extra={"kind": "session"},
)


def fixture(name: str) -> pb.AgentClientMessage:
    """The message of a client's fixture that has one envelope."""
    (path,) = FIXTURES.glob(f"{name}-*.bin")
    return pb.AgentClientMessage.FromString(path.read_bytes()[5:])


def fixture_blobs(name: str) -> dict[bytes, bytes]:
    """The blobs that belong to a fixture, by id."""
    (path,) = FIXTURES.glob(f"{name}-*.json")
    blobs = json.loads(path.read_text())["blobs"]
    return {bytes.fromhex(id): b64decode(data) for id, data in blobs.items()}


def user(*parts: str | Part) -> Message:
    """What the user says."""
    return Message("user", [Text(part) if isinstance(part, str) else part for part in parts])


def assistant(*parts: str | Part) -> Message:
    """What the assistant said."""
    return Message("assistant", [Text(part) if isinstance(part, str) else part for part in parts])


def call_of(id: str, name: str = "Bash", **arguments: object) -> ToolCall:
    """A call of a tool."""
    return ToolCall(id, name, dumps_text(arguments))


def asked(*messages: Message, system: str = "", **more: Any) -> Request:
    """A request."""
    instructions = [Text(system)] if system else []
    return Request("m", list(messages), instructions=instructions, **more)


def degraded(request: Request) -> Request:
    """The request as the core hands it on: within the plugin's capabilities."""
    return degrade(request, CAPABILITIES, "cursor/m")[0]


def translated(
    request: Request,
    model: str = "claude-opus-5",
    settings: CursorSettings | None = None,
    options: Mapping[str, str] | None = None,
    info: Model | None = None,
    credential: Credential | None = CREDENTIAL,
) -> UpstreamCall:
    """The call for a request."""
    route = Route("cursor", model, model, options or {}, info)
    return translate(request, route, credential, settings or CursorSettings())


def planned(request: Request, *more: Any, **options: Any) -> RunPlan:
    """The plan for a request."""
    plan = translated(request, *more, **options).state
    assert isinstance(plan, RunPlan)
    return plan


def roots(start: RunStart) -> list[JsonObject]:
    """The messages that the model's prompt is made of."""
    ids = start.request.conversation_state.root_prompt_messages_json
    return [loads(start.blobs[id]) for id in ids]


def conversation(call: UpstreamCall) -> list[JsonObject]:
    """The turns of a call, without the one that is asked now."""
    return roots(call.state.start)


def readable(call: UpstreamCall) -> str:
    """All that a call tells the model."""
    plan: RunPlan = call.state
    said = plan.start.request.action.user_message_action.user_message.text
    told = [dumps_text(root) for root in conversation(call)]
    tools = [
        f"{tool.name} {tool.tool_name}\n{tool.description}\n"
        + dumps_text(from_value(tool.input_schema))
        for tool in plan.start.request.mcp_tools.mcp_tools
    ]
    return "\n".join([*told, said, *tools, plan.context.cloud_rule])
