"""Calls of tools in pairs with their results, for upstreams that refuse a history in which one of
them is alone.

Such histories are everyday: a client compacted the conversation, or a turn was interrupted. Pure,
and knows no wire format. What becomes of a message depends on earlier messages alone, except for
calls that nobody answered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway_core.content import Message, Part, Text, ToolCall, ToolResult

__all__ = ["ABORTED", "pair_calls"]

ABORTED: Final = "aborted"
"""The result of a call that was never answered, in the words of Codex CLI."""

_GONE: Final = "of an earlier tool call that is no longer part of this conversation]"


def pair_calls(messages: Sequence[Message], *, keep_lonely_results: bool = False) -> list[Message]:
    """The messages with all results of a message's calls right after it, in the order of the calls,
    and before whatever else the user says there. The given ones stay as they are.

    A call without a result gets one that says so; a result without a call becomes something that
    the user says, for it may still matter. Of several results for one call the first counts. An id
    that comes again gets a number: some services count anew in every turn.

    keep_lonely_results: the upstream may have made the calls in what it stores.
    """
    used: dict[str, int] = {}
    asked: dict[str, list[_Call]] = {}
    answers: list[tuple[Message, list[_Call]]] = []
    answer: Message | None = None  # to the calls of the message just before
    paired: list[Message] = []
    for message in messages:
        if message.role == "user":
            told = _told(message.parts, asked, keep_lonely_results)
            if answer is not None:
                answer.parts, answer.extras = told, message.extras
            elif told or not message.parts:
                paired.append(Message("user", told, message.extras))
            answer = None
            continue
        calls, numbered = _numbered(message, used)
        paired.append(numbered)
        answer = None
        if calls:
            asked |= _by_given_id(calls)
            answer = Message("user")
            answers.append((answer, calls))
            paired.append(answer)
    for answer, calls in answers:
        answer.parts[:0] = [call.answer() for call in calls]
    return paired


@dataclass(slots=True)
class _Call:
    """A call, the id that it goes by, and its result as soon as that is found."""

    given: ToolCall
    id: str
    result: ToolResult | None = None

    def answer(self) -> ToolResult:
        result = self.result or ToolResult(self.id, [Text(ABORTED)])
        if result.call_id == self.id and result.custom == self.given.custom:
            return result
        return replace(result, call_id=self.id, custom=self.given.custom)


def _numbered(message: Message, used: dict[str, int]) -> tuple[list[_Call], Message]:
    """The calls of a message, and the message with its calls under the ids that they go by."""
    calls: list[_Call] = []
    parts: list[Part] = []
    for part in message.parts:
        if type(part) is ToolCall:
            call = _Call(part, _unused(part.id, used))
            calls.append(call)
            parts.append(part if call.id == part.id else replace(part, id=call.id))
        else:
            parts.append(part)
    return calls, Message(message.role, parts, message.extras) if calls else message


def _by_given_id(calls: Sequence[_Call]) -> dict[str, list[_Call]]:
    found: dict[str, list[_Call]] = {}
    for call in calls:
        found.setdefault(call.given.id, []).append(call)
    return found


def _told(parts: Sequence[Part], asked: Mapping[str, list[_Call]], keep_lonely: bool) -> list[Part]:
    """What else there is than results of calls, which go to their calls."""
    told: list[Part] = []
    for part in parts:
        if type(part) is not ToolResult:
            told.append(part)
        elif (calls := asked.get(part.call_id)) is not None:
            waiting = next((call for call in calls if call.result is None), None)
            if waiting is not None:
                waiting.result = part
        else:
            told += [part] if keep_lonely else _in_words(part)
    return told


def _in_words(result: ToolResult) -> list[Part]:
    what = f"[{'Error' if result.failed else 'Result'} {_GONE}"
    first = result.content[0] if result.content else None
    if not isinstance(first, Text):
        return [Text(what), *result.content]
    return [Text(f"{what}\n{first.text}", extras=first.extras), *result.content[1:]]


def _unused(id: str, used: dict[str, int]) -> str:
    """The id, with a number when the conversation has it already.

    used: ids, and how often each of them was asked for.
    """
    count, unused = used.get(id, 0), id
    while unused in used:
        count += 1
        unused = f"{id}_{count}"
    used[id] = count
    used[unused] = 1
    return unused
