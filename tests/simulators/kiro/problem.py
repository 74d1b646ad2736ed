"""What is wrong with a request, and how the service says so: seldom with more than a shrug."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway_core.json import JsonObject

__all__ = ["IMPROPER", "NOT_AUTHORISED", "Problem", "unknown_members"]

IMPROPER: Final = "Improperly formed request."
"""What the service says of most breaches of its rules."""

NOT_AUTHORISED: Final = "User is not authorized to make this call."


@dataclass(slots=True, frozen=True)
class Problem:
    """One breach. `rule` is for the test to read; `message` and `reason` are what the service says.

    grave: whether the request is refused for it, or only a careful client would not have done it.
    """

    rule: str
    message: str = IMPROPER
    reason: str | None = None
    status: int = 400
    grave: bool = True

    def body(self) -> JsonObject:
        """The error body."""
        return {"message": self.message, "reason": self.reason}

    def __str__(self) -> str:
        return self.rule


def unknown_members(
    value: Mapping[str, Any], known: Collection[str], place: str
) -> Iterator[Problem]:
    """A problem for each member that the service does not have there."""
    for key in value:
        if key not in known:
            yield Problem(f"{place} has an unknown member {key!r}")
