"""The models of Cursor: a static list, the live ones, and what names mean.

Two questions give the live list, and either may fail: one knows the flat ids that the account is
served, the other the facts of each model and which flat ids are variants of it. The list has every
flat id, and for each model with several of them an entry under its base name as well, for which
`gateway_cursor.variants` finds the variant that a request means.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from gateway_core import Capabilities, Claim, Model, UpstreamProtocol
from gateway_core.lookups import list_at, number_at, text_at
from gateway_core.request import EFFORTS
from gateway_cursor.families import is_family
from gateway_cursor.settings import CursorSettings
from gateway_cursor.variants import (
    AUTO,
    WIRE_AUTO,
    Variant,
    accepted_efforts,
    effort_word,
    pack_variants,
    split_id,
)

__all__ = ["CAPABILITIES", "parse_name", "read_models", "static_models"]

CAPABILITIES: Final = Capabilities(
    input=frozenset({"text", "image"}),
    media_urls=False,
    output=frozenset({"text"}),
    sampling=frozenset(),
    efforts=EFFORTS,
)
"""Of a model that is in no list. The protocol has no sampling and no forms of output; an effort
chooses among the variants that are likely to exist, and is told to be of no use where there are
none."""

_WINDOW: Final = 200_000
_BLIND: Final = re.compile(r"default$|composer|glm")
_TITLE_WORDS: Final = re.compile(
    r"(?:\s+(?:thinking|fast|none|minimal|low|medium|high|extra|xhigh|max))+$", re.I
)


@dataclass(slots=True)
class _Family:
    """A model: the name that its flat ids have in common, its facts, and these ids."""

    base: str
    title: str | None = None
    window: int | None = None
    large_window: int | None = None
    images: bool | None = None
    aliases: list[str] = field(default_factory=list)
    variants: dict[str, Variant] = field(default_factory=dict)


@dataclass(slots=True)
class _Served:
    """A flat id that the account is served."""

    id: str
    title: str | None = None
    thinking: bool = False
    max_mode: bool = False
    aliases: list[str] = field(default_factory=list)


# The static list


_KNOWN: Final = (
    (AUTO, "Auto", WIRE_AUTO),
    ("composer-2.5", "Composer 2.5", "composer-2.5"),
    ("composer-2.5-fast", "Composer 2.5 Fast", "composer-2.5-fast"),
    ("gpt-5", "GPT-5", "gpt-5"),
    ("sonnet-4", "Claude 4 Sonnet", "claude-4-sonnet"),
    ("sonnet-4-thinking", "Claude 4 Sonnet Thinking", "claude-4-sonnet-thinking"),
)


def static_models(settings: CursorSettings) -> list[Model]:
    """The list while nobody is logged in: names that are known to mean something."""
    return [
        _model(id, title, _Family(id), [replace(split_id(wire)[1], title=title)], (), settings)
        for id, title, wire in _KNOWN
    ]


# The live list


def read_models(usable: object, available: object, settings: CursorSettings) -> list[Model]:
    """The answers of GetUsableModels and AvailableModels; either may be None.

    Entries that cannot be read are skipped. Raises `UpstreamProtocol` when none is left.
    """
    families = {
        family.base: family
        for entry in list_at(available, "models")
        if (family := _read_family(entry)) is not None
    }
    served = {
        flat.id: flat
        for entry in list_at(usable, "models")
        if (flat := _read_served(entry)) is not None
    }
    if not served:
        ids = [id for family in families.values() for id in family.variants]
        served = {id: _Served(id) for id in ids}
    if not served:
        raise UpstreamProtocol("the model list of Cursor is empty or has another form")
    grouped = _group(families, served)
    grouped.sort(key=lambda family: family.base != WIRE_AUTO)  # what unknown Claude names mean
    return _listed(grouped, served, settings)


def _group(families: Mapping[str, _Family], served: Mapping[str, _Served]) -> list[_Family]:
    """The models that are served, with those variants alone that are."""
    owners = {id: family.base for family in families.values() for id in family.variants}
    # A suffix that the names of other variants stand behind is part of a name: `codex-max`.
    bases = {split_id(id)[0] for id in served if id not in owners}
    grouped: dict[str, _Family] = {}
    for id, flat in served.items():
        base = owners.get(id) or (id if id in bases else split_id(id)[0])
        known = families.get(base) or _Family(base)
        family = grouped.setdefault(base, replace(known, variants={}))
        variant = known.variants.get(id) or (
            Variant(id, flat.thinking) if id == base else split_id(id)[1]
        )
        family.variants[id] = replace(
            variant, max_mode=variant.max_mode or flat.max_mode, title=flat.title or variant.title
        )
    return list(grouped.values())


def _listed(
    families: Sequence[_Family], served: Mapping[str, _Served], settings: CursorSettings
) -> list[Model]:
    ids = {*served, *(family.base for family in families), AUTO}
    models: list[Model] = []
    for family in families:
        variants = list(family.variants.values())
        own = served.get(family.base)
        title = family.title or (own and own.title) or _common_title(variants) or family.base
        aliases = [alias for alias in family.aliases if alias not in ids]
        if own is not None:
            aliases += [alias for alias in own.aliases if alias not in ids]
        id = family.base
        if id == WIRE_AUTO:
            id, aliases = AUTO, [WIRE_AUTO, *aliases]
        models.append(_model(id, title, family, variants, aliases, settings))
        for variant in variants:
            if variant.id != family.base:
                more = [alias for alias in served[variant.id].aliases if alias not in ids]
                label = variant.title or variant.id
                models.append(_model(variant.id, label, family, [variant], more, settings))
    return models


def _model(
    id: str,
    title: str,
    family: _Family,
    variants: Sequence[Variant],
    aliases: Iterable[str],
    settings: CursorSettings,
) -> Model:
    """As the core lists it."""
    sees = family.images
    if sees is None:
        sees = not _BLIND.match(variants[0].id)
    efforts = accepted_efforts(variants)
    large = all(variant.max_mode for variant in variants)
    can = replace(
        CAPABILITIES,
        input=CAPABILITIES.input if sees else CAPABILITIES.input - {"image"},
        efforts=efforts,
        hosted_tools=frozenset({"web_search"} if settings.allow_web_search else ()),
    )
    return Model(
        id,
        title=title,
        aliases=tuple(dict.fromkeys(aliases)),
        context_window=(family.large_window if large else None) or family.window or _WINDOW,
        input=("text", "image") if sees else ("text",),
        efforts=efforts if len(variants) > 1 else (),
        capabilities=can,
        private=pack_variants(variants),
    )


def _read_served(entry: Any) -> _Served | None:
    id = text_at(entry, "modelId")
    if id is None:
        return None
    return _Served(
        id,
        text_at(entry, "displayName"),
        isinstance(entry.get("thinkingDetails"), dict),
        entry.get("maxMode") is True,
        _texts(list_at(entry, "aliases")),
    )


def _read_family(entry: Any) -> _Family | None:
    base = text_at(entry, "name")
    if base is None:
        return None
    images = entry.get("supportsImages")
    variants = {
        variant.id: variant
        for item in list_at(entry, "variants")
        if (variant := _read_variant(item)) is not None
    }
    return _Family(
        base,
        text_at(entry, "clientDisplayName"),
        _count(number_at(entry, "contextTokenLimit")),
        _count(number_at(entry, "contextTokenLimitForMaxMode")),
        images if isinstance(images, bool) else None,
        _texts([*list_at(entry, "idAliases"), *list_at(entry, "legacySlugs")]),
        variants or {base: Variant(base, entry.get("supportsThinking") is True)},
    )


def _read_variant(item: Any) -> Variant | None:
    """A variant by its parameters; what they do not say is in its id."""
    id = text_at(item, "legacySlug")
    if id is None:
        return None
    told = {
        name: value
        for entry in list_at(item, "parameterValues")
        if (name := text_at(entry, "id")) and (value := text_at(entry, "value"))
    }
    spelled = split_id(id)[1]
    effort = effort_word(told.get("effort") or told.get("reasoning"))
    return Variant(
        id,
        told["thinking"] == "true" if "thinking" in told else spelled.thinking,
        effort or spelled.effort,
        told["fast"] == "true" if "fast" in told else spelled.fast,
        item.get("isMaxMode") is True,
        item.get("isDefaultNonMaxConfig") is True,
    )


def _common_title(variants: Sequence[Variant]) -> str | None:
    """The title of a variant without the words for what it is a variant in."""
    title = next((variant.title for variant in variants if variant.title), None)
    return title and _TITLE_WORDS.sub("", title)


def _texts(values: list[Any]) -> list[str]:
    return [value for value in values if isinstance(value, str) and value]


def _count(number: float | None) -> int | None:
    return int(number) if number and number > 0 else None


# Names


_PREFIX: Final = re.compile(r"(cursor(?:-plan|-ask)?)(?:[:/](.+))?")
_MODES: Final = {"cursor-plan": "plan", "cursor-ask": "ask"}
_OFFICIAL: Final = re.compile(
    r"(?:claude-)?(?P<family>opus|sonnet)-4(?:[.-](?P<minor>[56]))?(?P<thinking>-thinking)?"
    r"(?:-20\d{6})?"
)
_DATE: Final = re.compile(r"-20\d{6}$")


def parse_name(name: str) -> Claim | None:
    """The model and options that a name means, or None when it is not ours.

    `cursor`, `cursor-plan` and `cursor-ask` are Auto in a mode, and prefixes of every name, also of
    one that nobody lists. Suffixes come off the names of known families. Claude models are found
    under Anthropic's names too, whose words Cursor has in another order up to 4.6.
    """
    prefixed = _PREFIX.fullmatch(name)
    if prefixed is None:
        return _meant(name)
    mode = _MODES.get(prefixed[1])
    inner = prefixed[2] or AUTO
    claim = _meant(inner) or Claim(inner)
    return Claim(claim.model, {**claim.options, **({"mode": mode} if mode else {})})


def _meant(name: str) -> Claim | None:
    """The same without a prefix."""
    if official := _OFFICIAL.fullmatch(name):
        minor = f".{official['minor']}" if official["minor"] else ""
        thinking = {"thinking": "yes"} if official["thinking"] else {}
        return Claim(f"claude-4{minor}-{official['family']}", thinking)
    if (dated := _DATE.sub("", name)) != name and is_family(dated):
        return Claim(dated)
    base, parts = split_id(name)
    if base == name or not is_family(base):
        return None  # were it served, it would be in the list
    options = {"variant": name}
    if parts.effort is not None:
        options["effort"] = parts.effort
    if parts.thinking:
        options["thinking"] = "yes"
    if parts.fast:
        options["fast"] = "yes"
    return Claim(base, options)
