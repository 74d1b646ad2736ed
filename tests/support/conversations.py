"""A conversation with tools, held by a vendor's SDK as a careful client would hold it.

What came back goes into the history as it came, reasoning and signatures included. Each dialect
asks either for streams or for whole answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from openai.lib.streaming.chat import ChatCompletionStreamState

from gateway_core.json import JsonObject, loads_object
from support.server import Gateway

__all__ = [
    "CONVERSATIONS",
    "AnthropicTalk",
    "Call",
    "ChatTalk",
    "ResponsesTalk",
    "Spent",
    "Talk",
    "Turn",
]

_SYSTEM = "You are a careful assistant. " * 10


@dataclass(slots=True, frozen=True)
class Call:
    """A tool call as the client got it."""

    id: str
    name: str
    arguments: JsonObject


@dataclass(slots=True, frozen=True)
class Spent:
    """Tokens: `input` without those from a cache, `cached` those, `output` with reasoning."""

    input: int
    cached: int
    output: int


@dataclass(slots=True)
class Turn:
    """One answer. `stop` is in the dialect's own words."""

    text: str = ""
    thoughts: str = ""
    calls: list[Call] = field(default_factory=list)
    stop: str | None = None
    spent: Spent | None = None


class Talk(Protocol):
    """One conversation. `more` are parameters of each request, which `model` is to answer, as a
    `stream` or not.
    """

    more: dict[str, Any]
    model: str
    stream: bool

    def say(self, text: str) -> Turn:
        """The answer to a text."""
        ...

    def give(self, results: Mapping[str, str]) -> Turn:
        """The answer to results, by call id."""
        ...


def _schema(*names: str) -> JsonObject:
    properties = {name: {"type": "string", "description": f"The {name}"} for name in names}
    return {"type": "object", "properties": properties, "required": list(names)}


TOOLS: dict[str, tuple[str, JsonObject]] = {
    "lookup": ("Look something up", _schema("topic")),
    "mcp__a_server_with_a_very_long_name__and_a_tool_with_a_name_that_is_longer_still": (
        "A tool whose name is too long",
        _schema("city"),
    ),
    "clock": ("What time it is", {"type": "object"}),
}


@dataclass(slots=True)
class AnthropicTalk:
    """Messages."""

    gateway: Gateway
    stream: bool
    model: str = "gpt-5.5"
    more: dict[str, Any] = field(default_factory=dict)
    messages: list[Any] = field(default_factory=list)

    def say(self, text: str) -> Turn:
        return self._ask({"type": "text", "text": text})

    def give(self, results: Mapping[str, str]) -> Turn:
        kind = "tool_result"
        return self._ask(
            *({"type": kind, "tool_use_id": id, "content": text} for id, text in results.items())
        )

    def _ask(self, *content: JsonObject) -> Turn:
        self.messages.append({"role": "user", "content": list(content)})
        request: dict[str, Any] = {
            "model": self.model,
            "max_tokens": 8000,
            "system": _SYSTEM,
            "messages": self.messages,
            "thinking": {"type": "enabled", "budget_tokens": 4000},
            "tools": [
                {"name": name, "description": description, "input_schema": schema}
                for name, (description, schema) in TOOLS.items()
            ],
            **self.more,
        }
        with self.gateway.anthropic() as client:
            if self.stream:
                with client.messages.stream(**_ready(request, "messages", "max_tokens")) as stream:
                    message = stream.get_final_message()
            else:
                message = client.messages.create(**_ready(request, "messages", "max_tokens"))
        blocks = [block.model_dump(exclude_none=True, warnings=False) for block in message.content]
        self.messages.append({"role": "assistant", "content": blocks})
        turn = Turn(stop=message.stop_reason)
        for block in blocks:
            if block["type"] == "text":
                turn.text += block["text"]
            elif block["type"] == "thinking":
                turn.thoughts += block["thinking"]
            elif block["type"] == "tool_use":
                turn.calls.append(Call(block["id"], block["name"], block["input"]))
        usage = message.usage
        turn.spent = Spent(
            usage.input_tokens, usage.cache_read_input_tokens or 0, usage.output_tokens
        )
        return turn


