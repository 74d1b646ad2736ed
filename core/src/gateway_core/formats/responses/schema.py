"""The vocabulary of the OpenAI Responses format: names, tables and the smallest of rules.

Sources: the parameter and event types of the official Python SDK, and what Codex CLI was seen to
send.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway_core.content import Extras, Role
from gateway_core.json import JsonObject

__all__ = [
    "COMPACTIONS",
    "FAILED_MARK",
    "FORMAT_NAME",
    "KNOWN_FIELDS",
    "REFUSED_FIELDS",
    "UNHONOURED_FIELDS",
    "extras_of",
    "flat_name",
    "is_item",
    "kept_fields",
    "role_of_item",
]

FORMAT_NAME: Final = "responses"
"""Name of the format, namespace of its extras, and issuer of seals native to OpenAI's service."""

FAILED_MARK: Final = "[tool call failed]"
"""First line of the output of a failed tool call: the format has no flag for it, and the model
should know. The reader turns the line back into `failed`."""

UNHONOURED_FIELDS: Final = frozenset({"max_tool_calls"})
"""Known top-level fields that would change the answer and that we cannot honour."""

REFUSED_FIELDS: Final[Mapping[str, str]] = {
    "conversation": "the gateway keeps no conversations; go on from an answer made with "
    "`store: true` by `previous_response_id`, or send the whole conversation in `input`",
    "prompt": "prompt templates are kept by OpenAI's platform, and the gateway cannot read them; "
    "send their text in `instructions` or `input`",
}
"""Top-level fields that name what only the vendor's platform keeps, each with what to do instead:
an answer without it would be an answer to another question."""

KNOWN_FIELDS: Final = (
    UNHONOURED_FIELDS
    | REFUSED_FIELDS.keys()
    | {
        "access_programs",
        "background",
        "client_metadata",
        "context_management",
        "generate",
        "image",
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "metadata",
        "model",
        "moderation",
        "parallel_tool_calls",
        "previous_response_id",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "safety_identifier",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "truncation",
        "type",
        "user",
    }
)
"""Top-level fields that are read, or left out on purpose because they concern only how the vendor's
own service runs. `type` and `generate` come in WebSocket frames."""

COMPACTIONS: Final = ("compaction", "compaction_summary")
"""Items that stand for the conversation before them."""
_USER_ITEMS: Final = frozenset({"compaction_trigger", "mcp_approval_response"})
_SYSTEM_ITEMS: Final = frozenset({"additional_tools", "configuration_update"})


def role_of_item(kind: str) -> Role:
    """On whose side of the conversation an item type belongs that has no canonical form."""
    if kind.endswith("_output") or kind in _USER_ITEMS:
        return "user"
    return "system" if kind in _SYSTEM_ITEMS else "assistant"


def is_item(kind: str, role: Role) -> bool:
    """Whether a foreign part in a message of this role was an input item of its own rather than a
    part of a message's content.
    """
    return role_of_item(kind) == role and not kind.startswith(("input_", "output_"))


def flat_name(namespace: str, name: str) -> str:
    """The one name of a tool in a namespace, for upstreams that know no namespaces."""
    return f"{namespace}{name}" if namespace.endswith("__") else f"{namespace}__{name}"


def kept_fields(item: Mapping[str, Any], consumed: Iterable[str]) -> Extras | None:
    """Extras of this format with every field that is not null and was not consumed; None when none
    is left.
    """
    left = {key: value for key, value in item.items() if value is not None and key not in consumed}
    return {FORMAT_NAME: left} if left else None


def extras_of(extras: Extras | None) -> JsonObject:
    """What this format kept beside a canonical value; empty when there is nothing."""
    return (extras or {}).get(FORMAT_NAME) or {}
