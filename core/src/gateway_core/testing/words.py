"""The words that capabilities and models are made of, and what is wrong with those of a plugin."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Final

from gateway_core.provider import Capabilities
from gateway_core.request import EFFORTS, Sampling

__all__ = ["INPUTS", "problems_of", "unknown_efforts"]

INPUTS: Final = frozenset({"text", "image", "document", "audio", "video"})
_CHOICES: Final = frozenset({"auto", "none", "required", "tool"})
_OUTPUTS: Final = frozenset({"text", "json", "json_schema", "image"})
_SAMPLING: Final = frozenset(field.name for field in fields(Sampling))


def problems_of(can: Capabilities) -> list[str]:
    """What is wrong with capabilities, one line each."""
    problems = [
        f"{name} has {', '.join(unknown)}; known are {', '.join(sorted(known))}"
        for name, words, known in (
            ("input", can.input, INPUTS),
            ("tool_choice", can.tool_choice, _CHOICES),
            ("output", can.output, _OUTPUTS),
            ("sampling", can.sampling, _SAMPLING),
        )
        if (unknown := sorted(set(words) - known))
    ]
    problems += unknown_efforts(can.efforts)
    if "text" not in can.input:
        problems.append("input lacks text")
    if "text" not in can.output and "image" not in can.output:
        problems.append("output has neither text nor image")
    return problems


def unknown_efforts(efforts: Iterable[str]) -> list[str]:
    """What is wrong with a list of efforts: unknown words, or not ascending."""
    named = list(efforts)
    if unknown := sorted(set(named) - set(EFFORTS)):
        return [f"efforts have {', '.join(unknown)}; known are {', '.join(EFFORTS)}"]
    if named != sorted(set(named), key=EFFORTS.index):
        return [f"efforts are not ascending: {', '.join(named)}"]
    return []
