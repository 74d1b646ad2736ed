"""What the Codex backend refuses: one pure function over headers and body of a request.

Strict where public sources say that the backend is, or that a careful client must be. Knows no
accounts: who may ask, and whose sealed reasoning it is, is checked where the accounts are.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway_core.json import JsonObject
from simulators.codex.catalogue import MODELS, ModelFacts
from simulators.codex.problem import FORBIDDEN, Problem, check_keys, is_name, one_of
from simulators.codex.validate_items import item_problems
from simulators.codex.validate_tools import schema_problems, tool_problems

__all__ = ["LITE_HEADER", "header_problems", "problems", "violations"]

LITE_HEADER = "x-openai-internal-codex-responses-lite"
_COMPACT_PARAMETERS = frozenset(
    {"model", "instructions", "input", "tools", "parallel_tool_calls", "reasoning", "text"}
)
_PARAMETERS = _COMPACT_PARAMETERS | {
    "client_metadata",
    "include",
    "prompt_cache_key",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "tool_choice",
}
_INCLUDABLE = frozenset(
    {
        "reasoning.encrypted_content",
        "web_search_call.action.sources",
        "message.output_text.logprobs",
        "message.input_image.image_url",
        "code_interpreter_call.outputs",
        "computer_call_output.output.image_url",
        "file_search_call.results",
    }
)
_LIBRARY_AGENTS = (
    "reqwest",
    "python-",
    "python/",
    "httpx",
    "aiohttp",
    "curl",
    "go-http-client",
    "node",
    "undici",
    "axios",
    "okhttp",
    "java",
    "openai/",
    "anthropic/",
    "claude-cli",
)
_FOREIGN_HEADERS = ("x-api-key", "anthropic-", "x-stainless-", "x-claude-", "x-app")


def violations(
    headers: Mapping[str, str], body: object, *, models: Mapping[str, ModelFacts] = MODELS
) -> list[str]:
    """All that the backend would refuse in a `POST /codex/responses`; empty when it is welcome.

    headers: as sent, names in any case. body: the decoded JSON. models: those that exist, by slug.
    """
    return [str(problem) for problem in problems(headers, body, models=models)]


def problems(
    headers: Mapping[str, str],
    body: object,
    *,
    models: Mapping[str, ModelFacts] = MODELS,
    compact: bool = False,
) -> list[Problem]:
    """The same with status and error body; `compact` for the unary compaction endpoint."""
    lower = {name.lower(): value for name, value in headers.items()}
    found = list(header_problems(lower, "application/json" if compact else "text/event-stream"))
    if not isinstance(body, dict):
        return [*found, Problem("The request body must be a JSON object")]
    lite = lower.get(LITE_HEADER) == "true"
    found += _model_problems(body, models, lite=lite)
    found += _parameter_problems(body, compact=compact, lite=lite)
    facts = models.get(str(body.get("model")))
    found += _option_problems(body, facts)
    found += _lite_problems(body, lite=lite)
    found += tool_problems(body, facts, lite=lite)
    found += item_problems(body.get("input"), facts, lite=lite)
    found += _compaction_problems(body, lower)
    found += _forbidden(body, "")
    return found


def header_problems(headers: Mapping[str, str], accept: str) -> Iterator[Problem]:
    """What is wrong with the headers of any request with a body; names in lower case."""
    if not headers.get("authorization", "").startswith("Bearer "):
        yield Problem("header authorization: a bearer token is required", status=401)
    if not headers.get("chatgpt-account-id"):
        yield Problem("header chatgpt-account-id is required", status=403)
    if headers.get("content-type", "").partition(";")[0] != "application/json":
        yield Problem("header content-type must be application/json", status=415)
    if accept not in headers.get("accept", ""):
        yield Problem(f"header accept must ask for {accept}", status=406)
    if headers.get("content-encoding", "identity") not in ("identity", "zstd"):
        yield Problem("header content-encoding must be zstd or absent")
    agent = headers.get("user-agent", "").lower()
    if not agent or agent.startswith(_LIBRARY_AGENTS):
        yield Problem(f"header user-agent {agent!r} gets a challenge page", status=403)
    if not headers.get("originator"):
        yield Problem("header originator is missing")
    for name in headers:
        if name.startswith(_FOREIGN_HEADERS):
            yield Problem(f"header {name} belongs to the client's own service")


def _model_problems(
    body: JsonObject, models: Mapping[str, ModelFacts], *, lite: bool
) -> Iterator[Problem]:
    model = body.get("model")
    facts = models.get(model) if isinstance(model, str) else None
    if facts is None:
        yield Problem(
            f"The '{model}' model is not supported when using Codex with a ChatGPT account."
        )
    elif facts.lite_only and not lite:
        yield Problem(f"Model not found {model}", "model", status=404)
    elif lite and not facts.lite:
        yield Problem(f"Model {model} is not available with Responses Lite", "model")


def _parameter_problems(body: JsonObject, *, compact: bool, lite: bool) -> Iterator[Problem]:
    for key in body:
        if key not in (_COMPACT_PARAMETERS if compact else _PARAMETERS):
            yield Problem(f"Unsupported parameter: {key}")
    items = body.get("input")
    if not isinstance(items, list):
        yield Problem("Input must be a list")
    elif not items:
        yield Problem("Input must not be empty", "input")
    if not lite and not isinstance(body.get("instructions"), str):
        # Since 0.162 the official client has its base prompt in a first developer message instead.
        first = items[0] if isinstance(items, list) and items else None
        newer = isinstance(first, dict) and first.get("role") == "developer"
        if "instructions" in body or not newer:
            yield Problem("Instructions are required")
    if compact:
        return
    if body.get("store") is not False:
        yield Problem("Store must be set to false")
    if body.get("stream") is not True:
        yield Problem("Stream must be set to true")


def _option_problems(body: JsonObject, facts: ModelFacts | None) -> Iterator[Problem]:
    if "include" in body:
        if not isinstance(body["include"], list):
            yield Problem("Expected a list", "include", "invalid_type")
        else:
            for index, item in enumerate(body["include"]):
                yield from one_of(item, _INCLUDABLE, f"include[{index}]")
    if "service_tier" in body:
        tiers = ("auto", "default", "flex", "priority", "ultrafast")
        yield from one_of(body["service_tier"], tiers, "service_tier")
    if "prompt_cache_key" in body:
        key = body["prompt_cache_key"]
        if not isinstance(key, str) or not 1 <= len(key) <= 64:
            message = f"Expected a string of 1 to 64 characters, got {key!r}"
            yield Problem(message, "prompt_cache_key", "string_above_max_length")
    if not isinstance(body.get("parallel_tool_calls", True), bool):
        yield Problem("Expected a boolean", "parallel_tool_calls", "invalid_type")
    metadata = body.get("client_metadata", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        yield Problem("Expected a map of strings", "client_metadata", "invalid_type")
    options = body.get("stream_options", {"reasoning_summary_delivery": "sequential_cutoff"})
    if not isinstance(options, dict) or options.keys() != {"reasoning_summary_delivery"}:
        yield Problem("Unsupported parameter: stream_options")
    if body.get("reasoning") is not None:
        yield from _reasoning_problems(body["reasoning"], facts)
    if "text" in body:
        yield from _text_problems(body["text"], body)


def _reasoning_problems(value: object, facts: ModelFacts | None) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield Problem("Expected an object", "reasoning", "invalid_type")
        return
    yield from check_keys(value, ("effort", "summary", "context"), "reasoning")
    if value.get("effort") is not None and facts is not None:
        # `ultra` is delegation inside the official client and never reaches the wire.
        allowed = set(facts.efforts) - {"ultra"}
        yield from one_of(value["effort"], allowed, "reasoning.effort")
    if value.get("summary") is not None:
        if facts is not None and not facts.summaries:
            message = f"Unsupported parameter: 'reasoning.summary' with {facts.slug}."
            yield Problem(message, "reasoning.summary", "unsupported_parameter")
        yield from one_of(value["summary"], ("auto", "concise", "detailed"), "reasoning.summary")
    if value.get("context") is not None:
        contexts = ("auto", "current_turn", "all_turns")
        yield from one_of(value["context"], contexts, "reasoning.context")


def _text_problems(value: object, body: JsonObject) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield Problem("Expected an object", "text", "invalid_type")
        return
    yield from check_keys(value, ("verbosity", "format"), "text")
    if value.get("verbosity") is not None:
        yield from one_of(value["verbosity"], ("low", "medium", "high"), "text.verbosity")
    form = value.get("format")
    match form:
        case None | {"type": "text"}:
            return
        case {"type": "json_object"}:
            yield from check_keys(form, ("type",), "text.format")
            if "json" not in str((body.get("input"), body.get("instructions"))).lower():
                message = "Input must contain the word 'json' to use 'json_object'."
                yield Problem(message, "input")
        case {"type": "json_schema"}:
            known = ("type", "name", "schema", "strict", "description")
            yield from check_keys(form, known, "text.format")
            if not is_name(form.get("name")):
                yield Problem(f"Invalid name {form.get('name')!r}", "text.format.name")
            strict = form.get("strict") is True
            yield from schema_problems(form.get("schema"), "text.format.schema", strict=strict)
        case _:
            yield Problem(f"Invalid format {form!r}", "text.format", "invalid_value")


def _lite_problems(body: JsonObject, *, lite: bool) -> Iterator[Problem]:
    if not lite:
        return
    for key in ("tools", "instructions"):
        if key in body:
            yield Problem(f"{key} must be in the input with Responses Lite", key)
    if body.get("parallel_tool_calls") is not False:
        yield Problem("Must be false with Responses Lite", "parallel_tool_calls")
    reasoning = body.get("reasoning")
    if not isinstance(reasoning, dict) or reasoning.get("context") != "all_turns":
        yield Problem("Must be 'all_turns' with Responses Lite", "reasoning.context")


def _compaction_problems(body: JsonObject, headers: Mapping[str, str]) -> Iterator[Problem]:
    items = body.get("input")
    if not isinstance(items, list):
        return
    triggers = [
        index
        for index, item in enumerate(items)
        if isinstance(item, dict) and item.get("type") == "compaction_trigger"
    ]
    if triggers and triggers != [len(items) - 1]:
        yield Problem("compaction_trigger must be the last item", f"input[{triggers[0]}]")
    features = headers.get("x-codex-beta-features", "").replace(" ", "").split(",")
    if triggers and "remote_compaction_v2" not in features:
        yield Problem("compaction_trigger needs the feature remote_compaction_v2", "input")


def _forbidden(value: Any, path: str) -> Iterator[Problem]:
    """Keys that may be nowhere. The properties of a schema may have any name."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _forbidden(item, f"{path}[{index}]")
    elif isinstance(value, dict):
        named_freely = path.endswith(".properties")
        for key, item in value.items():
            below = f"{path}.{key}" if path else key
            if key in FORBIDDEN and not named_freely:
                yield Problem(f"Unknown parameter: '{below}'.", below, "unknown_parameter")
            else:
                yield from _forbidden(item, below)
