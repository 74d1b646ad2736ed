"""What is wrong in something that a client sent, and what Cursor does about it."""

from dataclasses import dataclass

from gateway_core.json import JsonObject

__all__ = ["Problem"]


@dataclass(slots=True, frozen=True)
class Problem:
    """text: what is wrong. error: with which Cursor ends the run, None when it takes no notice.
    blame: whether a careful client never sends it; other problems are facts of life.
    """

    text: str
    error: JsonObject | None = None
    blame: bool = True

    def __str__(self) -> str:
        return self.text
