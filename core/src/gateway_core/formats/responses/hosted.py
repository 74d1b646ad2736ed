"""Items of tools that ran at the upstream, between their Responses form and `HostedCall`.

Both directions and both sides use it: a search looks the same in an answer, in a client's history
and in a request to an upstream.
"""

from typing import Any

from gateway_core.content import HostedCall, Media
from gateway_core.formats.responses.schema import FORMAT_NAME, extras_of, kept_fields
from gateway_core.json import JsonObject, dumps_text, loads

__all__ = [
    "HOSTED_ITEMS",
    "image_item",
    "partial_image",
    "read_hosted",
    "read_partial_image",
    "search_item",
]

HOSTED_ITEMS = {"web_search_call": "web_search", "image_generation_call": "image_generation"}
"""Item types of hosted calls, with the canonical name of the tool."""

_PARTIAL_FACTS = ("size", "quality", "background")


def read_hosted(item: JsonObject, fallback_id: str) -> HostedCall:
    """A `web_search_call` or `image_generation_call` item; fields of a wrong type count as absent.

    `fallback_id` is used when the item has no id. Sources that are no URL are left out.
    """
    id = item["id"] if isinstance(item.get("id"), str) and item["id"] else fallback_id
    return _read_search(item, id) if item["type"] == "web_search_call" else _read_image(item, id)


def search_item(call: HostedCall, *, titles: bool) -> JsonObject:
    """A `web_search_call` item without id.

    titles: whether sources carry their titles, which clients like to see and the vendor's input
    schema does not know.
    """
    failed = call.result is not None and "error" in call.result
    action = extras_of(call.extras).get("action") or _action(call, titles=titles)
    return {"type": "web_search_call", "status": "failed" if failed else "completed"} | (
        {"action": action} if action else {}
    )


def image_item(call: HostedCall) -> JsonObject:
    """An `image_generation_call` item without id."""
    result = call.result or {}
    data = result.get("data")
    item: JsonObject = {
        "type": "image_generation_call",
        "status": "failed" if data is None else "completed",
        "result": data,
    }
    media_type = result.get("media_type")
    if isinstance(media_type, str):
        item["output_format"] = media_type.removeprefix("image/")
    prompt = _arguments(call).get("prompt")
    if isinstance(prompt, str):
        item["revised_prompt"] = prompt
    return item


def read_partial_image(event: JsonObject) -> Media | None:
    """The picture in a `partial_image` event; None when there is none in it."""
    data = event.get("partial_image_b64")
    if not isinstance(data, str) or not data:
        return None
    facts = {key: event[key] for key in _PARTIAL_FACTS if isinstance(event.get(key), str)}
    extras = {FORMAT_NAME: facts} if facts else None
    return Media("image", _image_type(event), data=data, extras=extras)


def partial_image(media: Media) -> JsonObject:
    """What a `partial_image` event says of the picture itself."""
    facts = {key: value for key, value in extras_of(media.extras).items() if key in _PARTIAL_FACTS}
    format = (media.type or "image/png").removeprefix("image/")
    return {"partial_image_b64": media.data, "output_format": format, **facts}


def _read_search(item: JsonObject, id: str) -> HostedCall:
    action = item["action"] if isinstance(item.get("action"), dict) else {}
    query = action.get("query")
    queries = action.get("queries")
    if not isinstance(query, str) and isinstance(queries, list) and queries:
        query = queries[0]
    if isinstance(query, str):
        arguments: JsonObject = {"query": query}
    else:
        arguments = {key: value for key, value in action.items() if key != "sources"}
    call = HostedCall(id, "web_search", dumps_text(arguments), _search_result(item, action))
    call.extras = kept_fields(item, ("type", "id", "status", "action"))
    if action and action != _action(call, titles=True):
        # Several queries, pages opened: to be shown again as they were.
        call.extras = {FORMAT_NAME: {**extras_of(call.extras), "action": action}}
    return call


def _search_result(item: JsonObject, action: JsonObject) -> JsonObject | None:
    if item.get("status") == "failed":
        return {"error": "unavailable"}
    sources = action.get("sources")
    if not isinstance(sources, list):
        return None
    return {
        "sources": [
            {"url": source["url"]}
            | ({"title": source["title"]} if isinstance(source.get("title"), str) else {})
            for source in sources
            if isinstance(source, dict) and isinstance(source.get("url"), str)
        ]
    }


def _action(call: HostedCall, *, titles: bool) -> JsonObject:
    arguments = _arguments(call)
    if "type" in arguments or not arguments:
        action = dict(arguments)
    else:
        action = {"type": "search", "query": arguments.get("query", "")}
    sources = (call.result or {}).get("sources")
    if isinstance(sources, list):
        action["sources"] = [
            {"type": "url", "url": source.get("url")}
            | ({"title": source["title"]} if titles and source.get("title") else {})
            for source in sources
        ]
    return action


def _read_image(item: JsonObject, id: str) -> HostedCall:
    data = item.get("result")
    prompt = item.get("revised_prompt")
    consumed = ("type", "id", "status", "result", "output_format", "revised_prompt")
    return HostedCall(
        id,
        "image_generation",
        dumps_text({"prompt": prompt} if isinstance(prompt, str) else {}),
        {"media_type": _image_type(item), "data": data} if isinstance(data, str) and data else None,
        extras=kept_fields(item, consumed),
    )


def _image_type(fields: JsonObject) -> str:
    format = fields.get("output_format")
    return f"image/{format if isinstance(format, str) and format else 'png'}"


def _arguments(call: HostedCall) -> JsonObject:
    try:
        arguments: Any = loads(call.arguments) if call.arguments else {}
    except ValueError:
        return {}
    return arguments if isinstance(arguments, dict) else {}
