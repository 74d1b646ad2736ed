"""The rules of Kiro's history, enforced by repair.

History begins with the user, alternates, and ends with the assistant; the user speaks last. A use
of a tool is answered in the very next entry, and nothing else is answered there. No entry is empty.
The service answers any breach with an error that names none of this. What becomes of an entry
depends on it and the entries before it, except for uses that nobody answered.
"""

from collections.abc import Sequence
from typing import Final

from gateway_kiro.entries import Entry, Result
from gateway_kiro.names import call_id

__all__ = ["CANCELLED", "CONTINUE", "RESULTS_ATTACHED", "content_of", "repaired"]

CANCELLED: Final = "Tool use was cancelled by the user"
"""The result of a use that was never answered, in the words of the official client."""

CONTINUE: Final = "Continue"
"""What the user says where something must be said."""

RESULTS_ATTACHED: Final = "Tool results attached."
_BLANK: Final = " "  # models repeat whatever words stand in the assistant's place


def repaired(entries: Sequence[Entry]) -> list[Entry]:
    """The entries within the rules; the last is the user's. The given ones are used up."""
    merged = _merged(entries)
    if not merged or merged[0].role == "assistant":
        merged.insert(0, Entry("user", [CONTINUE]))
    if merged[-1].role == "assistant":
        merged.append(Entry("user"))
    _pair(merged)
    return merged


def content_of(entry: Entry) -> str:
    """The text of an entry, which is never blank for the user and never empty."""
    text = "\n".join(text for text in entry.texts if text)
    if entry.role == "assistant":
        return text or _BLANK
    if text.strip():
        return text
    return RESULTS_ATTACHED if entry.results else CONTINUE


def _merged(entries: Sequence[Entry]) -> list[Entry]:
    merged: list[Entry] = []
    for entry in entries:
        if not merged or merged[-1].role != entry.role:
            merged.append(entry)
            continue
        last = merged[-1]
        last.texts += entry.texts
        last.images += entry.images
        last.documents += entry.documents
        last.uses += entry.uses
        last.results += entry.results
        last.reasoning = entry.reasoning or last.reasoning
    return merged


def _pair(entries: list[Entry]) -> None:
    """Every use with one result right after it, every result with its use right before it.

    A use without a result gets one that says so; a result without a use becomes text, for what it
    says may still matter. Ids that come twice are told apart.
    """
    used: dict[str, int] = {}
    waiting: dict[str, list[str]] = {}
    for entry in entries:
        if entry.role == "assistant":
            waiting = {}
            for use in entry.uses:
                asked = use.id
                use.id = _unused(call_id(asked), used)
                waiting.setdefault(asked, []).append(use.id)
            continue
        _answer(entry, waiting)
        waiting = {}


def _answer(entry: Entry, waiting: dict[str, list[str]]) -> None:
    answered: dict[str, Result] = {}
    orphans: list[str] = []
    open_ids = {id: list(wires) for id, wires in waiting.items()}
    for result in entry.results:
        if result.id not in waiting:
            orphans.append(f"[Result of an earlier tool call: {result.text}]")
            continue
        # Of several results for one use the last counts.
        left = open_ids[result.id]
        wire = left.pop(0) if left else waiting[result.id][-1]
        answered[wire] = Result(wire, result.text, result.failed)
    missing = [wire for wires in waiting.values() for wire in wires if wire not in answered]
    entry.results = [*answered.values(), *(Result(wire, CANCELLED, True) for wire in missing)]
    entry.texts[:0] = orphans


def _unused(id: str, used: dict[str, int]) -> str:
    """The id, with a number when the conversation has it already: some services count anew in every
    turn. used: ids, and the highest number that each of them was given.
    """
    number, unused = used.get(id, 0), id
    while unused in used:
        number += 1
        unused = f"{id[:58]}_{number + 1}"
    used[unused] = 0
    used[id] = number
    return unused
