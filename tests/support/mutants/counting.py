"""Faults in counting what would be sent: the last case of area U."""

from itertools import count

from gateway_core import Request, hookimpl
from gateway_core.tokens import count_request
from gateway_demo.plugin import DemoProvider
from support.mutants.base import Mutant

__all__ = ["MUTANTS"]

_CALLS = count()


class CountsMessagesAlone(DemoProvider):
    """Forgets what is around the conversation."""

    @hookimpl
    def gateway_count_tokens(self, request: Request) -> int:
        return count_request(Request(request.model, request.messages))


class CountsBackwards(DemoProvider):
    """Has no number for a short request."""

    @hookimpl
    def gateway_count_tokens(self, request: Request) -> int:
        return count_request(request) - 100


class CountsCalls(DemoProvider):
    """Adds up."""

    @hookimpl
    def gateway_count_tokens(self, request: Request) -> int:
        return count_request(request) + next(_CALLS)


MUTANTS = [
    Mutant("counts messages alone", "U06", CountsMessagesAlone, "instructions: 400 words more"),
    Mutant("counts below zero too", "U06", CountsBackwards, "a short request counts -"),
    Mutant("counts what was counted", "U06", CountsCalls, "when asked again"),
]
