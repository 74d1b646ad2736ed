"""Canonical content: what a message is made of.

Values here are built by format readers, decoders and plugins only; nothing validates them twice.
This module knows no wire format. Whatever a format says beyond it travels in `extras`, keyed by the
namespace that understands it, or whole in a `Foreign` part.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from gateway_core.json import JsonObject

__all__ = [
    "Citation",
    "Extras",
    "Foreign",
    "HostedCall",
    "Media",
    "MediaKind",
    "Message",
    "Part",
    "Reasoning",
    "ResultPart",
    "Role",
    "Seal",
    "Text",
    "ToolCall",
    "ToolResult",
]

Extras: TypeAlias = dict[str, JsonObject]
Role: TypeAlias = Literal["system", "user", "assistant"]
MediaKind: TypeAlias = Literal["image", "document", "audio", "video"]


@dataclass(slots=True, frozen=True)
class Seal:
    """Opaque reasoning state that only its issuer can read, to be replayed to that issuer alone.

    `issuer` is a provider id, `data` the opaque text, `id` the issuer's name for the item, `scope`
    a short hash of the account the state is bound to.
    """

    issuer: str
    data: str
    id: str | None = None
    scope: str | None = None


@dataclass(slots=True)
class Citation:
    """A source behind a text part. `start` and `end` are character offsets within that part."""

    url: str
    title: str | None = None
    start: int | None = None
    end: int | None = None


@dataclass(slots=True)
class Text:
    """Plain text; `refusal` marks the model's words of refusal where a format tells them apart."""

    text: str
    refusal: bool = False
    citations: list[Citation] | None = None
    extras: Extras | None = None


@dataclass(slots=True)
class Media:
    """An image, document, audio or video: base64 `data`, a `url`, or an upstream `file` id.

    `type` is the media type (`image/png`). A document whose type is `text/plain` carries its text
    in `data` as it is, not in base64.
    """

    kind: MediaKind
    type: str | None = None
    name: str | None = None
    data: str | None = None
    url: str | None = None
    file: str | None = None
    extras: Extras | None = None


@dataclass(slots=True)
class Reasoning:
    """Thinking, in clear as far as the issuer shows it; `redacted` means that nothing is shown."""

    text: str
    seal: Seal | None = None
    redacted: bool = False
    extras: Extras | None = None


@dataclass(slots=True)
class ToolCall:
    """A call the client must run. `arguments` is raw text: JSON, or free text when `custom`."""

    id: str
    name: str
    arguments: str
    custom: bool = False
    seal: Seal | None = None
    extras: Extras | None = None


@dataclass(slots=True)
class Foreign:
    """An item only one namespace understands, kept whole; a provider refuses others' by name."""

    namespace: str
    kind: str
    data: JsonObject


ResultPart: TypeAlias = Text | Media | Foreign


@dataclass(slots=True)
class ToolResult:
    """The client's answer to a `ToolCall`, matched by `call_id`; `failed` marks an error result."""

    call_id: str
    content: list[ResultPart]
    failed: bool = False
    custom: bool = False
    extras: Extras | None = None


@dataclass(slots=True)
class HostedCall:
    """A tool that ran at the upstream, with its outcome when known.

    `web_search`: arguments `{"query": ...}`, result `{"sources": [{"url", "title"}]}`, or
    `{"error": code}`. `image_generation`: arguments `{"prompt": ...}`, result
    `{"media_type", "data"}` with base64 data. Other names keep the upstream's own shape.
    """

    id: str
    name: str
    arguments: str
    result: JsonObject | None = None
    extras: Extras | None = None


Part: TypeAlias = Text | Media | Reasoning | ToolCall | ToolResult | HostedCall | Foreign


@dataclass(slots=True)
class Message:
    """One message. Tool results are parts of user messages; consecutive ones share a message."""

    role: Role
    parts: list[Part] = field(default_factory=list)
    extras: Extras | None = None
