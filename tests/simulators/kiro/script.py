"""What the simulated models answer: a script of sections, each the answer to one turn.

The language is that of `simulators.codex.script`: a line that starts with a verb begins a step,
`---` ends a section, `match: words` limits it to prompts with these words. The verbs:

- content: `think` (in the form that the request asks for, if it asks at all), `sealed` (a thought
  nobody can read), `text`, `code`, `tool: name {"json": 1}`, `burst: 200` (words)
- raw: `event: name {"json": 1}`, `play: name` (a recorded stream, which is the whole answer)
- shape of the stream: `shape: split wrapped ...` (see `SHAPES`)
- about itself: `usage: input=9 output=2 read=4 write=1`, `context: 12.5`, `meter: 0.5`,
  `stop: MAX_TOKENS`
- ends: `exception: Name [REASON] [message]`, `error: code message`, `damage: message` (or
  `prelude`, `payload`, `half`), `cut-tool: name {"json`, `nothing` (of any use), `empty` (not a
  byte), `drop` (the connection ends), `reset`, `stall`
- instead of a stream: `http: name [retry=2]`, of a recorded error
- between: `wait: 200ms` (before all else it delays the head)

`times=1` at a way to end makes it happen for that many attempts of the turn.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway_core.json import JsonObject, loads_object
from simulators.codex.script import (
    PARSERS,
    Parser,
    Section,
    for_attempt,
    read_options,
    read_times,
    steps_for,
)
from simulators.codex.script import parse_script as parse_with

__all__ = ["SHAPES", "Section", "find_prompt", "for_attempt", "parse_script", "steps_for"]

SHAPES: Final = frozenset(
    {
        "about-early",  # what the answer says about itself comes before its last words
        "id-once",  # fragments of a call do not say which
        "interleave",  # those of neighbouring calls take turns
        "no-about",  # nothing about stop, context and credits
        "no-stop",  # calls are not told to be complete
        "object-start",  # a call begins with an empty object
        "single",  # a call is one event
        "snapshots",  # a call comes as growing objects
        "split",  # a few bytes at a time
        "unknown",  # events that nobody knows in between
        "wrapped",  # members stand within one that has the event's name
    }
)


_REMINDER: Final = re.compile(r"<system-reminder>.*?</system-reminder>", re.S)
_FILLERS: Final = ("", "Continue", "Tool loaded.", "Tool results attached.")


def parse_script(text: str) -> list[Section]:
    """The sections that have steps. Raises `ValueError` with the line that makes no sense."""
    return parse_with(text, _PARSERS)


def find_prompt(messages: list[JsonObject]) -> tuple[str, int]:
    """What the user said last, and how many answers it has had since.

    A message with results of tools goes on with a turn, unless the user said something beside them;
    reminders of clients, and words that only fill the place, do not count.
    """
    turn = 0
    for message in reversed(messages):
        said: Any = message.get("userInputMessage")
        if said is None:
            turn += 1
            continue
        results = said.get("userInputMessageContext", {}).get("toolResults")
        words = _REMINDER.sub("", said["content"]).strip()
        if not results or words not in _FILLERS:
            return str(said["content"]), turn
    return "", turn


def _named(argument: str) -> JsonObject:
    name, *rest = argument.split(None, 1)
    return {"name": name, "arguments": rest[0] if rest else ""}


def _cut_tool(argument: str) -> JsonObject:
    told, times, count = argument.rpartition(" times=")
    return _named(told or argument) | ({"times": int(count)} if times else {})


def _event(argument: str) -> JsonObject:
    name, members = argument.split(None, 1)
    return {"name": name, "members": loads_object(members.encode())}


def _shape(argument: str) -> JsonObject:
    if unknown := set(argument.split()) - SHAPES:
        raise ValueError(f"unknown shapes {unknown}")
    return {"shapes": argument.split()}


def _failure(argument: str) -> JsonObject:
    (name, *words), options = read_options(argument)
    reason = words.pop(0) if words and words[0].isupper() else None
    step = {"name": name, "reason": reason, "message": " ".join(words) or f"It was {name}."}
    return step | read_times(options)


def _http(argument: str) -> JsonObject:
    (name,), options = read_options(argument)
    return {"name": name, "retry": options.get("retry", "")} | read_times(options)


def _word(argument: str) -> JsonObject:
    (word,), options = read_options(argument)
    return {"word": word} | read_times(options)


def _number(argument: str) -> JsonObject:
    return {"number": float(argument)}


_SHARED: Final = ("think", "text", "burst", "drop", "reset", "stall", "wait", "usage")
_PARSERS: Final[Mapping[str, Parser]] = {
    **{verb: PARSERS[verb] for verb in _SHARED},
    "sealed": PARSERS["text"],
    "code": PARSERS["text"],
    "tool": _named,
    "cut-tool": _cut_tool,
    "event": _event,
    "play": _word,
    "shape": _shape,
    "context": _number,
    "meter": _number,
    "stop": _word,
    "exception": _failure,
    "error": _failure,
    "damage": _word,
    "nothing": PARSERS["cut"],
    "empty": PARSERS["cut"],
    "http": _http,
}
