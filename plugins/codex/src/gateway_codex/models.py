"""The models of the backend: a static registry, the live list, and what names mean.

The registry is what is publicly known of the catalogue of 2026; the live list replaces it once
there is a login. Which lane a model is served in, and which tiers it has, travels with the core's
`Model` in `private`, so that it is remembered with the list.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from gateway_codex.settings import FamilyModels
from gateway_core import Capabilities, Claim, Model, Route, UpstreamProtocol
from gateway_core.json import JsonObject
from gateway_core.request import EFFORTS

__all__ = [
    "CAPABILITIES",
    "STATIC_MODELS",
    "CodexModel",
    "find_model",
    "parse_name",
    "read_models",
]

_Lane = Literal["full", "lite", "lite-only"]
_LANES: Final[tuple[_Lane, ...]] = ("full", "lite", "lite-only")
_HOSTED: Final = frozenset({"web_search", "image_generation", "local_shell", "tool_search"})
_TO_XHIGH: Final = ("low", "medium", "high", "xhigh")
_TO_MAX: Final = (*_TO_XHIGH, "max")
_MAX_OUTPUT: Final = 128_000

CAPABILITIES: Final = Capabilities(
    input=frozenset({"text", "image", "document"}),
    custom_tools=True,
    hosted_tools=_HOSTED,
    verbosity=True,
    sampling=frozenset(),
    efforts=_TO_XHIGH,
    native_compaction=True,
)
"""Of a model that nothing is known about. No sampling parameter reaches the backend: it refuses
them all."""


@dataclass(slots=True, frozen=True)
class CodexModel:
    """What is known of one model.

    lane: `full`, `lite` (also in the Responses Lite lane, which it prefers) or `lite-only`.
    summaries: whether `reasoning.summary` is taken. tiers: service tiers beside the standard one.
    """

    slug: str
    title: str
    efforts: tuple[str, ...] = _TO_XHIGH
    default_effort: str | None = "medium"
    window: int | None = 272_000
    lane: _Lane = "full"
    tiers: tuple[str, ...] = ()
    images: bool = True
    summaries: bool = True
    verbosity: bool = True
    hidden: bool = field(default=False, compare=False)

    def as_model(self) -> Model:
        """As the core lists it."""
        private = {"lane": self.lane, "tiers": " ".join(self.tiers)}
        return Model(
            self.slug,
            title=self.title,
            context_window=self.window,
            max_output_tokens=_MAX_OUTPUT,
            input=("text", "image", "document") if self.images else ("text",),
            efforts=self.efforts,
            default_effort=self.default_effort,
            capabilities=self._capabilities(),
            private=private | ({} if self.summaries else {"summaries": "no"}),
        )

    def _capabilities(self) -> Capabilities:
        hosted = _HOSTED
        if self.lane == "lite-only":
            hosted = frozenset({"tool_search"})
        elif not self.images:
            hosted -= {"image_generation"}
        return replace(
            CAPABILITIES,
            input=CAPABILITIES.input if self.images else frozenset({"text"}),
            hosted_tools=hosted,
            verbosity=self.verbosity,
            efforts=self.efforts,
        )


def _registry() -> Mapping[str, CodexModel]:
    fast = ("priority",)
    no_words: Any = {"verbosity": False}
    models = (
        CodexModel("gpt-5.5", "GPT-5.5", tiers=fast),
        CodexModel("gpt-5.5-mini", "GPT-5.5 mini"),
        CodexModel("gpt-5.4", "GPT-5.4", tiers=fast),
        CodexModel("gpt-5.4-mini", "GPT-5.4 mini"),
        CodexModel("gpt-5.6-sol", "GPT-5.6 sol", _TO_MAX, "low", lane="lite", tiers=fast),
        CodexModel("gpt-5.6-terra", "GPT-5.6 terra", _TO_MAX, lane="lite", tiers=fast),
        CodexModel("gpt-5.6-luna", "GPT-5.6 luna", _TO_MAX, lane="lite-only", tiers=fast),
        CodexModel("gpt-6.1-sol", "GPT-6.1 sol", _TO_MAX, window=None, lane="lite", tiers=fast),
        CodexModel("gpt-6-sol", "GPT-6 sol", _TO_MAX, window=None, lane="lite", tiers=fast),
        CodexModel("gpt-6-luna", "GPT-6 luna", _TO_MAX, window=None, lane="lite-only", tiers=fast),
        CodexModel(
            "gpt-6-astra",
            "GPT-6 astra",
            _TO_MAX,
            window=None,
            lane="lite",
            tiers=("priority", "ultrafast"),
        ),
        CodexModel("gpt-5.3-codex", "GPT-5.3 Codex", **no_words),
        CodexModel(
            "gpt-5.3-codex-spark",
            "GPT-5.3 Codex Spark",
            default_effort="high",
            window=128_000,
            images=False,
            summaries=False,
            **no_words,
        ),
        CodexModel("gpt-5.2", "GPT-5.2"),
        CodexModel("gpt-5.2-codex", "GPT-5.2 Codex", **no_words),
        CodexModel("gpt-5.1", "GPT-5.1", ("none", "low", "medium", "high")),
        CodexModel("gpt-5.1-codex-max", "GPT-5.1 Codex Max", **no_words),
        CodexModel("gpt-5.1-codex-mini", "GPT-5.1 Codex mini", ("medium", "high"), **no_words),
        CodexModel(
            "codex-auto-review",
            "Codex auto review",
            (*_TO_XHIGH, "max"),
            lane="lite",
            tiers=fast,
            hidden=True,
        ),
    )
    return {model.slug: model for model in models}


_REGISTRY: Final = _registry()

STATIC_MODELS: Final = tuple(model.as_model() for model in _REGISTRY.values() if not model.hidden)
"""The list while nobody is logged in. The first is what Claude names fall back to."""


def find_model(route: Route, slug: str) -> CodexModel:
    """What is known of a model: from the live list, the registry, or else from its name alone.

    Models from 5.6 on prefer the Responses Lite lane, those called luna have no other.
    """
    info = route.model_info
    if info is not None and info.id == slug and info.private:
        return _from_listed(info)
    known = _REGISTRY.get(slug)
    if known is not None:
        return known
    if not _NEWER.match(slug):
        return CodexModel(slug, slug, window=None, tiers=_TIERS)
    lane: _Lane = "lite-only" if slug.endswith("-luna") else "lite"
    return CodexModel(slug, slug, _TO_MAX, None, None, lane, _TIERS)


_TIERS: Final = ("priority", "flex", "ultrafast")
_NEWER: Final = re.compile(r"gpt-(?:5\.(?:[6-9]|\d\d)|[6-9]|\d\d)")


def _from_listed(info: Model) -> CodexModel:
    capabilities = info.capabilities or CAPABILITIES
    lane: _Lane = "full"
    for name in _LANES:
        if info.private.get("lane") == name:
            lane = name
    return CodexModel(
        info.id,
        info.title or info.id,
        info.efforts,
        info.default_effort,
        info.context_window,
        lane,
        tuple(info.private.get("tiers", "").split()),
        images="image" in info.input,
        summaries=info.private.get("summaries") != "no",
        verbosity=capabilities.verbosity,
    )


def read_models(body: object) -> list[Model]:
    """The answer of `GET /models`, without what is hidden, in the backend's order.

    Entries that cannot be read are skipped. Raises `UpstreamProtocol` when none is left.
    """
    entries = body.get("models") if isinstance(body, dict) else None
    models = [
        _read_model(entry).as_model()
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict)
        and isinstance(entry.get("slug"), str)
        and entry.get("visibility") != "hide"
    ]
    if not models:
        raise UpstreamProtocol("the model list of the backend is empty or has another form")
    return models


def _read_model(entry: JsonObject) -> CodexModel:
    slug: str = entry["slug"]
    known = _REGISTRY.get(slug)
    efforts = tuple(
        level["effort"]
        for level in _objects(entry.get("supported_reasoning_levels"))
        if level.get("effort") in EFFORTS
    )
    title, default = entry.get("display_name"), entry.get("default_reasoning_level")
    window, modalities = entry.get("context_window"), entry.get("input_modalities")
    lite = entry.get("use_responses_lite") is True
    lite_only = slug.endswith("-luna") if known is None else known.lane == "lite-only"
    return CodexModel(
        slug,
        title if isinstance(title, str) and title else slug,
        efforts or (known.efforts if known else _TO_XHIGH),
        default if default in EFFORTS else None,
        window if type(window) is int else None,
        "full" if not lite else "lite-only" if lite_only else "lite",
        tuple(
            tier["id"]
            for tier in _objects(entry.get("service_tiers"))
            if isinstance(tier.get("id"), str)
        ),
        images="image" in modalities if isinstance(modalities, list) else True,
        summaries=entry.get("supports_reasoning_summary_parameter") is not False,
        verbosity=entry.get("support_verbosity") is not False,
    )


def _objects(value: object) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


_PREFIX: Final = re.compile(r"(?:codex|openai|openai-codex)/")
_TIER: Final = re.compile(r"-(fast|ultrafast)$")
_EFFORT: Final = re.compile(
    r"(?:[-_](?P<word>none|minimal|low|medium|high|xhigh|max|ultra)"
    r"|\((?P<inside>none|minimal|low|medium|high|xhigh|max|ultra|\d{1,6})\))$"
)
_OURS: Final = re.compile(r"gpt-(?:[5-9]|\d\d)[a-z0-9.-]*$")
_FAMILY: Final = re.compile(r"(?:claude-)?(?:[\d.-]+-)?(opus|sonnet|haiku|fable)(?:[-.@\d][^/]*)?$")


def parse_name(name: str, families: FamilyModels) -> Claim | None:
    """The model and options that a name means, or None when it is not ours.

    Suffixes for tier (`-fast`) and effort (`-high`, `_high`, `(high)`, `(8192)` for a thinking
    budget) come off in any order, but never off the name of a known model. `opus`, `sonnet` and
    `haiku`, alone or in a Claude name, mean what the settings say.
    """
    name = _PREFIX.sub("", name, count=1)
    options: dict[str, str] = {}
    while True:
        if name in _REGISTRY:
            return Claim(name, options)
        if "tier" not in options and (tier := _TIER.search(name)):
            options["tier"] = "priority" if tier[1] == "fast" else tier[1]
            name = name[: tier.start()]
        elif "effort" not in options and (effort := _EFFORT.search(name)):
            options["effort"] = _effort_of(effort["word"] or effort["inside"])
            name = name[: effort.start()]
        else:
            break
    name = name.removesuffix("-latest")
    if name in _REGISTRY or _OURS.match(name):
        return Claim(name, options)
    family = _FAMILY.match(name)
    target = getattr(families, _FAMILIES[family[1]]) if family else ""
    if not target:
        return None
    claim = parse_name(target, FamilyModels(opus="", sonnet="", haiku=""))
    meant = claim or Claim(target)
    return Claim(meant.model, {**meant.options, **options})


_FAMILIES: Final = {"opus": "opus", "sonnet": "sonnet", "haiku": "haiku", "fable": "opus"}


def _effort_of(word: str) -> str:
    """A word as the core knows it; a number is a budget of thinking tokens."""
    if not word.isdigit():
        # The official client's `ultra` delegates to helpers; on the wire it is `max`.
        return "max" if word == "ultra" else word
    budget = int(word)
    for effort, most in (("minimal", 512), ("low", 1024), ("medium", 8192), ("high", 24_576)):
        if budget <= most:
            return effort
    return "xhigh"
