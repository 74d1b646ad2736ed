"""How Cursor says no: the ends of streams that were recorded, and refusals before any stream."""

import base64
import json
from functools import cache
from pathlib import Path
from typing import Final

from gateway_core.json import JsonObject
from gateway_cursor.proto import agent_pb2 as pb

__all__ = ["FIXTURES", "NAMES", "error", "recorded_end", "with_details"]

FIXTURES: Final = Path(__file__).parents[2] / "cursor" / "fixtures"
NAMES: Final = {
    1: "BAD_API_KEY",
    2: "NOT_LOGGED_IN",
    4: "NOT_HIGH_ENOUGH_PERMISSIONS",
    5: "BAD_MODEL_NAME",
    7: "FREE_USER_RATE_LIMIT_EXCEEDED",
    8: "PRO_USER_RATE_LIMIT_EXCEEDED",
    9: "FREE_USER_USAGE_LIMIT",
    10: "PRO_USER_USAGE_LIMIT",
    12: "AUTH_TOKEN_EXPIRED",
    18: "AGENT_REQUIRES_LOGIN",
    20: "MAX_TOKENS",
    21: "USER_ABORTED_REQUEST",
    22: "GENERIC_RATE_LIMIT_EXCEEDED",
    23: "PRO_USER_ONLY",
    25: "TIMEOUT",
    30: "OUTDATED_CLIENT",
    31: "CLAUDE_IMAGE_TOO_LARGE",
    36: "BAD_REQUEST",
    38: "UNAUTHORIZED",
    40: "DEPRECATED",
    43: "CONVERSATION_TOO_LONG",
    44: "USAGE_PRICING_REQUIRED",
    50: "RATE_LIMITED",
    51: "RATE_LIMITED_CHANGEABLE",
    54: "SUSPICIOUS_USAGE_BLOCKED",
    56: "NETWORK_ERROR",
    57: "PROVIDER_ERROR",
    58: "MODEL_BLOCKED",
    59: "INTERNAL",
    60: "MAX_MODE_REQUIRED",
    61: "MODEL_NO_LONGER_SUPPORTED",
    63: "SLOW_POOL",
    64: "UNSUPPORTED_REGION",
}
"""Numbers of `ErrorDetails.error`, with their names without `ERROR_` (section 10.2)."""


def error(code: str, message: str = "Error") -> JsonObject:
    """An error that explains nothing."""
    return {"code": code, "message": message}


def with_details(
    code: str,
    number: int,
    title: str,
    detail: str,
    *,
    retryable: bool = False,
    **information: str,
) -> JsonObject:
    """An error with details in both forms: as a message, and as JSON for people."""
    details = pb.ErrorDetails(
        error=number,
        details=pb.CustomErrorDetails(
            title=title, detail=detail, is_retryable=retryable, additional_info=information
        ),
        is_expected=True,
    )
    value = base64.b64encode(details.SerializeToString()).decode().rstrip("=")
    told: JsonObject = {"title": title, "detail": detail, "isRetryable": retryable}
    if information:
        told["additionalInfo"] = information
    debug = {"error": f"ERROR_{NAMES[number]}", "details": told, "isExpected": True}
    kind = "aiserver.v1.ErrorDetails"
    return error(code) | {"details": [{"type": kind, "value": value, "debug": debug}]}


@cache
def recorded_end(name: str) -> JsonObject:
    """The JSON of a recorded end of a stream, by name or the number in front of it (`s92`)."""
    (file,) = FIXTURES.glob(f"{name}*.json")
    told: JsonObject = json.loads(file.read_text())["end_stream"]
    return told
