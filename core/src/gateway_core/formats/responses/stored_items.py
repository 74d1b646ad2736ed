"""The input items of a stored response: to be listed, and to be told again.

Items are stored as the client sent them. Ids that they lack are made up from the response's id and
their place whenever they are listed, so they are the same each time and never reach an upstream.
Source: `responses.input_items.list` of the official SDK.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gateway_core.content import Message, ToolResult
from gateway_core.errors import InvalidRequest
from gateway_core.formats.responses.output_items import ID_PREFIXES
from gateway_core.formats.responses.read_items import read_input
from gateway_core.json import JsonObject

__all__ = ["ItemPage", "input_items", "item_list", "messages_after"]

_DEFAULT_LIMIT = 20
_LONGEST_PAGE = 100
_WITH_STATUS = ("message", "function_call", "function_call_output")


class ItemPage(NamedTuple):
    """Which items of a list are asked for: at most `limit` that come behind the id `after`."""

    limit: int = _DEFAULT_LIMIT
    descending: bool = True
    after: str | None = None

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "ItemPage":
        """The page that a query asks for. Raises `InvalidRequest`."""
        order = query.get("order", "desc")
        if order not in ("asc", "desc"):
            raise InvalidRequest(f"order: expected asc or desc, got {order!r}", param="order")
        said = query.get("limit", str(_DEFAULT_LIMIT))
        limit = int(said) if said.isascii() and said.isdigit() and len(said) < 5 else 0
        if not 1 <= limit <= _LONGEST_PAGE:
            raise InvalidRequest(
                f"limit: expected a number from 1 to {_LONGEST_PAGE}, got {said!r}", param="limit"
            )
        return cls(limit, order == "desc", query.get("after"))


def input_items(value: Any) -> list[JsonObject]:
    """The items in a valid `input`, whichever form it has."""
    if isinstance(value, str) and value:
        return [{"type": "message", "role": "user", "content": value}]
    return value if isinstance(value, list) else []


def item_list(response_id: str, items: Sequence[JsonObject], page: ItemPage) -> JsonObject:
    """The answer to a request for input items. Raises `InvalidRequest` for an unknown `after`."""
    listed = _listed(response_id, items)
    if page.descending:
        listed.reverse()
    start = 0
    if page.after is not None:
        places = [place for place, item in enumerate(listed) if item["id"] == page.after]
        if not places:
            raise InvalidRequest(
                f"after: the response {response_id!r} has no input item {page.after!r}",
                param="after",
            )
        start = places[0] + 1
    data = listed[start : start + page.limit]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": start + page.limit < len(listed),
    }


def messages_after(earlier: Sequence[JsonObject], messages: Sequence[Message]) -> list[Message]:
    """The messages in earlier items and then these, as if all had come in one `input`."""
    before = read_input(list(earlier))
    if before and messages and _is_one(before[-1], messages[0]):
        joined = Message(before[-1].role, [*before[-1].parts, *messages[0].parts])
        return [*before[:-1], joined, *messages[1:]]
    return [*before, *messages]


def _is_one(first: Message, second: Message) -> bool:
    """Whether the reader would have put both into one message."""
    if first.role == second.role == "assistant":
        return True
    return all(isinstance(part, ToolResult) for part in (*first.parts, *second.parts))


def _listed(response_id: str, items: Sequence[JsonObject]) -> list[JsonObject]:
    suffix = response_id.removeprefix("resp_")[-44:]
    listed: list[JsonObject] = []
    seen: set[str] = set()
    for place, item in enumerate(items):
        kind = item.get("type") or "message"
        id = item.get("id")
        if not isinstance(id, str) or not id or id in seen:
            id = f"{ID_PREFIXES.get(kind, 'item')}_{suffix}_in{place}"
        seen.add(id)
        full = {**item, "id": id, "type": kind}
        if kind == "message" and isinstance(content := item.get("content"), str):
            full["content"] = [_text(content, item.get("role"))]
        if kind in _WITH_STATUS:
            full["status"] = item.get("status") or "completed"
        listed.append(full)
    return listed


def _text(text: str, role: Any) -> JsonObject:
    if role == "assistant":
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "input_text", "text": text}
