"""The canonical event stream: what every upstream is decoded into and every client is written from.

Grammar (checked by `gateway_core.grammar`):
`Begin? ((Open Delta* Close | Whole) | UsageSeen | NoticeSeen | Tick | Partial)* (End | Fail)`, with
indexes from 0 without gaps, one part open at a time, and nothing after the last event. What has no
index may also stand between the events of a part.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from gateway_core.content import (
    Citation,
    Extras,
    Foreign,
    HostedCall,
    Media,
    Reasoning,
    Seal,
    Text,
    ToolCall,
)
from gateway_core.errors import GatewayError
from gateway_core.json import JsonObject

__all__ = [
    "Begin",
    "Close",
    "Delta",
    "End",
    "Event",
    "Fail",
    "Notice",
    "NoticeSeen",
    "Open",
    "Partial",
    "StopReason",
    "StreamedPart",
    "Tick",
    "Usage",
    "UsageSeen",
    "Whole",
    "WholePart",
]

StopReason: TypeAlias = Literal[
    "stop",  # the model was done
    "stop_sequence",  # it wrote one of the client's stop sequences
    "length",  # the output limit cut it
    "tool_use",  # it waits for results of tools
    "refusal",  # it, or a filter, declined
    "pause",  # the upstream wants to be called again with the same history
    "context_window",  # the context window filled up during the answer
    "other",
]
StreamedPart: TypeAlias = Text | Reasoning | ToolCall
WholePart: TypeAlias = Media | HostedCall | Foreign | Reasoning


@dataclass(slots=True)
class Usage:
    """Token totals; None means unknown.

    `input` includes `cache_read` and `cache_write`; `output` includes `reasoning`. `web_searches`
    counts hosted searches. `raw` is the upstream's own object.
    """

    input: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    output: int | None = None
    reasoning: int | None = None
    web_searches: int | None = None
    raw: JsonObject | None = None


@dataclass(slots=True, frozen=True)
class Notice:
    """Something done to the request or answer that the user should be able to learn.

    `code` is a short stable word such as `dropped_temperature`; `message` is for people.
    """

    code: str
    message: str


@dataclass(slots=True)
class Begin:
    """The upstream took the request. `id` and `model` are its own names, for the log.

    stored: whether the upstream keeps the answer under `id`, for `gateway_stored_response`.
    """

    id: str | None = None
    model: str | None = None
    stored: bool = False


@dataclass(slots=True)
class Open:
    """A part starts. `part` carries what is known up front; its text is empty and comes as
    deltas.
    """

    index: int
    part: StreamedPart


@dataclass(slots=True)
class Delta:
    """More text of the open part: text, reasoning, or raw arguments of a tool call."""

    index: int
    text: str


@dataclass(slots=True)
class Close:
    """The open part is complete; what is known only now is added to it."""

    index: int
    seal: Seal | None = None
    citations: list[Citation] | None = None
    extras: Extras | None = None


@dataclass(slots=True)
class Whole:
    """A part that comes in one piece."""

    index: int
    part: WholePart


@dataclass(slots=True)
class UsageSeen:
    """Totals so far; each replaces the one before."""

    usage: Usage


@dataclass(slots=True)
class NoticeSeen:
    """A notice that came up during the stream."""

    notice: Notice


@dataclass(slots=True)
class Tick:
    """The upstream is alive but had nothing to say."""


@dataclass(slots=True)
class Partial:
    """A picture on its way: what the hosted call `id` has so far, before it comes as a `Whole`.

    `number` counts from 0 for each call. Nothing depends on it; writers that cannot show it leave
    it out.
    """

    id: str
    number: int
    media: Media


@dataclass(slots=True)
class End:
    """The answer is complete. `stop_sequence` is the one that was hit, when known."""

    reason: StopReason
    raw_reason: str | None = None
    usage: Usage | None = None
    stop_sequence: str | None = None
    extras: Extras | None = None


@dataclass(slots=True)
class Fail:
    """The answer broke off; never followed by a success marker."""

    error: GatewayError


Event: TypeAlias = (
    Begin | Open | Delta | Close | Whole | UsageSeen | NoticeSeen | Tick | Partial | End | Fail
)
