"""`/v1/models` and `/v1/models/{id}` in OpenAI's and in Anthropic's shape.

Both carry the same extra fields, which clients of either format ignore when they do not know them:
`display_name`, `context_window`, `max_input_tokens`, `max_output_tokens`, `modalities`, `efforts`,
`default_effort`, `aliases`, `owned_by`. Facts that are unknown are left out, unless the format
insists on the field. Where the models come from is not known here.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from gateway_core.errors import InvalidRequest
from gateway_core.json import JsonObject
from gateway_core.provider import Model

__all__ = ["anthropic_list", "anthropic_model", "openai_list", "openai_model"]

_LARGEST_PAGE: Final = 1000
_UNKNOWN: Final = datetime(1970, 1, 1, tzinfo=UTC)  # both formats insist on a date of creation


def openai_list(entries: Sequence[tuple[str, Model]]) -> JsonObject:
    """The whole list for (provider, model) pairs in order; OpenAI's has no pages."""
    return {
        "object": "list",
        "data": [openai_model(provider, model, id) for id, provider, model in _named(entries)],
    }


def openai_model(provider: str, model: Model, id: str | None = None) -> JsonObject:
    """One model; `id` is the name to show where it is not the provider's own."""
    return {
        "id": id or model.id,
        "object": "model",
        "created": int(_created(model).timestamp()),
        "owned_by": provider,
        "display_name": model.title or model.id,
        **_facts(model),
    }


def anthropic_list(
    entries: Sequence[tuple[str, Model]],
    *,
    limit: int = 20,
    after_id: str | None = None,
    before_id: str | None = None,
) -> JsonObject:
    """One page of at most `limit` models, right after or right before a cursor.

    `has_more` is about the direction of the page. Raises `InvalidRequest` for a limit outside 1 to
    1000, an id that is not in the list, or both cursors at once.
    """
    if not 1 <= limit <= _LARGEST_PAGE:
        raise InvalidRequest(f"limit: expected 1 to {_LARGEST_PAGE}, got {limit}", param="limit")
    if after_id is not None and before_id is not None:
        raise InvalidRequest(
            "after_id and before_id: give one of them, not both", param="before_id"
        )
    models = [anthropic_model(provider, model, id) for id, provider, model in _named(entries)]
    ids = [model["id"] for model in models]
    if before_id is not None:
        end = _position(ids, before_id, "before_id")
        start = max(0, end - limit)
        has_more = start > 0
    else:
        start = 0 if after_id is None else _position(ids, after_id, "after_id") + 1
        end = start + limit
        has_more = end < len(models)
    page = models[start:end]
    return {
        "data": page,
        "has_more": has_more,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
    }


def anthropic_model(provider: str, model: Model, id: str | None = None) -> JsonObject:
    """One model; `id` is the name to show where it is not the provider's own."""
    facts = _facts(model)
    if model.max_output_tokens is not None:
        facts["max_tokens"] = model.max_output_tokens
    return {
        "type": "model",
        "id": id or model.id,
        "display_name": model.title or model.id,
        "created_at": _created(model).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
        "owned_by": provider,
        **facts,
    }


def _named(entries: Sequence[tuple[str, Model]]) -> list[tuple[str, str, Model]]:
    """With unique ids: who comes second is shown as `provider/model`, as it can be asked for."""
    seen: set[str] = set()
    named = []
    for provider, model in entries:
        id = f"{provider}/{model.id}" if model.id in seen else model.id
        if id not in seen:
            seen.add(id)
            named.append((id, provider, model))
    return named


def _facts(model: Model) -> JsonObject:
    facts: JsonObject = {
        "context_window": model.context_window,
        "max_input_tokens": model.context_window,
        "max_output_tokens": model.max_output_tokens,
        "modalities": {"input": list(model.input)},
        "efforts": list(model.efforts),
        "default_effort": model.default_effort,
        "aliases": list(model.aliases),
    }
    return {key: value for key, value in facts.items() if value not in (None, [])}


def _created(model: Model) -> datetime:
    created = model.created or _UNKNOWN
    return created.replace(tzinfo=UTC) if created.tzinfo is None else created.astimezone(UTC)


def _position(ids: list[str], id: str, param: str) -> int:
    if id not in ids:
        raise InvalidRequest(f"{param}: there is no model {id!r} in the list", param=param)
    return ids.index(id)
