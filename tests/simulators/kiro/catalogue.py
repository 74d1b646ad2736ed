"""The models that the simulated service has, in the words of its own list."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from gateway_core.json import JsonObject
from simulators.kiro.fixtures import document

__all__ = ["MODELS", "ModelFacts", "field_problems"]


@dataclass(slots=True, frozen=True)
class ModelFacts:
    """One model. `listed` is its entry in the list, `window` the tokens that it reads at most.

    fields: the schema of the further fields that it takes; None when it takes none.
    """

    id: str
    window: int
    listed: JsonObject
    fields: JsonObject | None = None


def _gpt() -> JsonObject:
    efforts = {"type": "string", "enum": ["none", "low", "medium", "high", "xhigh"]}
    reasoning = {"type": "object", "properties": {"effort": efforts}}
    return {
        "modelId": "gpt-5.6-sol",
        "modelName": "GPT 5.6 Sol",
        "description": "GPT 5.6 Sol",
        "rateMultiplier": 2.4,
        "rateUnit": "credit",
        "tokenLimits": {"maxInputTokens": 272_000, "maxOutputTokens": 64_000},
        "supportedInputTypes": ["TEXT", "IMAGE"],
        "supportsPromptCache": True,
        "additionalModelRequestFieldsSchema": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"reasoning": reasoning},
        },
    }


def _facts(listed: JsonObject) -> ModelFacts:
    schema = listed.get("additionalModelRequestFieldsSchema")
    return ModelFacts(listed["modelId"], listed["tokenLimits"]["maxInputTokens"], listed, schema)


_LISTED: Final = (*document("list-available-models")["response"]["body"]["models"], _gpt())

MODELS: Final[dict[str, ModelFacts]] = {entry["modelId"]: _facts(entry) for entry in _LISTED}
"""By id, in the order of the list."""


def field_problems(fields: Any, facts: ModelFacts) -> Iterator[str]:
    """What is wrong with `additionalModelRequestFields` for a model."""
    if facts.fields is None:
        yield f"{facts.id} takes no further fields"
    else:
        yield from _breaches(fields, facts.fields, "additionalModelRequestFields")


def _breaches(value: Any, schema: JsonObject, place: str) -> Iterator[str]:
    match schema.get("type"):
        case "object":
            if not isinstance(value, dict):
                yield f"{place} is no object"
                return
            known = schema.get("properties", {})
            for key, inner in value.items():
                if key in known:
                    yield from _breaches(inner, known[key], f"{place}.{key}")
                else:
                    yield f"{place} has an unknown member {key!r}"
        case "integer":
            low, high = schema.get("minimum", 0), schema.get("maximum", 1 << 40)
            if type(value) is not int or not low <= value <= high:
                yield f"{place} is no number between {low} and {high}"
        case "string":
            if value not in schema.get("enum", [value]):
                yield f"{place} is {value!r}"
