"""What the simulated model answers: a script of sections, each the answer to one turn.

A line that starts with a verb begins a step (`text: Hello`), other lines continue it, a line `---`
ends a section. `match: words` limits a section to prompts with these words. The verbs:

- content: `think`, `text`, `commentary`, `final`, `refusal`; `tool: Name {"json": 1}` (a custom
  call when the request has a custom tool of that name), `search: query`, `image: partials=2`,
  `compaction`, `burst: 200`
- shape of the stream: `shape: empty-output no-deltas ...` (see `SHAPES`)
- ends: `stop: max_output_tokens`, `fail: code [form=error|flat|failed|both] [message]`, `cut` (the
  body ends), `drop` (the connection does), `reset`, `stall`
- instead of a stream: `http: status [code] [retry=1.2]`
- between: `wait: 200ms` (before all else it delays the head), `keepalive: 3`, `limits: reached`,
  `usage: input=9 cached=4 output=2`

`times=1` at a `fail`, `http` or another end makes it happen for that many attempts of the turn.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from gateway_core.json import JsonObject

__all__ = [
    "PARSERS",
    "SHAPES",
    "Parser",
    "Section",
    "find_prompt",
    "for_attempt",
    "parse_script",
    "read_options",
    "read_times",
    "steps_for",
]

Parser: TypeAlias = Callable[[str], JsonObject]
"""What follows a verb, as the members of a step."""

SHAPES: Final = frozenset(
    {
        "crlf",  # lines end with CRLF
        "duplicate-partial",  # the last partial image is the image
        "empty-output",  # the last event has no items
        "interleave",  # deltas of neighbouring calls take turns
        "no-added",  # items appear when they are done
        "no-deltas",  # texts and arguments appear when they are done
        "no-done",  # what is done is told only by the last event
        "null-details",  # usage without its details
        "null-ids",  # items of the last event have no ids
        "null-usage",
        "openai-model",  # a header tells of another model
        "split",  # a few bytes at a time
        "unknown",  # events that nobody knows in between
    }
)


@dataclass(slots=True)
class Section:
    """The answer to one turn."""

    match: str | None = None
    steps: list[JsonObject] = field(default_factory=list)


def parse_script(text: str, parsers: Mapping[str, Parser] | None = None) -> list[Section]:
    """The sections that have steps. Raises `ValueError` with the line that makes no sense.

    parsers: by verb, for a model with verbs of its own; `PARSERS` by default.
    """
    verbs = PARSERS if parsers is None else parsers
    verb_line = re.compile(rf"(match|{'|'.join(verbs)}):(?:[ \t]+(.*))?$")
    sections = [Section()]
    entries: list[list[str]] = []
    for line in text.splitlines():
        if found := verb_line.match(line):
            entries.append([found[1], found[2] or ""])
        elif line.strip() == "---":
            entries.append(["---", ""])
        elif entries and entries[-1][0] != "---":
            entries[-1][1] += "\n" + line
        elif line.strip():
            raise ValueError(f"a script line must start with a verb: {line!r}")
    for verb, argument in entries:
        if verb == "---":
            sections.append(Section())
        elif verb == "match":
            sections[-1].match = argument.strip()
        else:
            sections[-1].steps.append({"do": verb, **verbs[verb](argument.rstrip())})
    return [section for section in sections if section.steps]


def steps_for(sections: list[Section], prompt: str, turn: int) -> list[JsonObject] | None:
    """The steps for a turn, counted from 0 at the prompt; None when the script says nothing.

    The first `match` that the prompt contains decides; sections without one are for all others.
    """
    match = next((s.match for s in sections if s.match is not None and s.match in prompt), None)
    turns = [section.steps for section in sections if section.match == match]
    return turns[turn] if turn < len(turns) else None


def for_attempt(steps: list[JsonObject], attempt: int) -> list[JsonObject]:
    """The steps that happen at an attempt, counted from 1: faults with `times` wear off."""
    return [step for step in steps if attempt <= step.get("times", attempt)]


def find_prompt(items: list[JsonObject]) -> tuple[str, int]:
    """What the user said last, and how many answers it has had since.

    The last text of the message counts: clients put their own texts before it, and reminders in
    `<system-reminder>` anywhere.
    """
    turn, answering = 0, False
    for item in reversed(items):
        if item.get("role") == "user" and (prompt := _prompt_in(item.get("content"))):
            return prompt, turn
        said = item.get("role") == "assistant" or str(item.get("type")).endswith("_call")
        if said and not answering:
            turn += 1
        if item.get("role") != "developer" and item.get("type") != "reasoning":
            answering = said
    return "", turn


def _prompt_in(content: Any) -> str:
    parts = [{"text": content}] if isinstance(content, str) else content or []
    for part in reversed(parts):
        text = str(part.get("text", "")).strip()
        if text and not text.startswith("<system-reminder>"):
            return text
    return ""


def read_options(argument: str) -> tuple[list[str], dict[str, str]]:
    """Words and `name=value` pairs."""
    words = argument.split()
    pairs = [word.split("=", 1) for word in words if re.match(r"[a-z_]+=", word)]
    return [w for w in words if not re.match(r"[a-z_]+=", w)], dict(pairs)


def _text(argument: str) -> JsonObject:
    return {"text": argument.replace("\\n", "\n")}


def _tool(argument: str) -> JsonObject:
    name, *rest = argument.split(None, 1)
    return {"name": name, "arguments": rest[0] if rest else "{}"}


def _image(argument: str) -> JsonObject:
    _, options = read_options(argument)
    return {"partials": int(options.get("partials", "0"))}


def _shape(argument: str) -> JsonObject:
    if unknown := set(argument.split()) - SHAPES:
        raise ValueError(f"unknown shapes {unknown}")
    return {"shapes": argument.split()}


def read_times(options: dict[str, str]) -> JsonObject:
    """For how many attempts a step happens, when it says so."""
    return {"times": int(options["times"])} if "times" in options else {}


def _fail(argument: str) -> JsonObject:
    (code, *message), options = read_options(argument)
    step = {"code": code, "form": options.get("form", "both"), "message": " ".join(message)}
    return step | read_times(options)


def _http(argument: str) -> JsonObject:
    (status, *code), options = read_options(argument)
    step: JsonObject = {"status": int(status), "code": code[0] if code else ""}
    return step | {"retry": float(options.get("retry", "0"))} | read_times(options)


def _end(argument: str) -> JsonObject:
    return read_times(read_options(argument)[1])


def _wait(argument: str) -> JsonObject:
    found = re.fullmatch(r"(\d+)(ms|s)", argument)
    if found is None:
        raise ValueError("expected a time, like `wait: 200ms`")
    return {"seconds": int(found[1]) / (1000 if found[2] == "ms" else 1)}


def _usage(argument: str) -> JsonObject:
    return {name: int(value) for name, value in read_options(argument)[1].items()}


PARSERS: Final[Mapping[str, Parser]] = {
    "think": _text,
    "text": _text,
    "commentary": _text,
    "final": _text,
    "refusal": _text,
    "tool": _tool,
    "search": lambda argument: {"query": argument},
    "image": _image,
    "compaction": lambda argument: {},
    "burst": lambda argument: {"words": int(argument)},
    "shape": _shape,
    "stop": lambda argument: {"reason": argument},
    "fail": _fail,
    "cut": _end,
    "drop": _end,
    "reset": _end,
    "stall": _end,
    "http": _http,
    "wait": _wait,
    "keepalive": lambda argument: {"count": int(argument or "1")},
    "limits": lambda argument: {"words": argument.split()},
    "usage": _usage,
}
