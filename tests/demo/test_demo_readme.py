"""The demo provider's README keeps up with the code."""

import re
from pathlib import Path

import pytest

from gateway_demo.plugin import DemoSettings
from gateway_demo.script import VERBS, is_script, parse_script

README = Path(__file__).parents[2] / "plugins" / "demo" / "README.md"


@pytest.fixture(scope="module")
def readme() -> str:
    return README.read_text("utf-8")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_explained_with_an_example_that_works(readme: str, verb: str) -> None:
    (example,) = re.findall(rf"^\| `({verb}:[^`]*)` \|", readme, re.MULTILINE)
    assert is_script(example)
    parse_script(example.replace("KIND", "overloaded"))


def test_the_scripts_in_it_are_scripts(readme: str) -> None:
    scripts = re.findall(r"^```script\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert [len(parse_script(script)) for script in scripts] == [3, 3]


def test_every_setting_is_explained_with_its_default(readme: str) -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", readme, re.MULTILINE))
    defaults = {name: str(field.default) for name, field in DemoSettings.model_fields.items()}
    assert rows == {name: value.replace("None", "none") for name, value in defaults.items()}
