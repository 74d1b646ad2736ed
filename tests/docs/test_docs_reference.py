"""The documents keep up with the code."""

import inspect
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway_core.hookspecs import GatewaySpec
from gateway_core.settings import Tables

DOCS = Path(__file__).parents[2] / "docs"
HOOKS = sorted(name for name in vars(GatewaySpec) if name.startswith("gateway_"))


@pytest.mark.parametrize("hook", HOOKS)
def test_the_hook_is_documented_with_its_arguments(hook: str) -> None:
    text = (DOCS / "hooks.md").read_text()
    row = re.search(rf"^\| `{hook}` \|([^|]*)\|", text, re.MULTILINE)
    assert row is not None, f"docs/hooks.md has no row for {hook}"
    arguments = list(inspect.signature(getattr(GatewaySpec, hook)).parameters)[1:]
    assert re.findall(r"`(\w+)`", row[1]) == arguments


def test_no_hook_is_documented_that_does_not_exist() -> None:
    text = (DOCS / "hooks.md").read_text()
    assert set(re.findall(r"^\| `(gateway_\w+)`", text, re.MULTILINE)) == set(HOOKS)


def test_the_python_examples_compile() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "hooks.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        compile(block, "docs/hooks.md", "exec")


def test_links_between_documents_lead_somewhere() -> None:
    root = DOCS.parent
    for document in [root / "README.md", root / "CONTRIBUTING.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_every_setting_is_documented_and_no_other() -> None:
    keys = set()
    for table, field in Tables.model_fields.items():
        model = field.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            keys |= {f"{table}.{name}" for name in model.model_fields}
        else:
            keys.add(table)
    text = (DOCS / "settings.md").read_text()
    assert set(re.findall(r"^\| `([\w.]+)`", text, re.MULTILINE)) == keys
