"""What xAI refuses: pure functions over headers and body of a request for a response.

Strict where public sources say that xAI is, or that a careful client must be. Knows no accounts:
who may ask, and whose sealed reasoning it is, is checked where the accounts are.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final
from uuid import UUID

from gateway_core.json import JsonObject
from simulators.grok.catalogue import ModelFacts, resolve
from simulators.grok.problem import Problem, Rail, check_keys, not_supported, one_of
from simulators.grok.validate_items import item_problems
from simulators.grok.validate_tools import choice_problems, object_problems, tool_problems

__all__ = ["body_problems", "compact_problems", "header_problems", "is_number", "version_of"]

OLDEST_VERSION: Final = (0, 1, 202)
_PARAMETERS: Final = frozenset(
    {
        "background",
        "include",
        "input",
        "instructions",
        "logprobs",
        "max_output_tokens",
        "model",
        "parallel_tool_calls",
        "previous_response_id",
        "prompt_cache_key",
        "reasoning",
        "search_parameters",
        "seed",
        "stop",
        "store",
        "stream",
        "stream_tool_calls",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "truncation",
        "user",
    }
)
_API_ONLY: Final = ("previous_response_id", "seed", "stop")
_COMPACT_PARAMETERS: Final = frozenset(
    {"model", "input", "instructions", "previous_response_id", "prompt_cache_key", "reasoning"}
)
_INCLUDABLE: Final = frozenset(
    {
        "reasoning.encrypted_content",
        "web_search_call.action.sources",
        "message.output_text.logprobs",
        "code_interpreter_call.outputs",
        "file_search_call.results",
        "no_inline_citations",
    }
)
_LIBRARY_AGENTS: Final = (
    "reqwest",
    "python-",
    "python/",
    "httpx",
    "aiohttp",
    "curl",
    "go-http-client",
    "node",
    "openai/",
    "anthropic/",
    "claude-cli",
    "codex",
)
_FOREIGN_HEADERS: Final = (
    "x-api-key",
    "anthropic-",
    "openai-",
    "chatgpt-",
    "originator",
    "x-stainless-",
    "x-claude-",
    "x-codex-",
    "x-app",
    "cookie",
)
_PROXY_HEADERS: Final = (
    "x-xai-token-auth",
    "x-grok-client-version",
    "x-grok-client-identifier",
    "x-authenticateresponse",
    "x-grok-model-override",
)
_VERSION: Final = re.compile(r"\d+\.\d+\.\d+")


def version_of(headers: Mapping[str, str]) -> tuple[int, ...] | None:
    """The version that a client names to the proxy; None unless it is plain."""
    text = headers.get("x-grok-client-version", "")
    return tuple(map(int, text.split("."))) if _VERSION.fullmatch(text) else None


def header_problems(
    headers: Mapping[str, str], rail: Rail, accept: str | None = None
) -> Iterator[Problem]:
    """What is wrong with the headers of any request; names in lower case.

    accept: the type of the answer to a request with a body; None for one without.
    """
    if rail == "proxy":
        yield from _identity_problems(headers)
    else:
        for name in _PROXY_HEADERS:
            if name in headers:
                yield Problem(f"header {name} is for the proxy only")
    if accept is not None:
        if headers.get("content-type", "").partition(";")[0] != "application/json":
            yield Problem("Expected request with `Content-Type: application/json`", 415)
        if accept not in headers.get("accept", ""):
            yield Problem(f"header accept must ask for {accept}", 406)
    agent = headers.get("user-agent", "").lower()
    if not agent or agent.startswith(_LIBRARY_AGENTS):
        yield Problem(f"header user-agent {agent!r} is a library's or another program's", 403)
    for name in headers:
        if name.startswith(_FOREIGN_HEADERS):
            yield Problem(f"header {name} belongs to the client's own service")
    if "x-grok-doom-loop-check" in headers:
        yield Problem("header x-grok-doom-loop-check must not be sent")
    if (id := headers.get("x-grok-conv-id")) is not None and not _is_uuid(id):
        yield Problem("header x-grok-conv-id must be a uuid")


def _identity_problems(headers: Mapping[str, str]) -> Iterator[Problem]:
    if headers.get("x-xai-token-auth") != "xai-grok-cli":
        message = "Access to the chat endpoint is denied. Please ensure you're using the right key."
        yield Problem(message, 403, "permission-denied")
    version = version_of(headers)
    if version is None or version < OLDEST_VERSION:
        said = headers.get("x-grok-client-version", "none")
        yield Problem(f"Your Grok CLI version ({said}) is outdated. Please run `grok update`.", 426)
    if not headers.get("x-grok-client-identifier"):
        yield Problem("header x-grok-client-identifier is missing")
    if headers.get("x-authenticateresponse") != "authenticate-response":
        yield Problem("header x-authenticateresponse must be authenticate-response")


def body_problems(
    body: JsonObject, rail: Rail, headers: Mapping[str, str], models: Mapping[str, ModelFacts]
) -> Iterator[Problem]:
    """All that a rail would refuse in a `POST /responses`."""
    facts = resolve(models, body.get("model"))
    if facts is None or not (facts.public or rail == "proxy"):
        name = body.get("model")
        yield Problem(
            f"The model {name} does not exist or your team does not have access to it.",
            404,
            "Some requested entity was not found",
        )
    override = headers.get("x-grok-model-override")
    if override is not None and override != body.get("model"):
        yield Problem("header x-grok-model-override names another model than the body")
    for key, value in body.items():
        if key not in _PARAMETERS:
            yield not_supported(key)
        elif value is None:
            yield Problem(f"`{key}` must not be null", 422)
    yield from _rail_problems(body, rail)
    yield from _number_problems(body, facts)
    yield from _option_problems(body, facts)
    yield from tool_problems(body.get("tools"), facts)
    yield from choice_problems(body)
    yield from item_problems(body.get("input"), facts, rail)


def compact_problems(body: JsonObject, models: Mapping[str, ModelFacts]) -> Iterator[Problem]:
    """All that the public API would refuse in a `POST /responses/compact`."""
    facts = resolve(models, body.get("model"))
    if facts is None:
        yield Problem(f"The model {body.get('model')} does not exist", 404)
    for key in body:
        if key not in _COMPACT_PARAMETERS:
            yield not_supported(key)
    yield from item_problems(body.get("input"), facts, "api")


def _rail_problems(body: JsonObject, rail: Rail) -> Iterator[Problem]:
    for key in ("store", "stream"):
        if not isinstance(body.get(key), bool):
            yield Problem(f"`{key}` must be said, and be a boolean", 422)
    if rail == "proxy":
        if body.get("stream") is not True:
            yield Problem("Only streaming requests are served: `stream` must be true")
        if body.get("store") is not False:
            yield Problem("Nothing is stored here: `store` must be false")
        for key in _API_ONLY:
            if key in body:
                yield not_supported(key)
    if body.get("store") is False and "reasoning.encrypted_content" not in _list(body, "include"):
        yield Problem("without `reasoning.encrypted_content` in `include` the reasoning is lost")
    if "previous_response_id" in body and "instructions" in body:
        yield Problem("`instructions` cannot be used together with `previous_response_id`")
    if body.get("background", False) is not False:
        yield not_supported("background")


def _number_problems(body: JsonObject, facts: ModelFacts | None) -> Iterator[Problem]:
    most = facts.max_output if facts is not None else None
    ranges = {
        "max_output_tokens": (1, most),
        "temperature": (0, 2),
        "top_p": (0, 1),
        "top_logprobs": (0, 8),
    }
    for key, (least, limit) in ranges.items():
        if key not in body:
            continue
        value = body[key]
        if not is_number(value) or value < least or (limit is not None and value > limit):
            yield Problem(f"`{key}` must be between {least} and {limit}, not {value!r}")
    for key in ("max_output_tokens", "top_logprobs", "seed"):
        if key in body and not isinstance(body[key], int):
            yield Problem(f"`{key}` must be an integer", 422)


def _option_problems(body: JsonObject, facts: ModelFacts | None) -> Iterator[Problem]:
    for key in ("prompt_cache_key", "user", "previous_response_id", "instructions"):
        if key in body and (not isinstance(body[key], str) or not body[key]):
            yield Problem(f"`{key}` must be a string that is not empty", 422)
    for key in ("logprobs", "stream_tool_calls", "parallel_tool_calls"):
        if key in body and not isinstance(body[key], bool):
            yield Problem(f"`{key}` must be a boolean", 422)
    if "include" in body:
        if not isinstance(body["include"], list):
            yield Problem("`include` must be a list", 422)
        for item in _list(body, "include"):
            yield from one_of(item, _INCLUDABLE, "include")
    if "truncation" in body:
        yield from one_of(body["truncation"], ("auto", "disabled"), "truncation")
    if "reasoning" in body:
        yield from _reasoning_problems(body["reasoning"], facts)
    if "text" in body:
        yield from _text_problems(body["text"])


def _reasoning_problems(value: object, facts: ModelFacts | None) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield Problem("`reasoning` must be an object", 422)
        return
    yield from check_keys(value, ("effort", "summary"), "reasoning")
    if value.get("effort") is not None and facts is not None:
        if not facts.efforts:
            yield Problem(f"Model {facts.id} does not support parameter reasoningEffort.")
        else:
            yield from one_of(value["effort"], facts.efforts, "reasoning.effort")
    if value.get("summary") is not None:
        yield from one_of(value["summary"], ("auto", "concise", "detailed"), "reasoning.summary")


def _text_problems(value: object) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield Problem("`text` must be an object", 422)
        return
    yield from check_keys(value, ("format",), "text")
    form = value.get("format")
    if not isinstance(form, dict):
        yield Problem("text: missing field `format`", 422)
        return
    match form:
        case {"type": "text" | "json_object"}:
            yield from check_keys(form, ("type",), "text.format")
        case {"type": "json_schema"}:
            yield from check_keys(form, ("type", "name", "schema", "strict"), "text.format")
            if not isinstance(form.get("name"), str) or not form["name"]:
                yield Problem("text.format: missing field `name`", 422)
            yield from object_problems(form.get("schema"), "text.format.schema")
        case _:
            yield Problem(f"text.format: unknown format {form!r}", 422)


def is_number(value: object) -> bool:
    """Whether it is a JSON number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _list(body: JsonObject, key: str) -> Collection[object]:
    value = body.get(key)
    return value if isinstance(value, list) else ()
