"""What a call must remember between its translation and the end of its answer."""

from dataclasses import dataclass, field

from gateway_core import Credential
from gateway_core.events import Notice
from gateway_kiro.settings import KiroSettings

__all__ = ["CallState", "SearchPlan"]


@dataclass(slots=True, frozen=True)
class SearchPlan:
    """How the hosted web search is done in a turn.

    tool: wire name of the function through which the model asks for it; None when the whole turn
    is one search. query: of such a turn. rounds: how often the model may search. allowed, blocked:
    host names that results must, or must not, be from.
    """

    tool: str | None = None
    query: str | None = None
    rounds: int = 0
    allowed: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True)
class CallState:
    """The plugin's own part of an `UpstreamCall`.

    model: as it was asked for. window: its context window in tokens. restore: wire names of tools
    to those of the client. scope: stamped on seals. tags: whether thinking may come between tags.
    size: bytes of the request without images; limit: the most there may be, 0 for any number.
    format: of the client. notices: what the translation did that the user should learn.
    """

    credential: Credential
    settings: KiroSettings
    model: str
    scope: str = ""
    window: int | None = None
    restore: tuple[tuple[str, str], ...] = ()
    tags: bool = False
    size: int = 0
    limit: int = 0
    format: str = "canonical"
    notices: tuple[Notice, ...] = field(default=())
    search: SearchPlan | None = None

    @property
    def tokens(self) -> int:
        """About how many tokens the request has."""
        return self.size // 4
