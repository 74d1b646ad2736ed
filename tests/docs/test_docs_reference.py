"""The documents keep up with the code."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import BaseModel

from gateway_core.hookspecs import GatewaySpec
from gateway_core.settings import Tables
from support.about import each

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """The program that writes the generated parts."""
    spec = spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["hooks.md", "testing-guide.md", "write-a-store.md"])
def test_the_generated_part_is_up_to_date(generate: ModuleType, name: str) -> None:
    assert (DOCS / name).read_text() == generate.rewritten(name), "run `python docs/generate.py`"


def test_every_hook_is_in_the_reference_once() -> None:
    hooks = [name for name in vars(GatewaySpec) if name.startswith("gateway_")]
    text = (DOCS / "hooks.md").read_text()
    assert re.findall(r"^\| `(gateway_\w+)`", text, re.MULTILINE) == hooks


@each("document", DOCUMENTS)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
        assert (document.parent / target).exists(), target


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
