"""The models of the service: a static registry, the live list, and what names mean.

The registry is what is publicly known of the catalogue in September 2026; the live list replaces it
once there is a login. How a model is asked to think travels with the core's `Model` in `private`,
so that it is remembered with the list.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from gateway_core import Capabilities, Claim, Model, Route, UpstreamProtocol
from gateway_core.json import JsonObject
from gateway_core.request import EFFORTS

__all__ = [
    "CAPABILITIES",
    "STATIC_MODELS",
    "KiroModel",
    "find_model",
    "known_window",
    "normalise",
    "parse_name",
    "read_models",
]

_Family = Literal["claude", "gpt", "tags", "none"]
_FAMILIES: Final[tuple[_Family, ...]] = ("claude", "gpt", "tags", "none")
_MEDIA: Final = frozenset({"text", "image", "document"})
_TO_MAX: Final = ("low", "medium", "high", "max")
_TO_XHIGH_MAX: Final = ("low", "medium", "high", "xhigh", "max")
_BY_TAGS: Final = ("low", "medium", "high", "xhigh")
_GPT: Final = ("none", "low", "medium", "high", "xhigh")
_MILLION: Final = 1_000_000
_OUTPUT: Final = 64_000

CAPABILITIES: Final = Capabilities(
    input=_MEDIA,
    media_urls=False,
    hosted_tools=frozenset({"web_search"}),
    tool_choice=frozenset({"auto", "none"}),
    sampling=frozenset(),
    efforts=EFFORTS,
)
"""Of a model that nothing is known about. No sampling parameter exists; efforts are mapped by
`gateway_kiro.reasoning`, which knows what each model takes."""


@dataclass(slots=True, frozen=True)
class KiroModel:
    """What is known of one model.

    family: how it is asked to think: in Claude's or GPT's fields of the request, by tags in the
    prompt, or not at all. efforts: of these fields, as the catalogue has them. display, disable:
    whether the fields know `thinking.display` and `thinking.type` "disabled". limit: lowest and
    highest `max_tokens`, where there is such a field.
    """

    id: str
    title: str
    window: int | None = None
    output: int | None = _OUTPUT
    family: _Family = "none"
    efforts: tuple[str, ...] = ()
    display: bool = False
    disable: bool = False
    limit: tuple[int, int] | None = None
    images: bool = True

    def as_model(self, aliases: Sequence[str] = ()) -> Model:
        """As the core lists it."""
        private = {"family": self.family, "efforts": " ".join(self.efforts)}
        if self.display:
            private["display"] = "yes"
        if self.disable:
            private["disable"] = "yes"
        if self.limit:
            private["limit"] = f"{self.limit[0]} {self.limit[1]}"
        return Model(
            self.id,
            title=self.title,
            aliases=tuple(aliases),
            context_window=self.window,
            max_output_tokens=self.output,
            input=("text", "image", "document") if self.images else ("text",),
            efforts=tuple(effort for effort in self.efforts if effort != "none"),
            capabilities=self._capabilities(),
            private=private,
        )

    def _capabilities(self) -> Capabilities:
        return replace(
            CAPABILITIES,
            input=_MEDIA if self.images else frozenset({"text"}),
            sampling=frozenset({"max_output_tokens"} if self.limit else ()),
            efforts=() if self.family == "none" else EFFORTS,
        )


def _claude(id: str, window: int, efforts: tuple[str, ...] = ()) -> KiroModel:
    title = id.replace("-", " ").title()
    if not efforts:
        return KiroModel(id, title, window, family="tags", efforts=_BY_TAGS)
    # Only the live catalogue says whether `display` and `disabled` are taken.
    return KiroModel(id, title, window, family="claude", efforts=efforts)


def _gpt(name: str) -> KiroModel:
    return KiroModel(
        f"gpt-5.6-{name}", f"GPT 5.6 {name}", 272_000, None, family="gpt", efforts=_GPT
    )


_LISTED: Final = (
    KiroModel("auto", "Auto", 200_000, family="tags", efforts=_BY_TAGS),
    _claude("claude-opus-4.8", _MILLION, _TO_XHIGH_MAX),
    _claude("claude-opus-4.7", _MILLION, _TO_XHIGH_MAX),
    _claude("claude-opus-4.6", _MILLION, _TO_MAX),
    _claude("claude-sonnet-4.6", _MILLION, _TO_MAX),
    _claude("claude-opus-4.5", 200_000),
    _claude("claude-sonnet-4.5", 200_000),
    _claude("claude-sonnet-4", 200_000),
    _claude("claude-haiku-4.5", 200_000),
    KiroModel("deepseek-3.2", "DeepSeek 3.2", 128_000, images=False),
    KiroModel("minimax-m2.5", "MiniMax M2.5", 196_000, images=False),
    KiroModel("minimax-m2.1", "MiniMax M2.1", 196_000, images=False),
    KiroModel("glm-5", "GLM 5", 200_000, images=False),
    KiroModel("qwen3-coder-next", "Qwen3 Coder Next", 256_000, images=False),
)
# Known to exist for some plans and regions, so not listed before a login.
_UNLISTED: Final = (
    _claude("claude-opus-5.5", _MILLION, _TO_XHIGH_MAX),
    _claude("claude-opus-5", _MILLION, _TO_XHIGH_MAX),
    _claude("claude-sonnet-5", _MILLION, _TO_XHIGH_MAX),
    _claude("claude-fable-5", _MILLION, _TO_XHIGH_MAX),
    _claude("claude-opus-4.6-1m", _MILLION, _TO_MAX),
    _claude("claude-sonnet-4.6-1m", _MILLION, _TO_MAX),
    _claude("claude-sonnet-4.5-1m", _MILLION),
    _gpt("sol"),
    _gpt("terra"),
    _gpt("luna"),
    _claude("claude-3.7-sonnet", 200_000),
)
_KNOWN: Final[Mapping[str, KiroModel]] = {model.id: model for model in (*_LISTED, *_UNLISTED)}
# Claude Code asks for these without being told to; another provider must not take them for its own.
_DATES: Final = {
    "claude-haiku-4.5": "20251001",
    "claude-opus-4.5": "20251101",
    "claude-sonnet-4": "20250514",
    "claude-sonnet-4.5": "20250929",
}
_CLAUDE: Final = re.compile(r"claude-(opus|sonnet|haiku|fable)-\d+(?:\.\d+)?(?:-1m)?")
_EFFORT: Final = re.compile(r"-(low|medium|high|xhigh|max)$")
_REORDERED: Final = re.compile(r"claude-([4-9](?:[.-]\d)?)-(opus|sonnet|haiku|fable)$")


def known_window(model: str) -> int | None:
    """The context window of a model in tokens, as far as it is publicly known."""
    known = _KNOWN.get(normalise(model)[0])
    return known.window if known else None


def find_model(route: Route) -> KiroModel:
    """What is known of the model of a route: from the live list, the registry, or its name."""
    info = route.model_info
    if info is not None and info.private:
        return _from_listed(info)
    id = normalise(route.model)[0] if info is None else info.id
    return _KNOWN.get(id) or KiroModel(id, id)


def normalise(name: str) -> tuple[str, str | None]:
    """The id on the wire for a name, and the effort that its suffix asks for.

    Ids have dots between numbers, `claude-sonnet-4.5`; the service knows no others.
    """
    id = name.strip().lower().removeprefix("kiro/")
    id = re.sub(r"\[[0-9a-z]+\]$", "", id).removeprefix("kiro-")
    if id == "auto-kiro":
        return "auto", None
    effort = None
    while True:
        shorter = id.removesuffix("-latest").removesuffix("-thinking")
        shorter = re.sub(r"-20\d{6}$", "", shorter)
        if effort is None and shorter.startswith(("claude-", "gpt-")):
            match = _EFFORT.search(shorter)
            if match:
                effort, shorter = match[1], shorter[: match.start()]
        if shorter == id:
            break
        id = shorter
    if match := _REORDERED.match(id):
        id = f"claude-{match[2]}-{match[1]}"
    return re.sub(r"(\d)-(\d)(?!\d)", r"\1.\2", id), effort


def parse_name(name: str) -> Claim | None:
    """The model and options that a name means, or None when it is not ours."""
    family = name.strip().lower()
    if family in ("opus", "sonnet", "haiku"):
        return Claim(_newest(family, _LISTED))
    id, effort = normalise(name)
    if id not in _KNOWN and not _CLAUDE.fullmatch(id):
        return None
    return Claim(id, {"effort": effort} if effort else {})


def _newest(family: str, models: Sequence[KiroModel]) -> str:
    """The model of a Claude family with the highest version; the family itself when there is
    none.
    """
    found: list[tuple[tuple[int, ...], str]] = []
    for model in models:
        match = re.fullmatch(rf"claude-{family}-(\d+)(?:\.(\d+))?", model.id)
        if match:
            found.append(((int(match[1]), int(match[2] or 0)), model.id))
    return max(found)[1] if found else family


def _listed(models: Sequence[KiroModel]) -> list[Model]:
    """As the core lists them: each under its id, and under the other names that clients use."""
    ids = {model.id for model in models}
    families = {_newest(family, models): family for family in ("opus", "sonnet", "haiku")}
    listed = []
    for model in models:
        aliases = []
        dashed = model.id.replace(".", "-")
        if dashed not in ids:
            aliases.append(dashed)
        if date := _DATES.get(model.id):
            aliases.append(f"{dashed}-{date}")
        if family := families.get(model.id):
            aliases.append(family)
        listed.append(model.as_model(aliases))
    return listed


STATIC_MODELS: Final = tuple(_listed(_LISTED))
"""The list while nobody is logged in. The first is what Claude names fall back to."""


def read_models(pages: Sequence[object]) -> list[Model]:
    """The answers of ListAvailableModels, page by page.

    Entries that cannot be read are skipped. Raises `UpstreamProtocol` when none is left.
    """
    found: dict[str, KiroModel] = {}
    for page in pages:
        entries = page.get("models") if isinstance(page, dict) else None
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("modelId"), str):
                found.setdefault(entry["modelId"], _read_model(entry))
    if not found:
        raise UpstreamProtocol("the model list of Kiro is empty or has another form")
    return _listed(list(found.values()))


def _read_model(entry: JsonObject) -> KiroModel:
    id: str = entry["modelId"]
    known = _KNOWN.get(id)
    title, limits = entry.get("modelName"), _object(entry.get("tokenLimits"))
    kinds = entry.get("supportedInputTypes")
    model = KiroModel(
        id,
        title if isinstance(title, str) and title else id,
        _positive(limits.get("maxInputTokens")) or (known.window if known else None),
        _positive(limits.get("maxOutputTokens")),
        images="IMAGE" in kinds if isinstance(kinds, list) else True,
    )
    schema = _object(entry.get("additionalModelRequestFieldsSchema"))
    if schema:
        return _with_fields(model, _object(schema.get("properties")))
    by_tags = known.family == "tags" if known else False
    return replace(model, family="tags", efforts=_BY_TAGS) if by_tags else model


def _with_fields(model: KiroModel, fields: JsonObject) -> KiroModel:
    """The model with what its own schema of further fields tells."""
    thinking, reasoning = _inner(fields, "thinking"), _inner(fields, "reasoning")
    limit = _object(fields.get("max_tokens"))
    low, high = _positive(limit.get("minimum")), _positive(limit.get("maximum"))
    if limit:
        model = replace(model, limit=(low or 1, high or model.output or _OUTPUT))
    efforts = _words(_inner(fields, "output_config").get("effort"))
    if thinking or efforts:
        return replace(
            model,
            family="claude",
            efforts=efforts,
            display="summarized" in _words(thinking.get("display"), among=None),
            disable="disabled" in _words(thinking.get("type"), among=None),
        )
    if reasoning:
        return replace(model, family="gpt", efforts=_words(reasoning.get("effort")))
    return model


def _from_listed(info: Model) -> KiroModel:
    private = info.private
    family: _Family = "none"
    for name in _FAMILIES:
        if private.get("family") == name:
            family = name
    bounds = [int(word) for word in private.get("limit", "").split() if word.isdigit()]
    return KiroModel(
        info.id,
        info.title or info.id,
        info.context_window,
        info.max_output_tokens,
        family,
        tuple(private.get("efforts", "").split()),
        display=private.get("display") == "yes",
        disable=private.get("disable") == "yes",
        limit=(bounds[0], bounds[1]) if len(bounds) == 2 else None,
        images="image" in info.input,
    )


def _inner(fields: JsonObject, name: str) -> JsonObject:
    return _object(_object(fields.get(name)).get("properties"))


def _words(schema: Any, among: Sequence[str] | None = EFFORTS) -> tuple[str, ...]:
    """The values that a schema allows, in order."""
    words = _object(schema).get("enum")
    found = [word for word in words if isinstance(word, str)] if isinstance(words, list) else []
    return tuple(found) if among is None else tuple(word for word in among if word in found)


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _positive(value: object) -> int | None:
    return value if type(value) is int and value > 0 else None
