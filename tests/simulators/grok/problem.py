"""What xAI says about a request that it refuses, and small checks that say it.

The body is flat: `{"code": "...", "error": "..."}`. The public API writes a sentence as `code`, the
proxy a slug.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from gateway_core.json import JsonObject

__all__ = ["Problem", "Rail", "check_keys", "not_supported", "one_of"]

Rail: TypeAlias = Literal["api", "proxy"]
"""The public API, or the proxy of the official client."""

_SENTENCE: Final = "Client specified an invalid argument"


@dataclass(slots=True, frozen=True)
class Problem:
    """One reason for a refusal. code: the slug, where it is not that an argument is wrong."""

    message: str
    status: int = 400
    code: str | None = None

    def body(self, rail: Rail) -> JsonObject:
        """The error body."""
        wrong = _SENTENCE if rail == "api" else "invalid-argument"
        return {"code": self.code or wrong, "error": self.message}

    def __str__(self) -> str:
        return self.message


def not_supported(name: str) -> Problem:
    """What is said about a field that xAI does not take."""
    return Problem(f"Argument not supported: {name}")


def check_keys(value: Mapping[str, Any], known: Collection[str], where: str) -> Iterator[Problem]:
    """A problem for each unknown key and each null."""
    for key, item in value.items():
        if key not in known:
            yield Problem(f"{where}: unknown field `{key}`", 422)
        elif item is None:
            yield Problem(f"{where}: `{key}` must not be null", 422)


def one_of(value: object, allowed: Collection[str], where: str) -> Iterator[Problem]:
    """A problem when a value is none of those allowed."""
    if not isinstance(value, str) or value not in allowed:
        supported = ", ".join(f"`{item}`" for item in sorted(allowed))
        yield Problem(f"{where}: unknown variant {value!r}, expected one of {supported}", 422)
