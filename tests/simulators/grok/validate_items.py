"""What xAI refuses in the input of a request: the form of each item.

How calls and results stand in a row, and whose items they are, is checked where the conversation
and the accounts are known; see `pair_problems` and `simulators.grok.backend`.
"""

import binascii
from base64 import b64decode
from collections.abc import Iterator, Sequence
from typing import Final

from gateway_core.json import JsonObject
from simulators.grok.catalogue import ModelFacts
from simulators.grok.problem import Problem, Rail, check_keys, one_of

__all__ = ["item_problems", "pair_problems"]

_MAGIC: Final = {
    "data:image/png;base64,": b"\x89PNG",
    "data:image/jpeg;base64,": b"\xff\xd8",
    "data:image/jpg;base64,": b"\xff\xd8",
}
_ACTIONS: Final = {
    "search": frozenset({"query", "queries", "sources"}),
    "open_page": frozenset({"url"}),
    "find_in_page": frozenset({"url", "pattern"}),
}
_OWN: Final = frozenset({"code_interpreter_call", "file_search_call", "mcp_call", "x_search_call"})
_API_ONLY: Final = frozenset({"item_reference", "compaction"})


def item_problems(items: object, facts: ModelFacts | None, rail: Rail) -> Iterator[Problem]:
    """All that is wrong with the input of a request."""
    if isinstance(items, str):
        if not items:
            yield Problem("`input` must not be empty")
        return
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        yield Problem("`input` must be a string or a list of items", 422)
        return
    if not items:
        yield Problem("`input` must not be empty")
    for index, item in enumerate(items):
        yield from _item_problems(item, f"input[{index}]", facts, rail)


def pair_problems(items: Sequence[JsonObject]) -> Iterator[Problem]:
    """What is wrong with the calls of a whole conversation: each is answered once, after it was
    made.
    """
    open_calls: set[object] = set()
    made: set[object] = set()
    for item in items:
        id = item.get("call_id")
        if item.get("type") == "function_call":
            if id in made:
                yield Problem(f"the call {id!r} is there twice")
            made.add(id)
            open_calls.add(id)
        elif item.get("type") == "function_call_output":
            if id not in open_calls:
                yield Problem(f"No tool call found for function call output with call_id {id}.")
            open_calls.discard(id)
    for id in sorted(map(str, open_calls)):
        yield Problem(f"No tool output found for function call {id}.")


def _item_problems(
    item: JsonObject, where: str, facts: ModelFacts | None, rail: Rail
) -> Iterator[Problem]:
    kind = item.get("type", "message" if "role" in item else None)
    match kind:
        case "message":
            yield from _message_problems(item, where, facts)
        case "reasoning":
            yield from _reasoning_problems(item, where)
        case "function_call":
            yield from check_keys(item, ("type", "id", "call_id", "name", "arguments"), where)
            yield from _strings(item, ("call_id", "name", "arguments"), where)
        case "function_call_output":
            yield from check_keys(item, ("type", "call_id", "output"), where)
            yield from _strings(item, ("call_id",), where)
            output = item.get("output")
            if not isinstance(output, str):
                known = ("input_text", "input_image")
                yield from _part_problems(output, known, f"{where}.output", facts)
        case "web_search_call":
            yield from check_keys(item, ("type", "id", "status", "action"), where)
            yield from _search_problems(item.get("action"), f"{where}.action")
        case "custom_tool_call":
            if not str(item.get("call_id")).startswith("xs_call"):
                yield Problem(f"{where}: a custom_tool_call that is none of our own")
        case str() if kind in _OWN:
            pass
        case str() if kind in _API_ONLY and rail == "api":
            yield from _strings(item, ("id",), where)
        case _:
            yield Problem(f"{where}: unknown item type {kind!r}", 422)


