"""The models of the simulated xAI, and how each of its lists shows them.

Facts are those of the official client's and of peers' registries. A dated alias and `grok-4`
resolve on the server; `grok-4.3-fast`, which no official list has, does not exist.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway_core.json import JsonObject

__all__ = ["IMAGE_MODELS", "MODELS", "ModelFacts", "describe_language", "describe_proxy", "resolve"]

_THREE: Final = ("low", "medium", "high")
_CREATED: Final = 1_780_000_000


@dataclass(slots=True, frozen=True)
class ModelFacts:
    """One model.

    efforts: empty when it takes none. draws: whether the hosted `image_generation` exists for it.
    paid: not for free accounts. public: whether the public API has it. hidden: listed by the proxy,
    but not to be shown. extra: more members of the proxy's entry.
    """

    id: str
    window: int = 256_000
    max_output: int = 65_536
    efforts: tuple[str, ...] = ()
    default_effort: str | None = None
    images: bool = True
    draws: bool = False
    aliases: tuple[str, ...] = ()
    paid: bool = False
    public: bool = True
    hidden: bool = False
    extra: Mapping[str, object] = field(default_factory=dict)


def _models() -> Mapping[str, ModelFacts]:
    listed = (
        ModelFacts(
            "grok-4.6",
            500_000,
            efforts=(*_THREE, "xhigh"),
            default_effort="high",
            draws=True,
            aliases=("grok-4.6-latest",),
        ),
        ModelFacts(
            "grok-4.5",
            500_000,
            efforts=_THREE,
            default_effort="high",
            aliases=("grok-4.5-latest",),
        ),
        ModelFacts(
            "grok-4.3",
            1_000_000,
            efforts=("none", *_THREE),
            aliases=("grok-4.3-latest", "grok-4"),
        ),
        ModelFacts("grok-build-0.1", max_output=256_000, extra={"apiBackend": "responses"}),
        ModelFacts("grok-4.20-0309-reasoning", 2_000_000),
        ModelFacts("grok-4.20-multi-agent-0309", 2_000_000, efforts=_THREE, paid=True),
        ModelFacts("grok-composer-2.5-fast", 200_000, 32_768, images=False, public=False),
        ModelFacts("grok-internal-eval", hidden=True, public=False),
        ModelFacts("grok-messages-only", public=False, extra={"apiBackend": "messages"}),
    )
    return {model.id: model for model in listed}


MODELS: Final = _models()

IMAGE_MODELS: Final = (
    "grok-imagine-image",
    "grok-imagine-image-quality",
    "grok-imagine-image-2.0",
)


def resolve(models: Mapping[str, ModelFacts], name: object) -> ModelFacts | None:
    """The model that a name means, by id or alias."""
    if not isinstance(name, str):
        return None
    found = models.get(name)
    return found or next((model for model in models.values() if name in model.aliases), None)


def describe_proxy(model: ModelFacts) -> JsonObject:
    """An entry of the proxy's list. Every second fact of the official list is below `_meta`."""
    entry: JsonObject = {
        "id": model.id,
        "model": model.id,
        "name": model.id.replace("grok", "Grok", 1).replace("-", " "),
        "contextWindow": model.window,
        "apiBackend": "responses",
        "supportsReasoningEffort": bool(model.efforts),
        "supportedInApi": model.public,
        "hidden": model.hidden,
        "_meta": {"maxCompletionTokens": model.max_output, "supportsBackendSearch": True},
    }
    if model.efforts:
        entry["reasoningEffort"] = model.default_effort or model.efforts[0]
        entry["reasoningEfforts"] = [
            {"value": word, "label": word.capitalize()}
            | ({"default": True} if word == model.default_effort else {})
            for word in reversed(model.efforts)
        ]
    return entry | dict(model.extra)


def describe_language(model: ModelFacts) -> JsonObject:
    """An entry of the public API's `/language-models`; prices in cents per 100 million tokens."""
    return {
        "id": model.id,
        "fingerprint": "fp_3c1d",
        "created": _CREATED,
        "object": "model",
        "owned_by": "xai",
        "version": "1.0",
        "input_modalities": ["text", "image"] if model.images else ["text"],
        "output_modalities": ["text"],
        "prompt_text_token_price": 20_000,
        "cached_prompt_text_token_price": 5_000,
        "prompt_image_token_price": 0,
        "completion_text_token_price": 60_000,
        "search_price": 250_000_000,
        "aliases": list(model.aliases),
    }
