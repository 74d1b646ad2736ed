"""The line script of the demo provider: text in, sections of steps out.

A line that starts with a verb (`text: hello`) begins a step, other lines continue it, and a line
`---` ends a section, which is the answer to one turn. Steps are JSON objects, because they travel
to the upstream as they are. The README explains every verb.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, get_args

from gateway_core import JsonObject, StopReason
from gateway_core.errors import ERROR_KINDS

__all__ = ["VERBS", "ScriptError", "Section", "is_script", "parse_script", "turn_of"]

_COLOURS: Final = {
    "black": "#000000",
    "blue": "#2a6fdb",
    "green": "#2e9e5b",
    "red": "#d64545",
    "teal": "#1f9e9e",
    "white": "#ffffff",
    "yellow": "#f2c230",
}
_USAGE: Final = {
    "input": "input",
    "cached": "cache_read",
    "written": "cache_write",
    "output": "output",
    "reasoning": "reasoning",
    "searches": "web_searches",
}


class ScriptError(ValueError):
    """A line of a script makes no sense; the message has its number."""


@dataclass(slots=True)
class Section:
    """The answer to one turn. `match` limits it to prompts that contain this text."""

    match: str | None = None
    steps: list[JsonObject] = field(default_factory=list)


def is_script(prompt: str) -> bool:
    """Whether a prompt is a script: its first line starts with a verb."""
    return _LINE.match(prompt.split("\n", 1)[0]) is not None


def turn_of(sections: list[Section], prompt: str, turn: int) -> list[JsonObject] | None:
    """The steps for a turn, counted from 0 at the prompt; None when the script says nothing.

    The first `match` in the script that the prompt contains decides, and all sections with the same
    match are its turns. Sections without a match are the turns of every other prompt.
    """
    match = next((s.match for s in sections if s.match is not None and s.match in prompt), None)
    turns = [section.steps for section in sections if section.match == match]
    return turns[turn] if turn < len(turns) else None


def parse_script(text: str) -> list[Section]:
    """The sections of a script that have steps. Raises `ScriptError`."""
    sections = [Section()]
    for number, verb, argument in _entries(text):
        section = sections[-1]
        try:
            if verb == "---":
                sections.append(Section())
            elif verb != "match":
                section.steps.append({"do": verb, **_PARSERS[verb](argument)})
            elif section.steps or section.match is not None:
                raise ValueError("`match:` comes first in its section")
            else:
                section.match = _some(argument)
        except ValueError as error:
            raise ScriptError(f"demo script, line {number}: {error}") from error
    return [section for section in sections if section.steps]


def _entries(text: str) -> list[tuple[int, str, str]]:
    """(line number, verb, argument) with continuation lines joined."""
    entries: list[tuple[int, str, list[str]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if found := _LINE.match(line):
            entries.append((number, found[1], [found[2] or ""]))
        elif line.strip() == "---":
            entries.append((number, "---", []))
        elif entries and entries[-1][1] != "---":
            entries[-1][2].append(line)
        elif line.strip():
            raise ScriptError(
                f"demo script, line {number}: expected a verb, one of "
                + ", ".join(f"`{verb}:`" for verb in VERBS)
            )
    return [(number, verb, "\n".join(lines).rstrip()) for number, verb, lines in entries]


def _text(argument: str) -> JsonObject:
    return {"text": argument.replace("\\n", "\n")}


def _tool(argument: str) -> JsonObject:
    name, *rest = _some(argument).split(None, 1)
    return {"name": name, "arguments": rest[0] if rest else "{}"}


def _image(argument: str) -> JsonObject:
    found = re.fullmatch(r"(?:(\d{1,3})x(\d{1,3}))?\s*(#[0-9a-f]{6}|[a-z]+)?", argument)
    colour = (found and found[3]) or "teal"
    if found is None or not (colour in _COLOURS or colour.startswith("#")):
        raise ValueError(f"expected WIDTHxHEIGHT and #rrggbb or one of {', '.join(_COLOURS)}")
    width, height = max(1, int(found[1] or 64)), max(1, int(found[2] or 64))
    return {"width": width, "height": height, "colour": _COLOURS.get(colour, colour)}


def _search(argument: str) -> JsonObject:
    return {"query": _some(argument)}


def _burst(argument: str) -> JsonObject:
    count = argument.removesuffix("words").strip()
    if not count.isdecimal():
        raise ValueError("expected a number of words, like `burst: 200 words`")
    return {"words": int(count)}


def _usage(argument: str) -> JsonObject:
    usage: JsonObject = {}
    for pair in argument.split():
        name, _, number = pair.partition("=")
        if name not in _USAGE or not number.isdecimal():
            raise ValueError(f"expected pairs like input=12 with {', '.join(_USAGE)}, got {pair!r}")
        usage[_USAGE[name]] = int(number)
    return usage


def _error(argument: str) -> JsonObject:
    step: JsonObject = {}
    for name, number in re.findall(r"\b(retry_after|times)=(\d+(?:\.\d+)?)", argument):
        step[name] = float(number)
    kind, *rest = _some(re.sub(r"\s*\b(retry_after|times)=\S+", "", argument)).split(None, 1)
    if kind not in ERROR_KINDS:
        raise ValueError(f"unknown error {kind!r}, expected one of {', '.join(ERROR_KINDS)}")
    return {"kind": kind, "message": rest[0] if rest else f"a scripted {kind}", **step}


def _wait(argument: str) -> JsonObject:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s)", argument)
    if found is None:
        raise ValueError("expected a time, like `wait: 200ms` or `wait: 2s`")
    return {"seconds": float(found[1]) / (1000 if found[2] == "ms" else 1)}


def _stop(argument: str) -> JsonObject:
    if argument not in get_args(StopReason):
        raise ValueError(f"expected one of {', '.join(get_args(StopReason))}, got {argument!r}")
    return {"reason": argument}


def _cut(argument: str) -> JsonObject:
    return {}


def _some(argument: str) -> str:
    if not argument.strip():
        raise ValueError("something must follow the colon")
    return argument.strip()


_PARSERS: Final[dict[str, Callable[[str], JsonObject]]] = {
    "think": _text,
    "text": _text,
    "tool": _tool,
    "image": _image,
    "search": _search,
    "burst": _burst,
    "usage": _usage,
    "wait": _wait,
    "error": _error,
    "stop": _stop,
    "cut": _cut,
}
VERBS: Final = ("match", *_PARSERS)
_LINE: Final = re.compile(rf"({'|'.join(VERBS)}):(?:[ \t]+(.*))?$")