def _message_problems(item: JsonObject, where: str, facts: ModelFacts | None) -> Iterator[Problem]:
    role, content = item.get("role"), item.get("content")
    yield from one_of(role, ("user", "system", "developer", "assistant"), f"{where}.role")
    known = (
        ("type", "role", "content", "id") if role == "assistant" else ("type", "role", "content")
    )
    yield from check_keys(item, known, where)
    if not content:
        yield Problem(f"{where}: Each message must have at least one content element.")
    elif isinstance(content, str):
        return
    elif role == "assistant":
        yield from _part_problems(content, ("output_text",), f"{where}.content", facts)
    else:
        kinds = ("input_text", "input_image", "input_file")
        yield from _part_problems(content, kinds, f"{where}.content", facts)


def _part_problems(
    parts: object, kinds: Sequence[str], where: str, facts: ModelFacts | None
) -> Iterator[Problem]:
    if not isinstance(parts, list) or not parts:
        yield Problem(f"{where}: must be a string or a list of parts", 422)
        return
    for index, part in enumerate(parts):
        at = f"{where}[{index}]"
        if not isinstance(part, dict) or part.get("type") not in kinds:
            yield Problem(f"{at}: expected one of {', '.join(kinds)}", 422)
            continue
        match part["type"]:
            case "input_text":
                yield from check_keys(part, ("type", "text"), at)
                yield from _strings(part, ("text",), at)
            case "output_text":
                yield from check_keys(part, ("type", "text", "annotations", "logprobs"), at)
                yield from _strings(part, ("text",), at)
            case "input_image":
                yield from _image_problems(part, at, facts)
            case "input_file":
                yield from check_keys(part, ("type", "file_url", "file_id"), at)
                if ("file_url" in part) == ("file_id" in part):
                    yield Problem(f"{at}: either `file_url` or `file_id`", 422)


def _image_problems(part: JsonObject, where: str, facts: ModelFacts | None) -> Iterator[Problem]:
    yield from check_keys(part, ("type", "image_url", "detail"), where)
    if "detail" in part:
        yield from one_of(part["detail"], ("auto", "low", "high"), f"{where}.detail")
    if facts is not None and not facts.images:
        yield Problem(f"{where}: Image inputs are not supported by this model")
    url = part.get("image_url")
    if isinstance(url, str) and url.startswith("https://"):
        return
    start = next((each for each in _MAGIC if isinstance(url, str) and url.startswith(each)), None)
    if start is None:
        yield Problem(f"{where}: Unsupported image, send a PNG or a JPEG", code="invalid_image")
        return
    try:
        data = b64decode(str(url).removeprefix(start), validate=True)
    except binascii.Error:
        data = b""
    if not data.startswith(_MAGIC[start]):
        yield Problem(f"{where}: could not process image", code="could-not-process-image")


def _reasoning_problems(item: JsonObject, where: str) -> Iterator[Problem]:
    yield from check_keys(item, ("type", "id", "summary", "content", "encrypted_content"), where)
    yield from _strings(item, ("id",), where)
    for key, kind in (("summary", "summary_text"), ("content", "reasoning_text")):
        parts = item.get(key, [] if key == "content" else None)
        if not isinstance(parts, list):
            yield Problem(f"{where}: `{key}` must be a list", 422)
            continue
        for part in parts:
            if (
                not isinstance(part, dict)
                or part.keys() != {"type", "text"}
                or part["type"] != kind
            ):
                yield Problem(f"{where}.{key}: expected parts of type {kind}", 422)
    blob = item.get("encrypted_content")
    if isinstance(blob, str) and (not blob or "=" in blob):
        yield Problem(f"{where}: encrypted_content is not what was issued")


def _search_problems(action: object, where: str) -> Iterator[Problem]:
    known = _ACTIONS.get(str(action.get("type"))) if isinstance(action, dict) else None
    if known is None or not isinstance(action, dict):
        yield Problem(f"{where}: expected one of {', '.join(_ACTIONS)}", 422)
        return
    yield from check_keys(action, {"type", *known}, where)


def _strings(value: JsonObject, names: Sequence[str], where: str) -> Iterator[Problem]:
    for name in names:
        if not isinstance(value.get(name), str):
            yield Problem(f"{where}: missing field `{name}`", 422)
