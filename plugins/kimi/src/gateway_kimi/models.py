"""Kimi's models: those of the account's plan, and what is known of them without asking."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from gateway_core import Capabilities, JsonObject, Model, UpstreamProtocol
from gateway_core.lookups import list_at, text_at, value_at
from gateway_core.request import EFFORTS

__all__ = ["CAPABILITIES", "STATIC_MODELS", "read_models"]

CAPABILITIES: Final = Capabilities(
    input=frozenset({"text", "image", "video"}),
    parallel_tools=False,
    sampling=frozenset({"max_output_tokens", "stop"}),
    efforts=EFFORTS,  # `request` maps them to what a model has
)
_ALL_INPUT: Final = ("text", "image", "video")
_GENERATIONS: Final = ("kimi-k2.7-code", "kimi-k2.6", "k2.6", "kimi-k2.5", "kimi-code", "kimi")
_K3_EFFORTS: Final = ("low", "high", "max")
_NAME: Final = re.compile(r"[^\s,;'\"/]+")


def _known(id: str, title: str, *aliases: str, efforts: Sequence[str] = ()) -> Model:
    return Model(
        id,
        title=title,
        aliases=aliases,
        context_window=262_144,
        max_output_tokens=65_536,
        input=_ALL_INPUT,
        efforts=tuple(efforts),
        default_effort="high" if efforts else None,
        private={"thinking": "only"},
    )


STATIC_MODELS: Final = (
    _known("kimi-for-coding", "Kimi for Coding", *_GENERATIONS),
    _known("kimi-for-coding-highspeed", "Kimi for Coding, fast", "kimi-k2.7-code-highspeed"),
    replace(_known("k3", "K3", "kimi-k3", efforts=_K3_EFFORTS), context_window=1_048_576),
    replace(
        _known("k3-256k", "K3, 256k window", efforts=_K3_EFFORTS),
        input=("text", "image"),
        capabilities=replace(CAPABILITIES, input=frozenset({"text", "image"})),
    ),
)
"""The list before a login. The names of generations are aliases of the one id that serves them."""


def read_models(answer: JsonObject) -> list[Model]:
    """The models in an answer of `GET /models`; entries without a name or window are skipped.

    Raises `UpstreamProtocol` when there is no list.
    """
    if not isinstance(answer.get("data"), list):
        raise UpstreamProtocol("the model list of Kimi is none")
    models = (_read_model(entry) for entry in answer["data"] if isinstance(entry, dict))
    return list({model.id: model for model in models if model is not None}.values())


def _read_model(entry: JsonObject) -> Model | None:
    id, window = entry.get("id"), entry.get("context_length")
    if not isinstance(id, str) or not _NAME.fullmatch(id) or type(window) is not int or window <= 0:
        return None
    known = next((model for model in STATIC_MODELS if model.id == id), None)
    thinking = entry.get("supports_thinking_type")
    if thinking not in ("only", "both", "no"):
        thinking = "no" if entry.get("supports_reasoning") is False else "only"
    efforts, default = _read_efforts(entry)
    takes = tuple(k for k in _ALL_INPUT if k == "text" or entry.get(f"supports_{k}_in") is True)
    return Model(
        id,
        title=text_at(entry, "display_name") or id,
        aliases=known.aliases if known else (),
        context_window=window,
        max_output_tokens=65_536,
        input=takes,
        efforts=efforts,
        default_effort=default,
        capabilities=replace(
            CAPABILITIES,
            input=frozenset(takes),
            tools=entry.get("supports_tool_use") is not False,
            efforts=() if thinking == "no" else EFFORTS,
        ),
        private={"thinking": thinking},
    )


def _read_efforts(entry: JsonObject) -> tuple[tuple[str, ...], str | None]:
    """The efforts of a model that has some, ascending, and which is the usual one."""
    if value_at(entry, "think_efforts", "support") is not True:
        return (), None
    told = list_at(entry, "think_efforts", "valid_efforts")
    efforts = tuple(name for name in EFFORTS if name in told)
    default = text_at(entry, "think_efforts", "default_effort")
    return efforts, default if default in efforts else None
