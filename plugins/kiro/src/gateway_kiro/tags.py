"""Thinking that comes as text between tags, told apart from the answer while it streams.

Only a tag at the very start of an answer opens thinking. It ends at the first closing tag that a
blank line or the end of the text follows; any other is something the model writes about.
"""

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

__all__ = ["Piece", "TagSplitter"]

Piece: TypeAlias = tuple[Literal["thinking", "text"], str]

_NAMES: Final = ("thinking", "think", "reasoning", "thought")
_OPENING: Final = tuple(f"<{name}>" for name in _NAMES)
_GAP: Final = "\n\n"


class TagSplitter:
    """`feed` text as it comes; `flush` when something else comes or the answer is over."""

    __slots__ = ("_closing", "_held", "_place")

    def __init__(self) -> None:
        self._place: str = "before"  # or inside, or after the thinking
        self._held = ""
        self._closing = ""

    def feed(self, text: str) -> Iterator[Piece]:
        """What is certain now, in order, without the tags and the blank lines around them."""
        if self._place == "after":
            if text:
                yield "text", text
            return
        self._held += text
        if self._place == "before":
            self._enter()
        if self._place == "inside":
            yield from self._thoughts()
        elif self._place == "after" and self._held:
            yield "text", self._take()

    def flush(self) -> Iterator[Piece]:
        """What is left, now that no more text follows for now."""
        if self._place == "before":
            # An answer may begin with a tool and speak of tags later.
            self._place = "after"
            if self._held:
                yield "text", self._take()
        elif self._place == "inside":
            thought = self._held
            if thought.rstrip().endswith(self._closing):
                thought = thought.rstrip().removesuffix(self._closing)
                self._place = "after"
            self._held = ""
            if thought:
                yield "thinking", thought

    def _take(self) -> str:
        text, self._held = self._held, ""
        return text

    def _enter(self) -> None:
        """Decide whether thinking has begun, as soon as that is sure."""
        start = self._held.lstrip()
        for tag in _OPENING:
            # one more character is needed to know whether a newline follows
            if start.startswith(tag) and len(start) > len(tag):
                self._held = start[len(tag) :].removeprefix("\n")
                self._closing = f"</{tag[1:]}"
                self._place = "inside"
                return
            if tag.startswith(start):
                return
        self._place = "after"

    def _thoughts(self) -> Iterator[Piece]:
        end = self._closing + _GAP
        thought, found, rest = self._held.partition(end)
        if found:
            self._place = "after"
            self._held = ""
            if thought:
                yield "thinking", thought
            if rest:
                yield "text", rest
            return
        # A closing tag may have begun; what follows it must be seen before it counts.
        keep = next(
            (size for size in range(len(end) - 1, 0, -1) if self._held.endswith(end[:size])), 0
        )
        if len(self._held) > keep:
            cut = len(self._held) - keep
            yield "thinking", self._held[:cut]
            self._held = self._held[cut:]
