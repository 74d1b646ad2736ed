"""What a simulated chat completions upstream answers: a script of sections, one for each turn.

The language is that of `simulators.codex.script`: a line that starts with a verb begins a step,
`---` ends a section, `match: words` limits it to prompts with these words. The verbs:

- content: `think`, `text`, `tool: Name {"json": 1}`
- shape of the stream: `shape: split no-ids ...` (see `SHAPES`)
- ends: `stop: length`, `fail: type message`, `cut` (the body ends), `reset` (the connection does),
  `stall`
- instead of a stream: `http: status type [retry=1.2] message`, and `page: status` for HTML
- between: `wait: 200ms`, `usage: prompt_tokens=9 completion_tokens=2`

`times=1` at a `fail`, `http` or another end makes it happen for that many attempts of the turn.
"""

from collections.abc import Mapping
from typing import Final

from gateway_core.json import JsonObject
from simulators.codex.script import PARSERS, Parser, Section, read_options, read_times
from simulators.codex.script import parse_script as parse_with

__all__ = ["SHAPES", "parse_script"]

SHAPES: Final = frozenset(
    {
        "comments",  # comments between the chunks
        "interleave",  # fragments of parallel calls take turns
        "no-done",  # the stream ends without its mark
        "no-ids",  # calls have no ids
        "no-index",  # calls have no index
        "no-usage",
        "signed",  # reasoning comes with a signature
        "split",  # a few bytes at a time
        "stop-with-calls",  # the finish reason does not tell of calls
        "usage-in-choice",  # and nowhere else
        "usage-on-top",  # and nowhere else
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
    (kind, *message), options = read_options(argument)
    return {"type": kind, "message": " ".join(message) or kind} | read_times(options)


def _http(argument: str) -> JsonObject:
    (status, kind, *message), options = read_options(argument)
    told = {"status": int(status), "type": kind, "message": " ".join(message) or kind}
    return told | {"retry": options.get("retry")} | read_times(options)


def _page(argument: str) -> JsonObject:
    (status,), options = read_options(argument)
    return {"status": int(status)} | read_times(options)


_SAME: Final = ("think", "text", "tool", "stop", "cut", "reset", "stall", "wait", "usage")
_PARSERS: Final[Mapping[str, Parser]] = {
    **{verb: PARSERS[verb] for verb in _SAME},
    "shape": _shape,
    "fail": _fail,
    "http": _http,
    "page": _page,
}
