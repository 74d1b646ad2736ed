"""Media of a kind that a model does not take, where they are no part of the present question.

A picture that the user sends now is refused by name. One that a tool has brought, or that was sent
in an earlier turn, is told of in words instead: the model can go on without it, and a session in
which one came up could not go on at all otherwise. Pure.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from gateway_core.content import Media, Message, Text, ToolResult

__all__ = ["without_unseen_media"]


def without_unseen_media(
    messages: Sequence[Message], seen: Collection[str]
) -> tuple[list[Message], Counter[str]]:
    """The messages with words in place of such media, and how many of each kind there were. `seen`
    are the kinds that the model takes. A message in which nothing changes is the same object.
    """
    omitted: Counter[str] = Counter()
    answered = max(
        (i for i, message in enumerate(messages) if message.role == "assistant"), default=-1
    )

    def told(part: Any, asked_now: bool) -> Any:
        if type(part) is Media and part.kind not in seen and not asked_now:
            omitted[part.kind] += 1
            return Text(f"[{part.kind} omitted: this model takes no {part.kind} input]")
        if type(part) is ToolResult:
            before = omitted.total()
            content = [told(inner, False) for inner in part.content]
            return part if omitted.total() == before else replace(part, content=content)
        return part

    changed: list[Message] = []
    for index, message in enumerate(messages):
        before = omitted.total()
        parts = [told(part, index > answered) for part in message.parts]
        changed.append(message if omitted.total() == before else replace(message, parts=parts))
    return changed, omitted
