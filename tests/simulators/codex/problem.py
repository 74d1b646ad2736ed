"""What the backend says about a request that it refuses, and small checks that say it.

Two shapes of error body exist: `{"detail": "..."}` for what the front of the backend refuses, and
`{"error": {...}}` for what the Responses API behind it refuses.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway_core.json import JsonObject

__all__ = ["Problem", "check_keys", "is_name", "one_of"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
FORBIDDEN = frozenset({"cache_control", "prompt_cache_breakpoint"})


@dataclass(slots=True, frozen=True)
class Problem:
    """One reason for a refusal. Without `param` and `code` the body is the `detail` form."""

    message: str
    param: str | None = None
    code: str | None = None
    status: int = 400

    def body(self) -> JsonObject:
        """The error body."""
        if self.param is None and self.code is None:
            return {"detail": self.message}
        return {
            "error": {
                "message": self.message,
                "type": "invalid_request_error",
                "param": self.param,
                "code": self.code,
            }
        }

    def __str__(self) -> str:
        return self.message if self.param is None else f"{self.param}: {self.message}"


def check_keys(value: Mapping[str, Any], known: Collection[str], param: str) -> Iterator[Problem]:
    """A problem for each unknown key; those forbidden everywhere are found by another check."""
    for key in value:
        if key not in known and key not in FORBIDDEN:
            yield Problem(
                f"Unknown parameter: '{param}.{key}'.", f"{param}.{key}", "unknown_parameter"
            )


def one_of(value: object, allowed: Collection[str], param: str) -> Iterator[Problem]:
    """A problem when a value is none of those allowed."""
    if not isinstance(value, str) or value not in allowed:
        supported = ", ".join(f"'{item}'" for item in sorted(allowed))
        message = f"Invalid value: {value!r}. Supported values are: {supported}."
        yield Problem(message, param, "invalid_value")


def is_name(value: object) -> bool:
    """Whether it can name a tool or a schema."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None
