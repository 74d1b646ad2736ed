"""The vocabulary of the Anthropic Messages format: names and tables, no behaviour.

Sources: the published API reference (version 2023-06-01 and later), the parameter types of the
official Python SDK, and what Claude Code was seen to send.
"""

from typing import Final

from gateway_core.content import Role
from gateway_core.events import StopReason

__all__ = [
    "BILLING_MARK",
    "DEFERRED_PLACEHOLDER",
    "FORMAT_NAME",
    "HOSTED_ID_PREFIX",
    "KNOWN_FIELDS",
    "PLACE_OF_BLOCK",
    "RESULT_SUFFIX",
    "STOP_REASONS",
    "UNPARSED_INPUT",
]

FORMAT_NAME: Final = "anthropic"
"""Name of the format, namespace of its extras, and issuer of seals native to its own service."""

BILLING_MARK: Final = "x-anthropic-billing-header:"
"""Starts a system line of Claude Code that differs from request to request. It is not meant for the
model and would spoil every prompt cache."""

DEFERRED_PLACEHOLDER: Final = "DeferredToolPlaceholder"
"""A dummy that Claude Code puts among the tools while others wait to be loaded."""

UNPARSED_INPUT: Final = "__unparsedToolInput"
"""Key under which Claude Code sends back arguments that were no JSON: `{"raw": ..., "len": n}`."""

HOSTED_ID_PREFIX: Final = "srvtoolu_"
RESULT_SUFFIX: Final = "_tool_result"

KNOWN_FIELDS: Final = frozenset(
    {
        "anthropic_beta",
        "anthropic_version",
        "betas",
        "billing_policy",
        "cache_control",
        "compaction",
        "container",
        "context_management",
        "diagnostics",
        "fallback_credit_token",
        "fallbacks",
        "inference_geo",
        "max_tokens",
        "mcp_servers",
        "messages",
        "metadata",
        "model",
        "output_config",
        "output_format",
        "service_tier",
        "speed",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "thinking",
        "thread",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
        "user_profile_id",
        "workspace_id",
    }
)
"""Top-level fields that are read, or left out on purpose because only the vendor's own service has
a use for them. Any other one is worth a notice."""

PLACE_OF_BLOCK: Final[dict[str, Role]] = {
    "redacted_thinking": "assistant",
    "server_tool_use": "assistant",
    "thinking": "assistant",
    "tool_result": "user",
    "tool_use": "assistant",
    "web_search_tool_result": "assistant",
}
"""The only role whose messages may hold a block of this type."""

STOP_REASONS: Final[dict[StopReason, str]] = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_use": "tool_use",
    "refusal": "refusal",
    "pause": "pause_turn",
    "context_window": "model_context_window_exceeded",
    "other": "end_turn",
}
