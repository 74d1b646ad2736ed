"""The Python in the documents runs, and the plugins it shows are ones that the host takes."""

import re
from pathlib import Path
from typing import Any

import pytest

from gateway_core import load_settings
from gateway_core.events import End
from gateway_core.grammar import check_stream
from gateway_core.plugins import PluginSet
from support.about import each

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("events-and-grammar", "hooks", "testing-guide", "wrap-a-provider", "write-a-store")


def blocks(page: str) -> list[str]:
    """The fenced Python of a page, without the files of the tutorial."""
    text = (DOCS / f"{page}.md").read_text()
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run(block: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(block, "an example", "exec"), names)  # noqa: S102  # the documents are ours
    return names


@each("page", PAGES)
def test_every_example_compiles(page: str) -> None:
    for block in blocks(page):
        compile(block, page, "exec")


@pytest.mark.parametrize("block", blocks("wrap-a-provider"), ids=lambda block: block[-40:])
def test_the_policies_are_plugins_that_the_host_takes(block: str, tmp_path: Path) -> None:
    plugin = next(
        value for value in run(block).values() if getattr(value, "__module__", "") == "example"
    )
    settings = load_settings({"plugins.enabled": "none-installed"}, {"GATEWAY_HOME": str(tmp_path)})
    loaded = PluginSet(settings, [plugin()])
    assert [report.state for report in loaded.reports if report.distribution is None] == ["active"]


def test_the_plugin_with_a_store_is_one_that_the_host_takes(tmp_path: Path) -> None:
    plugin = run(blocks("write-a-store")[0])["Postgres"]
    chosen = {
        "plugins.enabled": "none-installed",
        "state.store": "postgres",
        "state.options.url": "postgres://gateway@db.example.com/gateway",
    }
    loaded = PluginSet(load_settings(chosen, {"GATEWAY_HOME": str(tmp_path)}), [plugin()])
    assert sorted(loaded.stores) == ["postgres", "sqlite"]
    loaded.check_store()


def test_the_example_of_the_part_writer_is_a_grammatical_answer() -> None:
    events = run(blocks("events-and-grammar")[0])["events"]
    check_stream(events)
    assert isinstance(events[-1], End)
    assert events[-1].reason == "tool_use"
