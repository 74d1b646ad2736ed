"""What the simulated Grok answers: a script of sections, each the answer to one turn.

The language is that of `simulators.codex.script`: a line that starts with a verb begins a step,
`---` ends a section, `match: words` limits it to prompts with these words. The verbs:

- content: `think`, `text`, `refusal`; `tool: Name {"json": 1}`; `search: query`, `open: url`,
  `x-search: query`, `code: print(1)`, `image:`; `burst: 200`
- shape of the stream: `shape: done bare ...` (see `SHAPES`)
- ends: `stop: max_output_tokens`, `fail: code [form=error|bare|flat|failed] [message]`, `garbage`
  (no JSON comes), `cut` (the body ends), `drop` (the connection does), `reset`, `stall`
- instead of a stream: `http: status [code] [shape=nested] [retry=1.2] [again=false]`, and
  `json: code` for an error object under status 200
- between: `wait: 200ms` (before all else it delays the head), `keepalive: 3`,
  `usage: input=9 cached=4 output=2 reasoning=1`

`times=1` at a `fail`, `http` or another end makes it happen for that many attempts of the turn.
"""

from collections.abc import Mapping
from typing import Final

from gateway_core.json import JsonObject
from simulators.codex.script import (
    PARSERS,
    Parser,
    Section,
    find_prompt,
    for_attempt,
    read_options,
    read_times,
    steps_for,
)
from simulators.codex.script import parse_script as parse_with

__all__ = ["SHAPES", "Section", "find_prompt", "for_attempt", "parse_script", "steps_for"]

SHAPES: Final = frozenset(
    {
        "bare",  # frames have no `event:` line
        "crlf",  # lines end with CRLF
        "done",  # `response.done` ends the answer
        "done-mark",  # and `data: [DONE]` comes after the end
        "empty-output",  # the last event has no items
        "hidden-reasoning",  # reasoning is an item without a word
        "no-deltas",  # arguments appear when they are done
        "no-details",  # usage without its details
        "no-usage",
        "raw-reasoning",  # reasoning comes as `reasoning_text`
        "split",  # a few bytes at a time
        "unknown",  # events that nobody knows, comments and keepalives in between
    }
)


def parse_script(text: str) -> list[Section]:
    """The sections that have steps. Raises `ValueError` with the line that makes no sense."""
    return parse_with(text, _PARSERS)


def _shape(argument: str) -> JsonObject:
    if unknown := set(argument.split()) - SHAPES:
        raise ValueError(f"unknown shapes {unknown}")
    return {"shapes": argument.split()}


def _fail(argument: str) -> JsonObject:
    (code, *message), options = read_options(argument)
    step = {"code": code, "form": options.get("form", "failed"), "message": " ".join(message)}
    return step | read_times(options)


def _http(argument: str) -> JsonObject:
    (status, *code), options = read_options(argument)
    step: JsonObject = {"status": int(status), "code": code[0] if code else "server_error"}
    step |= {"shape": options.get("shape", "flat"), "retry": float(options.get("retry", "0"))}
    return step | {"again": options.get("again", "")} | read_times(options)


def _json(argument: str) -> JsonObject:
    (code,), options = read_options(argument)
    return {"code": code} | read_times(options)


_LEFT_OUT: Final = ("commentary", "final", "compaction", "limits")
_PARSERS: Final[Mapping[str, Parser]] = {
    **{verb: parser for verb, parser in PARSERS.items() if verb not in _LEFT_OUT},
    "open": lambda argument: {"url": argument},
    "x-search": lambda argument: {"query": argument},
    "code": lambda argument: {"code": argument},
    "image": lambda argument: {},
    "shape": _shape,
    "fail": _fail,
    "garbage": PARSERS["cut"],
    "http": _http,
    "json": _json,
}
