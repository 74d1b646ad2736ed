"""What a provider costs its author whose upstream speaks OpenAI's chat format."""

from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"


@pytest.mark.parametrize("name", ["kimi", "kilo"])
def test_the_plugin_has_fewer_than_700_lines(name: str) -> None:
    sources = (PLUGINS / name / "src").rglob("*.py")
    assert sum(len(path.read_text("utf-8").splitlines()) for path in sources) < 700
