"""The models of simulated Cursor, in the two lists that it has of them.

One list has flat ids with all options spelled out (section 8.1 of the protocol), the other has
bases with variants (8.2). `VARIANTS` joins them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gateway_core.json import JsonObject

__all__ = ["MODELS", "Model", "available_models", "by_id", "usable_models"]


@dataclass(slots=True, frozen=True)
class Model:
    """A flat id. parameters: those that mean the same together with `base`."""

    id: str
    base: str
    title: str
    parameters: tuple[tuple[str, str], ...] = ()
    aliases: tuple[str, ...] = ()
    thinks: bool = False
    sees: bool = True
    window: int = 200_000
    max_mode: bool = False


def _claude(base: str, title: str, *efforts: str, fast: bool = False) -> Iterator[Model]:
    for thinks in (False, True):
        for effort in efforts:
            for quick in (False, True) if fast else (False,):
                words = [base, *(["thinking"] if thinks else []), effort]
                parameters = [
                    ("thinking", str(thinks).lower()),
                    ("context", "200k"),
                    ("effort", effort),
                    ("fast", str(quick).lower()),
                ]
                yield Model(
                    "-".join([*words, *(["fast"] if quick else [])]),
                    base,
                    title,
                    tuple(parameters),
                    thinks=thinks,
                    max_mode=quick,
                )


def _gpt(base: str, title: str, *efforts: str) -> Iterator[Model]:
    for effort in efforts:
        for quick in (False, True):
            yield Model(
                f"{base}-{effort}{'-fast' if quick else ''}",
                base,
                title,
                (("context", "272k"), ("reasoning", effort), ("fast", str(quick).lower())),
                thinks=effort != "none",
                window=272_000,
            )


def _other(base: str, title: str, *efforts: str, sees: bool = True) -> Iterator[Model]:
    for effort in efforts:
        id = f"{base}-{effort}"
        yield Model(id, base, title, (("effort", effort),), thinks=True, sees=sees)


MODELS: Final[tuple[Model, ...]] = (
    Model("default", "default", "Auto", aliases=("auto",), sees=False),
    Model("composer-2.5", "composer-2.5", "Composer 2.5", (("fast", "false"),), sees=False),
    Model("composer-2.5-fast", "composer-2.5", "Composer 2.5", (("fast", "true"),), sees=False),
    Model("claude-4.5-sonnet", "claude-4.5-sonnet", "Sonnet 4.5", (("thinking", "false"),)),
    Model(
        "claude-4.5-sonnet-thinking",
        "claude-4.5-sonnet",
        "Sonnet 4.5",
        (("thinking", "true"),),
        thinks=True,
    ),
    *_claude("claude-opus-5", "Opus 5", "low", "medium", "high", "xhigh", "max", fast=True),
    *_claude("claude-sonnet-5", "Sonnet 5", "low", "medium", "high"),
    *_gpt("gpt-5.5", "GPT-5.5", "none", "low", "medium", "high", "extra-high"),
    *_gpt("gpt-5.6-sol", "GPT-5.6 Sol", "none", "low", "medium", "high", "xhigh", "max"),
    *_other("cursor-grok-4.6", "Grok 4.6", "low", "medium", "high"),
    *_other("gemini-3.7-flash", "Gemini 3.7 Flash", "low", "medium", "high"),
    *_other("glm-5.2", "GLM 5.2", "high", "max", sees=False),
)


def by_id(id: str) -> Model | None:
    """The model with this flat id or alias."""
    return next((model for model in MODELS if id == model.id or id in model.aliases), None)


def usable_models() -> JsonObject:
    """What `GetUsableModels` answers."""
    return {"models": [_details(model) for model in MODELS]}


def _details(model: Model) -> JsonObject:
    words = model.id.removeprefix(model.base).replace("-", " ").title()
    details: JsonObject = {
        "modelId": model.id,
        "displayModelId": model.id,
        "displayName": f"{model.title}{words}",
        "displayNameShort": model.title,
    }
    if model.thinks:
        details["thinkingDetails"] = {}
    if model.aliases:
        details["aliases"] = list(model.aliases)
    if model.max_mode:
        details["maxMode"] = True
    return details


def available_models() -> JsonObject:
    """What `AvailableModels` answers."""
    bases = dict.fromkeys(model.base for model in MODELS)
    return {
        "modelNames": [model.id for model in MODELS],
        "models": [_available(base) for base in bases],
        "useModelParameters": True,
    }


def _available(base: str) -> JsonObject:
    models = [model for model in MODELS if model.base == base]
    first = models[0]
    return {
        "name": base,
        "defaultOn": True,
        "supportsAgent": True,
        "supportsThinking": any(model.thinks for model in models),
        "supportsImages": first.sees,
        "supportsMaxMode": any(model.max_mode for model in models),
        "contextTokenLimit": first.window,
        "clientDisplayName": first.title,
        "serverModelName": base,
        "legacySlugs": [model.id for model in models],
        "idAliases": [alias for model in models for alias in model.aliases],
        "parameterDefinitions": [
            {
                "id": name,
                "name": name.title(),
                "parameterType": {"enumParameter": {"values": _values(models, name)}},
            }
            for name, _ in first.parameters
        ],
        "variants": [
            {
                "parameterValues": [{"id": id, "value": value} for id, value in model.parameters],
                "isMaxMode": model.max_mode,
                "legacySlug": model.id,
                "displayName": model.title,
                "isDefaultNonMaxConfig": model is first,
            }
            for model in models
        ],
    }


def _values(models: list[Model], name: str) -> list[JsonObject]:
    values = dict.fromkeys(dict(model.parameters)[name] for model in models)
    return [{"value": value} for value in values]
