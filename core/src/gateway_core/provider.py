"""The values that cross the hook boundary between the core and a provider plugin.

`gateway_core.hookspecs` says which hook takes and returns which. Nothing here does I/O.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias

from pydantic import BaseModel, ConfigDict

from gateway_core.events import Event, Notice, Usage
from gateway_core.json import JsonObject

__all__ = [
    "Account",
    "Capabilities",
    "Claim",
    "Exchange",
    "LoginKind",
    "LoginPrompt",
    "Model",
    "NoSettings",
    "ProviderInfo",
    "RateWindow",
    "Route",
    "StoredAction",
    "StreamDecoder",
    "UpstreamCall",
    "UpstreamStream",
]

LoginKind: TypeAlias = Literal["none", "browser", "device", "key"]
StoredAction: TypeAlias = Literal["retrieve", "delete", "cancel", "input_items"]


@dataclass(slots=True, frozen=True)
class Capabilities:
    """What a provider or model can take; `gateway_core.degrade` holds requests against it.

    sampling: names of `Sampling` fields that are passed on.
    efforts: reasoning efforts accepted, ascending; empty when reasoning cannot be asked for.
    media_urls: whether media may be given by URL rather than inline.
    file_ids: kinds of media that may be given by the id of a file that the upstream keeps.
    native_compaction: whether the upstream may answer the `compaction_trigger` of the Responses
    format itself, and takes its own `compaction` items back; otherwise, and where it says so by an
    error with the code `compaction_unavailable`, the gateway asks the model for a summary.
    """

    input: frozenset[str] = frozenset({"text", "image", "document"})
    media_urls: bool = True
    tools: bool = True
    custom_tools: bool = False
    hosted_tools: frozenset[str] = frozenset()
    tool_choice: frozenset[str] = frozenset({"auto", "none", "required", "tool"})
    parallel_tools: bool = True
    output: frozenset[str] = frozenset({"text", "json", "json_schema"})
    verbosity: bool = False
    sampling: frozenset[str] = frozenset({"max_output_tokens", "temperature", "top_p", "stop"})
    efforts: tuple[str, ...] = ("low", "medium", "high")
    native_compaction: bool = False
    file_ids: frozenset[str] = frozenset()


@dataclass(slots=True, frozen=True)
class Model:
    """A model as listed. Facts that are unknown stay None; `capabilities` overrides the
    provider's.

    `private` is what only the provider understands (which API variant serves the model); it is
    kept with the list and never shown to clients.
    """

    id: str
    title: str | None = None
    aliases: tuple[str, ...] = ()
    context_window: int | None = None
    max_output_tokens: int | None = None
    input: tuple[str, ...] = ("text",)
    efforts: tuple[str, ...] = ()
    default_effort: str | None = None
    created: datetime | None = None
    capabilities: Capabilities | None = None
    private: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class Claim:
    """A provider's answer to a name that is in no model list: the model it means, and options."""

    model: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class Route:
    """Where a request goes. `model` is the provider's own id, `requested` what the client wrote.

    `options` come from name suffixes (`effort`, `tier`). `model_info` is None for claimed names
    that no list holds.
    """

    provider: str
    model: str
    requested: str
    options: Mapping[str, str] = field(default_factory=dict)
    model_info: Model | None = None
    reason: str = ""


class NoSettings(BaseModel):
    """The settings model of a provider that has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(slots=True, frozen=True)
class ProviderInfo:
    """Who a provider is.

    id: `[a-z][a-z0-9-]*`, the prefix in `provider/model` and the name of its settings table.
    contract: the `CONTRACT` of the core it was written against.
    login_optional: it also serves without a login, with less; every hook then takes None for the
    credential. Such a provider is only asked when it is named: it gets no Claude names that nobody
    serves, and no `gateway ask` without a model.
    settings: a pydantic model with `extra="forbid"` that validates `[providers.<id>]`.
    hosts: host names the plugin talks to, for people to see.
    """

    id: str
    title: str
    contract: int
    login: LoginKind = "none"
    settings: type[BaseModel] = NoSettings
    capabilities: Capabilities = Capabilities()
    hosts: tuple[str, ...] = ()
    login_optional: bool = False

    @property
    def needs_login(self) -> bool:
        """Whether nothing can be asked of it before a login."""
        return self.login != "none" and not self.login_optional


@dataclass(slots=True, frozen=True)
class RateWindow:
    """A rate-limit window: `name` such as `5h` or `weekly`, percentage left (0 to 100), reset
    time.
    """

    name: str
    remaining_percent: float | None = None
    reset_at: datetime | None = None


@dataclass(slots=True, frozen=True)
class Account:
    """What a provider tells about the account behind a credential; None where it does not.

    structure: what kind of account it is, in the provider's words (`personal`, `workspace`).
    """

    id: str | None = None
    name: str | None = None
    email: str | None = None
    structure: str | None = None
    plan: str | None = None
    subscription_active: bool | None = None
    subscription_until: datetime | None = None
    credits_balance: float | None = None
    credits_unlimited: bool = False
    rate_windows: Sequence[RateWindow] = ()
    warnings: Sequence[str] = ()


@dataclass(slots=True)
class UpstreamCall:
    """One upstream exchange as data. Tests compare it as a value.

    headers hold the credential and are never logged. `idle_timeout` and `total_timeout` in seconds
    override the settings. `state` is the plugin's own, handed from translate to decoder. `notices`
    tell the user what was left out or changed on the way.
    """

    method: str
    url: str
    headers: dict[str, str]
    body: bytes = b""
    idle_timeout: float | None = None
    total_timeout: float | None = None
    state: Any = None
    notices: list[Notice] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"UpstreamCall({self.method} {self.url}, {len(self.body)} bytes)"


class UpstreamStream(Protocol):
    """An open upstream answer: status and headers at once, then the body in reads.

    Header names are lower case. A transport without HTTP says status 200 and no headers.
    """

    status: int
    headers: Mapping[str, str]

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def send(self, data: bytes) -> None:
        """Answer back, on duplex transports only."""
        ...


class StreamDecoder(Protocol):
    """Upstream bytes to events, sans-IO."""

    def feed(self, data: bytes) -> Sequence[Event]:
        """Events completed by these bytes."""
        ...

    def end(self) -> Sequence[Event]:
        """The upstream closed the stream: a `Fail` when it stopped early, else nothing."""
        ...

    def data_to_send(self) -> bytes:
        """Bytes the protocol wants sent back; `b""` unless it answers."""
        ...


class LoginPrompt(Protocol):
    """How a login talks to the person in front of it."""

    def show(self, message: str) -> None:
        """Tell something."""
        ...

    async def ask(self, question: str, *, secret: bool = False) -> str:
        """Ask something; cancelled when another way of login wins."""
        ...

    def open_browser(self, url: str) -> bool:
        """Try to open a browser; False when there is none."""
        ...


@dataclass(slots=True)
class Exchange:
    """What happened in one exchange, told to every plugin afterwards. Times in seconds.

    No prompt and no answer text is in it. `error` is the kind of the error that ended it, or None.
    `account_label` is what people call the account. `asked` is False when the provider was asked
    nothing: the request was refused here, or needed no answer.
    """

    id: str
    format: str
    provider: str
    account: str | None
    model: str
    requested: str
    stream: bool
    status: int
    error: str | None
    started_at: datetime
    first_event: float | None
    duration: float
    usage: Usage | None
    notices: Sequence[str] = ()
    upstream: JsonObject | None = None
    account_label: str | None = None
    asked: bool = True
