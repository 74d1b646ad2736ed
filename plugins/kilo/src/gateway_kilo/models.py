"""Kilo's models, as its list describes them in OpenRouter's words, and the names that stand for
one.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from gateway_core import Capabilities, Claim, JsonObject, Model, UpstreamProtocol
from gateway_core.lookups import list_at, number_at, text_at, value_at
from gateway_kilo.settings import KiloSettings

__all__ = ["CAPABILITIES", "PAINTING", "STATIC_MODELS", "claim", "read_models", "vendor_name"]

PAINTING: Final = frozenset({"image_generation"})
"""What models with pictures among their output can run: they paint by themselves when asked to."""
_EFFORTS: Final = ("none", "low", "medium", "high")
_SAMPLING: Final = (
    *("temperature", "top_p", "top_k", "stop", "seed"),
    *("presence_penalty", "frequency_penalty"),
)
CAPABILITIES: Final = Capabilities(
    input=frozenset({"text", "image"}),
    sampling=frozenset({"max_output_tokens", "temperature", "top_p", "stop"}),
    efforts=_EFFORTS,
)
"""Of models that the list says nothing about."""
STATIC_MODELS: Final = (
    Model(
        "kilo-auto/free",
        title="Kilo Auto, free",
        context_window=128_000,  # cautious: it leads to whatever is free at the time
        input=("text", "image"),
        private={"free": "yes"},
    ),
)
"""The list before any answer. Which models are free changes every month, but for this name."""

_NAME: Final = re.compile(r"[\w.:~@/+-]+", re.ASCII)
_INPUT: Final = {"text": "text", "image": "image", "file": "document", "audio": "audio"}
_SHORT_NAMES: Final = {"minimax-2.5": "minimax/minimax-m2.5:free"}
_LAST: Final = 1e9


def vendor_name(name: str) -> str:
    """What Kilo calls a model that may have `kilo/` in front: two old names really begin so."""
    plain = name.removeprefix("kilo/")
    return f"kilo/{plain}" if plain in ("auto", "auto-free") else plain


def claim(name: str, settings: KiloSettings) -> Claim | None:
    """The model that the bare name `kilo`, or a short name, stands for."""
    model = settings.model if name == "kilo" else _SHORT_NAMES.get(name)
    return Claim(vendor_name(model)) if model is not None else None


def read_models(answer: JsonObject, *, free_only: bool) -> list[Model]:
    """The models that write text in an answer of `GET /models`, those that Kilo recommends first.

    free_only: what can be asked without a login. Raises `UpstreamProtocol` when there is no list.
    """
    if not isinstance(answer.get("data"), list):
        raise UpstreamProtocol("the model list of Kilo is none")
    entries = [entry for entry in answer["data"] if isinstance(entry, dict)]
    entries.sort(key=_place)
    models = (_read_model(entry) for entry in entries)
    found = {model.id: model for model in models if model is not None}
    return [model for model in found.values() if not free_only or "free" in model.private]


def _read_model(entry: JsonObject) -> Model | None:
    id = text_at(entry, "id")
    output = list_at(entry, "architecture", "output_modalities")
    if id is None or not _NAME.fullmatch(id) or (output and "text" not in output):
        return None
    told = list_at(entry, "architecture", "input_modalities")
    takes = ("text", *(kind for word, kind in _INPUT.items() if word in told and word != "text"))
    window = _number(entry, "context_length")
    most = _number(entry, "top_provider", "max_completion_tokens")
    title = text_at(entry, "name") or id
    if entry.get("mayTrainOnYourPrompts") is True:
        title += " (may train on your prompts)"
    can = _capabilities(takes, list_at(entry, "supported_parameters"))
    if "image" in output:
        can = replace(can, hosted_tools=PAINTING)
    return Model(
        id,
        title=title,
        context_window=window,
        max_output_tokens=most or _number(entry, "max_completion_tokens"),
        input=takes,
        efforts=can.efforts,
        capabilities=can,
        private={"free": "yes"} if _is_free(id, entry) else {},
    )


def _capabilities(takes: Sequence[str], known: Sequence[object]) -> Capabilities:
    """What a model can take by the names of the parameters it knows; all when none are named."""

    def has(name: str) -> bool:
        return not known or name in known

    formats = {"json": "response_format", "json_schema": "structured_outputs"}
    choices = ("auto", "none", "required", "tool") if has("tool_choice") else ("auto",)
    return Capabilities(
        input=frozenset(takes),
        tools=has("tools"),
        tool_choice=frozenset(choices),
        parallel_tools=has("parallel_tool_calls"),
        output=frozenset({"text", *(kind for kind, name in formats.items() if has(name))}),
        sampling=frozenset({"max_output_tokens", *(name for name in _SAMPLING if has(name))}),
        efforts=_EFFORTS if "reasoning" in known else (),
    )


def _is_free(id: str, entry: JsonObject) -> bool:
    if entry.get("isFree") is True or id.endswith(":free"):
        return True
    prices = [number_at(entry, "pricing", name) for name in ("prompt", "completion")]
    return prices == [0.0, 0.0]


def _place(entry: JsonObject) -> float:
    place = number_at(entry, "preferredIndex")
    return _LAST if place is None else place


def _number(entry: JsonObject, *keys: str) -> int | None:
    number = value_at(entry, *keys)
    return number if type(number) is int and number > 0 else None
