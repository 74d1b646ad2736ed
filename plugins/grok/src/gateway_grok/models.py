"""The models of xAI: a static registry, the live lists, and what names mean.

The registry is what is publicly known in August 2026; a live list replaces it once there is a
login. The proxy of Grok's CLI and the public API list models in shapes of their own; both are read
leniently. Whether a model paints travels with the core's `Model` in `private`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from gateway_core import Capabilities, Claim, Model, Route, UpstreamProtocol
from gateway_core.json import JsonObject
from gateway_core.request import EFFORTS
from gateway_grok.settings import FamilyModels

__all__ = [
    "CAPABILITIES",
    "STAND_INS",
    "STATIC_MODELS",
    "GrokModel",
    "find_model",
    "parse_name",
    "read_models",
]

HOSTED_TOOLS: Final = frozenset(
    {
        "web_search",
        "x_search",
        "code_interpreter",
        "view_image",
        "view_x_video",
        "file_search",
        "mcp",
        "image_generation",
    }
)
_THREE: Final = ("low", "medium", "high")
_UNKNOWN_WINDOW: Final = 256_000  # what the official client assumes

CAPABILITIES: Final = Capabilities(
    input=frozenset({"text", "image", "document"}),
    hosted_tools=HOSTED_TOOLS,
    sampling=frozenset({"max_output_tokens", "temperature", "top_p", "stop"}),
    efforts=_THREE,
    native_compaction=True,
    file_ids=frozenset({"document"}),
)
"""Of a model that nothing is known about. Stop sequences are honoured by the decoder. Only the
public API compacts: `request` tells when it cannot be asked.
"""

_PAINTER: Final = Capabilities(
    input=frozenset({"text", "image"}),
    hosted_tools=frozenset({"image_generation"}),
    output=frozenset({"text"}),
    sampling=frozenset(),
    efforts=(),
)

STAND_INS: Final[Mapping[str, str]] = {"grok-4.3-fast": "grok-4.3", "grok-4": "grok-4.3"}
"""What to ask when xAI does not know a name that other programs use."""


@dataclass(slots=True, frozen=True)
class GrokModel:
    """What is known of one model.

    efforts: empty when it takes none. paints: whether it is an image model, which only paints.
    """

    id: str
    title: str
    window: int | None = _UNKNOWN_WINDOW
    max_output: int | None = None
    efforts: tuple[str, ...] = ()
    default_effort: str | None = None
    images: bool = True
    paints: bool = False
    aliases: tuple[str, ...] = ()
    created: datetime | None = None

    def as_model(self) -> Model:
        """As the core lists it."""
        return Model(
            self.id,
            title=self.title,
            aliases=self.aliases,
            context_window=self.window,
            max_output_tokens=self.max_output,
            input=("text", "image") if self.images else ("text",),
            efforts=self.efforts,
            default_effort=self.default_effort,
            created=self.created,
            capabilities=self._capabilities(),
            private={"paints": "yes"} if self.paints else {},
        )

    def _capabilities(self) -> Capabilities:
        if self.paints:
            return _PAINTER
        taken = CAPABILITIES.input if self.images else frozenset({"text", "document"})
        return replace(CAPABILITIES, input=taken, efforts=self.efforts)

    @property
    def draws(self) -> bool:
        """Whether the hosted tool `image_generation` exists for it: from 4.6 on."""
        return _DRAWING.match(self.id) is not None


# 4.20 is older than 4.6, in spite of its number.
_DRAWING: Final = re.compile(r"grok-(?:4\.[6-9]|[5-9](?:\.\d)?)(?!\d)")


def _registry() -> Mapping[str, GrokModel]:
    most = 65_536
    to_xhigh = (*_THREE, "xhigh")
    with_none = ("none", *_THREE)
    models = (
        GrokModel("grok-4.6", "Grok 4.6", 500_000, most, to_xhigh, "high"),
        GrokModel("grok-4.5", "Grok 4.5", 500_000, most, _THREE, "high"),
        GrokModel("grok-4.3", "Grok 4.3", 1_000_000, most, with_none),
        GrokModel("grok-4.3-fast", "Grok 4.3 fast", 1_000_000, most, with_none),
        GrokModel("grok-4", "Grok 4", 1_000_000, most, with_none),
        GrokModel("grok-build-0.1", "Grok Build 0.1", 256_000, 256_000),
        GrokModel("grok-4.20-0309-reasoning", "Grok 4.20 reasoning", 2_000_000, most),
        GrokModel("grok-4.20-0309-non-reasoning", "Grok 4.20", 2_000_000, most),
        GrokModel("grok-4.20-multi-agent-0309", "Grok 4.20 multi-agent", 2_000_000, most, _THREE),
        GrokModel("grok-composer-2.5-fast", "Grok Composer", 200_000, 32_768, images=False),
        GrokModel("grok-3-mini", "Grok 3 mini", 131_072, 32_768, _THREE, images=False),
        GrokModel("grok-3-mini-fast", "Grok 3 mini fast", 131_072, 32_768, _THREE, images=False),
        GrokModel("grok-imagine-image", "Grok Imagine", None, paints=True),
        GrokModel("grok-imagine-image-quality", "Grok Imagine quality", None, paints=True),
        GrokModel("grok-imagine-image-2.0", "Grok Imagine 2.0", None, paints=True),
    )
    return {model.id: model for model in models}


_REGISTRY: Final = _registry()

STATIC_MODELS: Final = tuple(model.as_model() for model in _REGISTRY.values())
"""The list while nobody is logged in. The first is what Claude names fall back to."""

_PAINTERS: Final = tuple(model for model in _REGISTRY.values() if model.paints)


def find_model(route: Route, id: str) -> GrokModel:
    """What is known of a model: from the live list, the registry, or else from its name alone.

    A model that nobody knows is given no effort, which is refused where it does not belong.
    """
    info = route.model_info
    if info is not None and info.id == id:
        return GrokModel(
            info.id,
            info.title or info.id,
            info.context_window,
            info.max_output_tokens,
            info.efforts,
            info.default_effort,
            images="image" in info.input,
            paints=info.private.get("paints") == "yes",
        )
    known = _REGISTRY.get(id)
    if known is not None:
        return known
    return GrokModel(id, id, None, paints=id.startswith("grok-imagine-image"))


def read_models(body: object) -> list[Model]:
    """The answer of `GET /models` of either host or of `GET /language-models`, in its order, and
    the image models, which neither lists.

    Hidden entries and those of another kind of API are left out, entries that cannot be read are
    skipped. Raises `UpstreamProtocol` when none is left.
    """
    entries: object = None
    if isinstance(body, dict):
        entries = body.get("data", body.get("models"))
    models: dict[str, Model] = {}
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and (model := _read_model(entry)) is not None:
            models.setdefault(model.id, model.as_model())
    if not models:
        raise UpstreamProtocol("xAI's model list is empty or has another form")
    for painter in _PAINTERS:
        models.setdefault(painter.id, painter.as_model())
    taken = set(models)
    return [_without_taken(model, taken) for model in models.values()]


def _without_taken(model: Model, ids: set[str]) -> Model:
    """The model without aliases that are the ids of others."""
    return replace(model, aliases=tuple(alias for alias in model.aliases if alias not in ids))


def _read_model(entry: JsonObject) -> GrokModel | None:
    """One entry: fields in camel or snake case, at the top or below `_meta`."""
    id = _text(_field(entry, "model", "modelId", "model_id", "id"))
    if id is None or _field(entry, "hidden") is True:
        return None
    if _field(entry, "apiBackend", "api_backend") == "messages":
        return None
    outputs = _field(entry, "output_modalities", "outputModalities")
    if isinstance(outputs, list) and "text" not in outputs and "image" not in outputs:
        return None
    known = _REGISTRY.get(id)
    inputs = _field(entry, "input_modalities", "inputModalities")
    window = _field(entry, "contextWindow", "context_window", "context_length")
    most = _field(entry, "maxCompletionTokens", "max_completion_tokens")
    efforts, default = _efforts(entry, known)
    paints = isinstance(outputs, list) and "text" not in outputs
    aliases = _field(entry, "aliases")
    return GrokModel(
        id,
        _text(_field(entry, "name")) or (known.title if known else id),
        window if type(window) is int else known.window if known else _UNKNOWN_WINDOW,
        most if type(most) is int else known.max_output if known else None,
        efforts,
        default,
        images="image" in inputs if isinstance(inputs, list) else known is None or known.images,
        paints=paints or (known is not None and known.paints),
        aliases=tuple(filter(None, map(_text, aliases if isinstance(aliases, list) else ()))),
        created=_moment(_field(entry, "created")),
    )


def _efforts(entry: JsonObject, known: GrokModel | None) -> tuple[tuple[str, ...], str | None]:
    """The efforts in ascending order and the default one."""
    default = _text(_field(entry, "reasoningEffort", "reasoning_effort"))
    listed = _field(entry, "reasoningEfforts", "reasoning_efforts")
    found: set[str] = set()
    for option in listed if isinstance(listed, list) else ():
        word = _text(option.get("value")) if isinstance(option, dict) else _text(option)
        if word in EFFORTS:
            found.add(word)
            if isinstance(option, dict) and option.get("default") is True:
                default = word
    supported = _field(entry, "supportsReasoningEffort", "supports_reasoning_effort")
    if supported is False:
        return (), None
    if not found and known is not None:
        found, default = set(known.efforts), default or known.default_effort
    if not found and supported is True:
        found = set(_THREE)
    return tuple(word for word in EFFORTS if word in found), default if default in found else None


def _field(entry: JsonObject, *names: str) -> Any:
    meta = entry.get("_meta")
    places: Iterable[JsonObject] = (entry, meta) if isinstance(meta, dict) else (entry,)
    found = (place[name] for place in places for name in names if place.get(name) is not None)
    return next(found, None)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(value, UTC) if type(value) is int and value else None
    except (ValueError, OverflowError, OSError):
        return None


_PREFIX: Final = re.compile(r"(?:xai|x-ai|grok)/")
_EFFORT: Final = re.compile(
    r"(?:[-_](?P<word>none|minimal|low|medium|high|xhigh|max)"
    r"|\((?P<inside>none|minimal|low|medium|high|xhigh|max|\d{1,6})\))$"
)
_OURS: Final = re.compile(r"grok-[a-z0-9.-]+\Z")
_FAMILY: Final = re.compile(r"(?:claude-)?(?:[\d.-]+-)?(opus|sonnet|haiku|fable)(?:[-.@\d][^/]*)?$")
_FAMILIES: Final = {"opus": "opus", "sonnet": "sonnet", "haiku": "haiku", "fable": "opus"}
# Thinking tokens up to which a budget means an effort, as the peers map it.
_BUDGETS: Final = ((4096, "low"), (16_384, "medium"))


def parse_name(name: str, families: FamilyModels) -> Claim | None:
    """The model and options that a name means, or None when it is not ours.

    A suffix for the effort (`-high`, `_high`, `(high)`, `(8192)` for a thinking budget) comes off,
    but never off the name of a known model. `opus`, `sonnet` and `haiku`, alone or in a Claude
    name, mean what the settings say.
    """
    name = _PREFIX.sub("", name, count=1)
    options: dict[str, str] = {}
    if name not in _REGISTRY and (effort := _EFFORT.search(name)):
        options["effort"] = _effort_of(effort["word"] or effort["inside"])
        name = name[: effort.start()]
    if name.removesuffix("-latest") in _REGISTRY:
        name = name.removesuffix("-latest")
    if name in _REGISTRY or _OURS.match(name):
        return Claim(name, options)
    family = _FAMILY.match(name)
    target: str = getattr(families, _FAMILIES[family[1]]) if family else ""
    if not target:
        return None
    claim = parse_name(target, FamilyModels(opus="", sonnet="", haiku=""))
    meant = claim or Claim(target)
    return Claim(meant.model, {**meant.options, **options})


def _effort_of(word: str) -> str:
    """A word as the core knows it; a number is a budget of thinking tokens."""
    if not word.isdigit():
        return word
    return next((effort for most, effort in _BUDGETS if int(word) <= most), "high")
