"""Writes the parts of the documents that are made from the code: `python docs/generate.py`.

A test fails while a document differs from what this writes.
"""

import inspect
import re
from pathlib import Path

from gateway_core.hookspecs import GatewaySpec
from gateway_core.testing.store_cases import STORE_AREAS
from gateway_core.testing.suite import AREAS

DOCS = Path(__file__).parent

__all__ = ["DOCS", "GENERATED", "rewritten"]


def hooks() -> str:
    """Every hook with its arguments and the first paragraph of its specification."""
    lines = ["| hook | arguments | what it is for |", "|---|---|---|"]
    for name, function in vars(GatewaySpec).items():
        if name.startswith("gateway_"):
            arguments = list(inspect.signature(function).parameters)[1:]
            given = ", ".join(f"`{argument}`" for argument in arguments)
            lines.append(f"| `{name}` | {given} | {_text(inspect.getdoc(function) or '')} |")
    return "\n".join(lines)


def cases() -> str:
    """Every case of the conformance kit, by area."""
    lines = []
    for area in AREAS:
        lines += [f"### {area.letter}: {area.title}", "", "| case | rule | why |", "|---|---|---|"]
        for case in area.cases:
            mark = " \\*" if case.static else ""
            lines.append(f"| {case.id}{mark} | {_text(case.rule)} | {_text(case.why)} |")
        lines.append("")
    return "\n".join([*lines, "\\* also run by `gateway plugins check`."])


def store_cases() -> str:
    """Every rule for a state store, by area."""
    lines = []
    for area in STORE_AREAS:
        lines += [f"### {area.letters}: {area.title}", "", "| case | rule |", "|---|---|"]
        lines += [f"| {case.id} | {_text(case.rule)} |" for case in area.cases]
        lines.append("")
    return "\n".join(lines[:-1])


def _text(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


GENERATED = {
    "hooks.md": ("hooks", hooks),
    "testing-guide.md": ("cases", cases),
    "write-a-store.md": ("store cases", store_cases),
}


def rewritten(name: str) -> str:
    """The document with its generated part made anew."""
    mark, make = GENERATED[name]
    text = (DOCS / name).read_text("utf-8")
    start, end = f"<!-- generated: {mark} -->\n", "<!-- end -->\n"
    pattern = re.escape(start) + ".*?" + re.escape(end)
    return re.sub(pattern, lambda _: f"{start}{make()}\n{end}", text, flags=re.DOTALL)


if __name__ == "__main__":
    for name in GENERATED:
        (DOCS / name).write_text(rewritten(name), "utf-8")
