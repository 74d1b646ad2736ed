"""The endpoints beside `/v1/responses`: compaction as a call of its own, and token counting.

`POST /v1/responses/compact` is a turn that ends in a compaction trigger; its answer is the input
that stands for the whole conversation from then on. Sources: the official SDK's
`CompactedResponse` and `InputTokenCountResponse`.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from gateway_core.compaction import asks_for_compaction, trigger
from gateway_core.content import Foreign
from gateway_core.errors import InvalidRequest, UpstreamProtocol
from gateway_core.formats.responses.output_items import usage_of
from gateway_core.formats.responses.read_request import read_request
from gateway_core.formats.responses.schema import COMPACTIONS, FORMAT_NAME
from gateway_core.json import JsonObject
from gateway_core.parts import Response
from gateway_core.request import Request

__all__ = [
    "compact_body",
    "count_body",
    "read_compact_request",
    "read_count_request",
    "since_compaction",
]

_KEPT_ROLES = ("user", "system", "developer")
_CALLS = ("function_call", "custom_tool_call")
_OUTPUTS = ("function_call_output", "custom_tool_call_output")


def read_compact_request(body: JsonObject, headers: Mapping[str, str]) -> Request:
    """The turn that compacts the conversation in the body. Raises `InvalidRequest`, also for wishes
    to have the answer in another way than at once and whole.
    """
    request = read_request(body, headers)
    for field in ("stream", "background"):
        if body.get(field):
            raise InvalidRequest(
                f"{field}: a compaction is answered at once and as one object; leave `{field}` "
                "out, or end the `input` of a request to /v1/responses in a `compaction_trigger`",
                param=field,
            )
    request.stream = False
    if not asks_for_compaction(request):
        request.messages.append(trigger())
    return request


def compact_body(
    request: Request,
    response: Response,
    compaction_id: str | None = None,
    created_at: int | None = None,
) -> JsonObject:
    """The `response.compaction` object: what was told to the model, then one compaction item.

    Messages of the user stay word for word, as the vendor's service does it; those of the system
    stay too, because a summary is no place for rules. Answers, calls, results and earlier
    compactions are what the new item stands for. compaction_id, created_at (Unix seconds): made up
    and now, unless given. Raises `UpstreamProtocol` when there is no compaction item in the answer.
    """
    suffix = secrets.token_hex(24) if compaction_id is None else compaction_id
    compactions = [
        part.data
        for part in response.parts
        if isinstance(part, Foreign) and part.namespace == FORMAT_NAME and part.kind in COMPACTIONS
    ]
    if not compactions:
        raise UpstreamProtocol("the upstream answered without a compaction item")
    output = [
        {**item, "id": item.get("id") or f"msg_{suffix[:48]}_{index}"}
        for index, item in enumerate(_told(request.source.body.get("input")))
    ]
    compaction = {"id": f"cmp_{suffix[:48]}", **compactions[0]}
    return {
        "id": f"resp_{suffix}",
        "object": "response.compaction",
        "created_at": int(time.time()) if created_at is None else created_at,
        "output": [*output, compaction],
        "usage": usage_of(response.usage),
    }


def since_compaction(items: list[JsonObject], then: Sequence[JsonObject] = ()) -> list[JsonObject]:
    """The items that a conversation goes on with: its last compaction and what followed, and the
    messages to the model before it, as in `compact_body`. Triggers are done with.

    Kept of what was before are also tools that were offered, and calls whose results came after,
    or come `then`, where nobody has looked at them yet.
    """
    items = [item for item in items if item.get("type") != "compaction_trigger"]
    places = [at for at, item in enumerate(items) if item.get("type") in COMPACTIONS]
    if not places:
        return items
    before, compaction, after = items[: places[-1]], items[places[-1]], items[places[-1] + 1 :]
    offered = [item for item in before if item.get("type") == "additional_tools"]
    late = [item.get("call_id") for item in (*after, *then) if item.get("type") in _OUTPUTS]
    answered = {id for id in late if isinstance(id, str)}
    open_calls = [
        item for item in before if item.get("type") in _CALLS and item.get("call_id") in answered
    ]
    return [*offered, *_told(before), compaction, *open_calls, *after]


def read_count_request(body: JsonObject, headers: Mapping[str, str]) -> Request:
    """The request whose input tokens are asked for. Raises `InvalidRequest`.

    `model` and `input` may be left out here; the model is then the empty string.
    """
    said = {key: value for key, value in body.items() if value is not None}
    request = read_request({"model": "", "input": [], **said}, headers)
    request.stream = False
    return request


def count_body(tokens: int) -> JsonObject:
    """The answer: a number of input tokens."""
    return {"object": "response.input_tokens", "input_tokens": tokens}


def _told(value: Any) -> list[JsonObject]:
    """The messages to the model in a valid `input`, in the full form of items."""
    items: list[JsonObject] = value if isinstance(value, list) else []
    if isinstance(value, str) and value:
        items = [{"role": "user", "content": value}]
    return [
        _full(item)
        for item in items
        if item.get("type") in (None, "message") and item.get("role") in _KEPT_ROLES
    ]


def _full(item: JsonObject) -> JsonObject:
    content = item["content"]
    if isinstance(content, str):
        content = [{"type": "input_text", "text": content}]
    return {**item, "type": "message", "status": "completed", "content": content}
