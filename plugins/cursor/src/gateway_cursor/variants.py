"""The variants of a model: one model in the list of Cursor is many flat ids, in which thinking,
effort and speed are spelled out, `claude-opus-5-thinking-high-fast`.

`split_id` takes such an id apart, `wire_model` finds the one that a request means. What the live
list tells of them travels in `Model.private`, so that it is remembered with the list.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway_core import Model, Route
from gateway_core.degrade import nearest_effort
from gateway_core.json import dumps_text, loads_object
from gateway_core.request import EFFORTS
from gateway_cursor.families import known_ids

__all__ = [
    "AUTO",
    "WIRE_AUTO",
    "Variant",
    "WireModel",
    "accepted_efforts",
    "choose",
    "effort_word",
    "likely_efforts",
    "pack_variants",
    "split_id",
    "wire_model",
]

AUTO: Final = "auto"
"""What Cursor chooses by itself, as clients and the model list know it."""
WIRE_AUTO: Final = "default"
"""The same on the wire."""

_SUFFIX: Final = re.compile(r"-(thinking|fast|none|minimal|low|medium|high|extra-high|xhigh|max)$")
_KEY: Final = "variants"
_USUAL: Final = "medium"
_LONGEST: Final = 100


@dataclass(slots=True, frozen=True)
class Variant:
    """A flat id and what it stands for. effort: one of `EFFORTS`; None where the id names none.

    max_mode: as the list says, to be sent with it. default: what Cursor itself chooses.
    """

    id: str
    thinking: bool = False
    effort: str | None = None
    fast: bool = False
    max_mode: bool = False
    default: bool = False
    title: str | None = None


@dataclass(slots=True, frozen=True)
class WireModel:
    """What is sent for a model. id: the flat id. title: for the display names of the protocol."""

    id: str
    title: str
    max_mode: bool = False


def wire_model(route: Route, effort: str | None = None, thinking: bool | None = None) -> WireModel:
    """The model to name on the wire for a route.

    effort: of the request, thinking aside. thinking: whether it asks for thinking
    (`request.reasoning.enabled`), None where it does not say. A flat id is passed through, and what
    the name spells out comes before what the request says; of a base name the nearest variant that
    exists is taken, or is likely to exist where no list is known.
    """
    info, options = route.model_info, route.options
    written = options.get("variant")
    id = written or route.model
    if info is None:
        variants = [split_id(known)[1] for known in known_ids(route.model)]
    else:
        variants = _unpack(info)
    if not variants:
        # All ids of Grok have the prefix, which people leave out.
        id = WIRE_AUTO if id == AUTO else f"cursor-{id}" if id.startswith("grok-") else id
        variants = [split_id(id)[1]]
    exact = next((variant for variant in variants if variant.id == written), None)
    if thinking is False and not any(variant.thinking for variant in variants):
        effort = "none"  # where efforts are all that there is, it is the least of them
    if spelled := options.get("effort"):
        effort, thinking = spelled, False  # without the word it is an id that does not think
    if options.get("thinking"):
        thinking = True
    found = exact or choose(variants, effort, thinking, fast=bool(options.get("fast")))
    return WireModel(found.id, found.title or _title(found.id, info), found.max_mode)


def choose(
    variants: Sequence[Variant], effort: str | None, thinking: bool | None, *, fast: bool = False
) -> Variant:
    """The variant nearest to the wish; `variants` must not be empty.

    An effort without a word on thinking asks for thinking, `none` asks for none. Where nothing is
    asked for, Cursor's own default counts, else what the shortest id stands for.
    """
    found = [one for one in variants if one.fast is fast] or list(variants)
    if effort is None and thinking is None:
        default = next((one for one in found if one.default), None)
        if default is not None:
            return default
    wanted = effort != "none" and thinking is not False and (thinking or effort is not None)
    found = [one for one in found if one.thinking is wanted] or found
    if wanted:
        found = [one for one in found if one.effort != "none"] or found
    if effort is None:
        bare = next((one for one in found if one.effort is None), None)
        default = next((one for one in found if one.default), bare)
        if default is not None:
            return default
    # An id without an effort, among others with one, is Cursor's spelling of the usual one.
    known = {one.effort or _USUAL: one for one in reversed(found)}
    nearest = nearest_effort(effort or _USUAL, tuple(known))
    return known[nearest] if nearest else found[0]


def split_id(id: str) -> tuple[str, Variant]:
    """A flat id without its suffixes, and what these stand for. Each counts once, in any order."""
    thinking = fast = False
    effort: str | None = None
    base = id
    while match := _SUFFIX.search(base):
        word = match[1]
        if word == "thinking" and not thinking:
            thinking = True
        elif word == "fast" and not fast:
            fast = True
        elif word not in ("thinking", "fast") and effort is None:
            effort = effort_word(word)
        else:
            break
        base = base[: match.start()]
    return base, Variant(id, thinking, effort, fast)


def effort_word(word: str | None) -> str | None:
    """An effort as the core knows it; None for a word that is none."""
    word = "xhigh" if word == "extra-high" else word
    return word if word in EFFORTS else None


def accepted_efforts(variants: Sequence[Variant]) -> tuple[str, ...]:
    """The efforts that one of these variants stands for, ascending. `none` is an effort too where
    thinking can be switched on and off; empty where no variant thinks or has an effort.
    """
    there = {variant.effort or _USUAL for variant in variants}
    thinking = {variant.thinking for variant in variants}
    if there == {_USUAL} and True not in thinking and not any(one.effort for one in variants):
        return ()
    if len(thinking) == 2:
        there.add("none")
    return tuple(effort for effort in EFFORTS if effort in there)


def likely_efforts(route: Route) -> tuple[str, ...]:
    """The efforts that a model which is in no list is likely to have, ascending; empty when nothing
    is known of its variants, or the name is that of one already.
    """
    ids = known_ids(route.model)
    if route.options.get("variant") in ids:
        return ()
    return accepted_efforts([split_id(id)[1] for id in ids])


def pack_variants(variants: Sequence[Variant]) -> Mapping[str, str]:
    """For `Model.private`."""
    entries = {
        one.id: [
            int(one.thinking),
            one.effort,
            int(one.fast),
            int(one.max_mode),
            int(one.default),
            one.title,
        ]
        for one in variants
    }
    return {_KEY: dumps_text(entries)}


def _unpack(info: Model) -> list[Variant]:
    """What was packed; nothing of an entry that cannot be read, as it may be an older version's."""
    try:
        entries = loads_object(info.private.get(_KEY, "{}"))
    except ValueError:
        return []
    found = []
    for id, entry in entries.items():
        if isinstance(entry, list) and len(entry) == 6:
            thinking, effort, fast, max_mode, default, title = entry
            found.append(
                Variant(
                    id,
                    bool(thinking),
                    effort if effort in EFFORTS else None,
                    bool(fast),
                    bool(max_mode),
                    bool(default),
                    title if isinstance(title, str) else None,
                )
            )
    return found


def _title(id: str, info: Model | None) -> str:
    if info is not None and info.title:
        return info.title
    return "Auto" if id == WIRE_AUTO else id[:_LONGEST]
