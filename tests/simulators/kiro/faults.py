"""Answers that are no stream: the recorded errors by name, and those of accounts."""

from dataclasses import dataclass, field
from typing import Any, Final

from gateway_core.json import JsonObject, dumps
from simulators.kiro.fixtures import document
from simulators.kiro.problem import Problem

__all__ = ["HttpAnswer", "Refused", "http_fault", "recorded_faults", "refusal"]

_RECORDED: Final[dict[str, Any]] = {entry["name"]: entry for entry in document("http-errors")}


@dataclass(slots=True, frozen=True)
class HttpAnswer:
    """A whole answer. `headers` besides those that each answer has."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """The request gets this answer instead of one by a model."""

    def __init__(self, answer: HttpAnswer) -> None:
        self.answer = answer
        super().__init__(f"status {answer.status}")


def recorded_faults() -> list[JsonObject]:
    """All recorded errors, with what they mean."""
    return list(_RECORDED.values())


def http_fault(name: str, retry: str = "") -> HttpAnswer:
    """A recorded error. retry: seconds that it asks to wait, if any."""
    entry = _RECORDED[name]
    headers = {**entry["headers"], **({"retry-after": retry} if retry else {})}
    body = entry["body"]
    if isinstance(body, str):
        return HttpAnswer(entry["status"], body.encode(), "text/html", headers)
    return HttpAnswer(entry["status"], dumps(body), headers=headers)


def refusal(problem: Problem) -> Refused:
    """What a breach is answered with."""
    return Refused(HttpAnswer(problem.status, dumps(problem.body())))
