"""The canonical request: what every client format is read into and every upstream is written
from.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from gateway_core.content import Extras, Message, Text
from gateway_core.events import Notice
from gateway_core.json import JsonObject

__all__ = [
    "EFFORTS",
    "CustomTool",
    "FunctionTool",
    "HostedTool",
    "OutputSpec",
    "ReasoningSpec",
    "Request",
    "Sampling",
    "SessionHints",
    "Source",
    "Tool",
    "ToolChoice",
]

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Reasoning efforts in ascending order; a provider maps an effort it lacks to the nearest."""


@dataclass(slots=True)
class FunctionTool:
    """A tool with a JSON Schema. `strict` is None when the client did not say."""

    name: str
    description: str | None
    parameters: JsonObject
    strict: bool | None = None
    extras: Extras | None = None


@dataclass(slots=True)
class CustomTool:
    """A tool that takes free text, optionally under a grammar (`format`, in OpenAI's flat
    shape).
    """

    name: str
    description: str | None
    format: JsonObject | None = None
    extras: Extras | None = None


@dataclass(slots=True)
class HostedTool:
    """A tool that runs at the upstream.

    `kind` is canonical: `web_search`, `image_generation`, or the client's own word for others.
    `options` holds canonical keys: `allowed_domains`, `blocked_domains`, `max_uses`,
    `user_location` (`{"city", "country", "region", "timezone"}`), `context_size` for `web_search`;
    `size`, `quality`, `background`, `output_format`, `partial_images`, `model` for
    `image_generation`. The client's own object, when more is in it, is kept in `extras` under the
    format's name. `wished_in` is the client's field, where that is another than `tools`.
    """

    kind: str
    name: str
    options: JsonObject = field(default_factory=dict)
    extras: Extras | None = None
    wished_in: str | None = None


Tool: TypeAlias = FunctionTool | CustomTool | HostedTool


@dataclass(slots=True)
class ToolChoice:
    """What the model must do with tools; `names` is set for mode `tool` (one or several allowed).

    `parallel` is None when the client left it to the upstream. `required_among` is true when
    several `names` are allowed and one must be called.
    """

    mode: Literal["auto", "none", "required", "tool"] = "auto"
    names: list[str] = field(default_factory=list)
    required_among: bool = True
    parallel: bool | None = None


@dataclass(slots=True)
class OutputSpec:
    """The shape of the answer: free text, any JSON, or JSON under a schema; and its verbosity."""

    kind: Literal["text", "json", "json_schema"] = "text"
    name: str | None = None
    description: str | None = None
    schema: JsonObject | None = None
    strict: bool | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


@dataclass(slots=True)
class Sampling:
    """Knobs of generation. None means that the client did not say."""

    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: list[str] = field(default_factory=list)
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


@dataclass(slots=True)
class ReasoningSpec:
    """How much to think and how much of it to show.

    `enabled` is None when the client did not say. `effort` is one of `EFFORTS`. `budget_tokens` is
    Anthropic's older spelling of effort; `effective_effort` folds it in.
    """

    enabled: bool | None = None
    effort: str | None = None
    budget_tokens: int | None = None
    summary: Literal["none", "auto", "concise", "detailed"] | None = None

    @property
    def effective_effort(self) -> str | None:
        """The effort to ask for: as said, else derived from the token budget, else None."""
        if self.enabled is False:
            return "none"
        if self.effort is not None or self.budget_tokens is None:
            return self.effort
        if self.budget_tokens < 4096:
            return "low"
        return "medium" if self.budget_tokens < 16384 else "high"


@dataclass(slots=True)
class SessionHints:
    """What helps routing, caching and continuity but never changes what the model is asked."""

    session_id: str | None = None
    agent_id: str | None = None
    user: str | None = None
    cache_key: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    previous_response_id: str | None = None
    metadata: JsonObject | None = None


@dataclass(slots=True, frozen=True)
class Source:
    """Where a request came from: the format's name and the client's decoded JSON, read-only.

    A provider of the same format may copy named fields that the model does not cover: an allow-list
    in the provider, never a pass-through.
    """

    format: str
    body: JsonObject


@dataclass(slots=True)
class Request:
    """One turn asked of a model."""

    model: str
    messages: list[Message]
    instructions: list[Text] = field(default_factory=list)
    tools: list[Tool] = field(default_factory=list)
    tool_choice: ToolChoice = field(default_factory=ToolChoice)
    output: OutputSpec = field(default_factory=OutputSpec)
    sampling: Sampling = field(default_factory=Sampling)
    reasoning: ReasoningSpec = field(default_factory=ReasoningSpec)
    session: SessionHints = field(default_factory=SessionHints)
    stream: bool = False
    source: Source = field(default_factory=lambda: Source("canonical", {}))
    notices: list[Notice] = field(default_factory=list)
