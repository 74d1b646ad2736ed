"""What `gateway plugins new` writes conforms at once, for each starting point."""

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from gateway_core.cli.plugins_new import KINDS, plugin_files
from gateway_core.testing import (
    CASES,
    KeyVendor,
    Subject,
    fake_credential,
    load_transcripts,
    run_cases,
)

TITLE = "A Title of thirty-two characters"
LONGEST = "a23456789-123456789-wxyz"


def write(folder: Path, files: dict[str, bytes]) -> None:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """A starting point."""
    return str(request.param)


@pytest.fixture
def folder(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A new plugin `made-KIND`, whose package can be imported."""
    write(tmp_path, plugin_files(f"made-{kind}", kind, "Made", "api.made.example"))
    monkeypatch.syspath_prepend(tmp_path / "src")
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith(f"gateway_made_{kind}")]:
        del sys.modules[name]


def test_it_conforms(kind: str, folder: Path) -> None:
    plugin = import_module(f"gateway_made_{kind}.plugin")
    subject = Subject(
        make=getattr(plugin, f"Made{kind.capitalize()}Provider"),
        credential=fake_credential(f"made-{kind}"),
        transcripts=load_transcripts(folder / "tests" / "transcripts"),
        vendor=KeyVendor,
    )
    growth = {"G01", "G02", "G03", "G04"}  # what these prove is the core's readers, proven already
    cases = [case for case in CASES if case.id not in growth]
    failed = [r.explanation for r in run_cases(subject, cases) if r.outcome == "failed"]
    assert failed == []


def test_its_settings_and_hosts_are_what_was_asked_for(kind: str, folder: Path) -> None:
    plugin = import_module(f"gateway_made_{kind}.plugin")
    info = getattr(plugin, f"Made{kind.capitalize()}Provider")().gateway_provider()
    assert (info.id, info.title, info.hosts) == (f"made-{kind}", "Made", ("api.made.example",))
    assert info.settings().base_url == "https://api.made.example/v1"


def test_the_distribution_is_bounded_and_published(kind: str, folder: Path) -> None:
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == f"gateway-made-{kind}"
    assert project["dependencies"] == ["gateway-core>=0.1,<0.2"]
    target = f"gateway_made_{kind}.plugin:Made{kind.capitalize()}Provider"
    assert project["entry-points"]["gateway"] == {f"made-{kind}": target}


def test_every_file_of_the_layout_is_there(kind: str, folder: Path) -> None:
    package = folder / "src" / f"gateway_made_{kind}"
    modules = ["__init__", "errors", "models", "names", "plugin", "request", "settings", "stream"]
    assert {path.name for path in package.iterdir() if path.suffix in (".py", ".typed")} == {
        *(f"{name}.py" for name in modules),
        "py.typed",
    }
    for name in (
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        ".gitignore",
        ".github/workflows/test.yml",
    ):
        assert (folder / name).stat().st_size > 0


def test_nothing_is_left_to_fill_in(kind: str, folder: Path) -> None:
    marks = ("$name", "$title", "$module", "$klass", "${klass}", "$host", ".tmpl", "TODO")
    left = {
        (path.name, mark)
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
        for mark in marks
        if mark in path.read_text("utf-8")
    }
    assert left == set()


def test_all_of_it_is_clean_for_ruff_even_with_the_longest_names(tmp_path: Path) -> None:
    for kind in KINDS:
        write(tmp_path / kind, plugin_files("ab", kind, "AB", "api.ab.example"))
        write(tmp_path / f"long-{kind}", plugin_files(LONGEST, kind, TITLE, "a" * 60 + ".example"))
    ruff = [sys.executable, "-m", "ruff"]
    for check in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = subprocess.run([*ruff, *check, str(tmp_path)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