@dataclass(slots=True)
class ChatTalk:
    """Chat Completions."""

    gateway: Gateway
    stream: bool
    model: str = "gpt-5.5"
    more: dict[str, Any] = field(default_factory=dict)
    messages: list[Any] = field(default_factory=lambda: [{"role": "system", "content": _SYSTEM}])

    def say(self, text: str) -> Turn:
        return self._ask({"role": "user", "content": text})

    def give(self, results: Mapping[str, str]) -> Turn:
        return self._ask(
            *({"role": "tool", "tool_call_id": id, "content": text} for id, text in results.items())
        )

    def _ask(self, *messages: JsonObject) -> Turn:
        self.messages += messages
        request: dict[str, Any] = {
            "model": self.model,
            "messages": self.messages,
            "max_completion_tokens": 8000,
            "temperature": 0.5,
            "tools": [
                {
                    "type": "function",
                    "function": {"name": name, "description": description, "parameters": schema},
                }
                for name, (description, schema) in TOOLS.items()
            ],
            **self.more,
        }
        with self.gateway.openai() as client:
            if self.stream:
                state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
                request |= {"stream_options": {"include_usage": True}}
                ready = _ready(request, "messages")
                for chunk in client.chat.completions.create(**ready, stream=True):
                    state.handle_chunk(chunk)
                completion: Any = state.current_completion_snapshot
            else:
                completion = client.chat.completions.create(**_ready(request, "messages"))
        choice = completion.choices[0]
        message = choice.message.model_dump(exclude_none=True, exclude={"parsed"}, warnings=False)
        self.messages.append(message)
        return Turn(
            text=message.get("content") or "",
            thoughts=message.get("reasoning_content") or "",
            calls=[
                Call(
                    call["id"],
                    call["function"]["name"],
                    loads_object(call["function"]["arguments"]),
                )
                for call in message.get("tool_calls", [])
            ],
            stop=choice.finish_reason,
            spent=_spent_in(completion.usage, "prompt_tokens", "completion_tokens"),
        )


@dataclass(slots=True)
class ResponsesTalk:
    """Responses."""

    gateway: Gateway
    stream: bool
    model: str = "gpt-5.5"
    more: dict[str, Any] = field(default_factory=dict)
    items: list[Any] = field(default_factory=list)

    def say(self, text: str) -> Turn:
        return self._ask({"type": "message", "role": "user", "content": text})

    def give(self, results: Mapping[str, str]) -> Turn:
        kind = "function_call_output"
        return self._ask(
            *({"type": kind, "call_id": id, "output": text} for id, text in results.items())
        )

    def _ask(self, *items: JsonObject) -> Turn:
        self.items += items
        request: dict[str, Any] = {
            "model": self.model,
            "instructions": _SYSTEM,
            "input": self.items,
            "max_output_tokens": 8000,
            "reasoning": {"effort": "medium", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
            "store": False,
            "tools": [
                {
                    "type": "function",
                    "name": name,
                    "description": description,
                    "parameters": schema,
                    "strict": False,
                }
                for name, (description, schema) in TOOLS.items()
            ],
            **self.more,
        }
        with self.gateway.openai() as client:
            response: Any = None
            if self.stream:
                for event in client.responses.create(**_ready(request, "input"), stream=True):
                    if event.type in ("response.completed", "response.incomplete"):
                        response = event.response
            else:
                response = client.responses.create(**_ready(request, "input"))
        output = [
            item.model_dump(exclude_none=True, warnings=False)
            for item in (response.output if response is not None else ())
        ]
        self.items += output
        turn = Turn(
            text=response.output_text,
            stop=response.status,
            spent=_spent_in(response.usage, "input_tokens", "output_tokens"),
        )
        for item in output:
            if item["type"] == "reasoning":
                turn.thoughts += "".join(part["text"] for part in item["summary"])
            elif item["type"] == "function_call":
                arguments = loads_object(item["arguments"])
                turn.calls.append(Call(item["call_id"], item["name"], arguments))
        return turn


def _ready(request: dict[str, Any], *required: str) -> dict[str, Any]:
    """The arguments of an SDK's method for a request that is JSON already: `model`, what the method
    insists on, and all the rest as it is. To look through a history for something to translate
    takes an SDK longer than everything else.
    """
    named = {name: request[name] for name in ("model", *required)}
    small = {name: [] if isinstance(value, list) else value for name, value in named.items()}
    return {**small, "extra_body": request}


def _spent_in(usage: Any, read: str, written: str) -> Spent | None:
    """OpenAI's usage: what was read includes what was cached."""
    if usage is None:
        return None
    details = getattr(usage, f"{read}_details")
    cached = details.cached_tokens or 0 if details is not None else 0
    return Spent(getattr(usage, read) - cached, cached, getattr(usage, written))


CONVERSATIONS = {"anthropic": AnthropicTalk, "chat": ChatTalk, "responses": ResponsesTalk}
