"""The causes that Cursor names in the details of an error: `aiserver.v1.ErrorDetails.Error`.

From the schemas that two public projects dumped from the client; what a cause means for a client of
ours is the business of `errors`.
"""

from collections.abc import Mapping
from typing import Final

__all__ = ["CAUSES", "NUMBERS"]

CAUSES: Final[Mapping[int, str]] = {
    0: "UNSPECIFIED",
    1: "BAD_API_KEY",
    2: "NOT_LOGGED_IN",
    3: "INVALID_AUTH_ID",
    4: "NOT_HIGH_ENOUGH_PERMISSIONS",
    5: "BAD_MODEL_NAME",
    6: "USER_NOT_FOUND",
    7: "FREE_USER_RATE_LIMIT_EXCEEDED",
    8: "PRO_USER_RATE_LIMIT_EXCEEDED",
    9: "FREE_USER_USAGE_LIMIT",
    10: "PRO_USER_USAGE_LIMIT",
    11: "AUTH_TOKEN_NOT_FOUND",
    12: "AUTH_TOKEN_EXPIRED",
    13: "OPENAI",
    14: "OPENAI_RATE_LIMIT_EXCEEDED",
    18: "AGENT_REQUIRES_LOGIN",
    20: "MAX_TOKENS",
    21: "USER_ABORTED_REQUEST",
    22: "GENERIC_RATE_LIMIT_EXCEEDED",
    23: "PRO_USER_ONLY",
    25: "TIMEOUT",
    28: "GPT_4_VISION_PREVIEW_RATE_LIMIT",
    29: "CUSTOM_MESSAGE",
    30: "OUTDATED_CLIENT",
    31: "CLAUDE_IMAGE_TOO_LARGE",
    33: "FILE_NOT_FOUND",
    34: "API_KEY_RATE_LIMIT",
    35: "DEBOUNCED",
    36: "BAD_REQUEST",
    38: "UNAUTHORIZED",
    39: "NOT_FOUND",
    40: "DEPRECATED",
    41: "RESOURCE_EXHAUSTED",
    42: "BAD_USER_API_KEY",
    43: "CONVERSATION_TOO_LONG",
    44: "USAGE_PRICING_REQUIRED",
    45: "USAGE_PRICING_REQUIRED_CHANGEABLE",
    50: "RATE_LIMITED",
    51: "RATE_LIMITED_CHANGEABLE",
    52: "CUSTOM",
    53: "HOOKS_BLOCKED",
    54: "SUSPICIOUS_USAGE_BLOCKED",
    55: "EXTENSION_HOST_TIMEOUT",
    56: "NETWORK_ERROR",
    57: "PROVIDER_ERROR",
    58: "MODEL_BLOCKED",
    59: "INTERNAL",
    60: "MAX_MODE_REQUIRED",
    61: "MODEL_NO_LONGER_SUPPORTED",
    62: "PRICING_WARNING",
    63: "SLOW_POOL",
    64: "UNSUPPORTED_REGION",
}
"""By number; the names without their prefix `ERROR_`."""

NUMBERS: Final[Mapping[str, int]] = {name: number for number, name in CAUSES.items()}
"""The same the other way round."""
