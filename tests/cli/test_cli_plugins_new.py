"""`gateway plugins new`: what it writes is proven in `test_new_plugin_kit`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway_core.cli import cli


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def new(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["plugins", "new", *arguments], prog_name="gateway")


def refusal(*arguments: str) -> str:
    result = new(*arguments)
    assert result.exit_code == 1, result.output
    return result.stderr.removeprefix("gateway: ").strip()


def test_a_plugin_is_written_and_the_next_commands_are_told(here: Path) -> None:
    result = new("lyre")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    written = sum(path.is_file() for path in (here / "gateway-lyre").rglob("*"))
    assert lines[0] == f"wrote gateway-lyre, {written} files, to gateway-lyre"
    assert [line.strip() for line in lines[3:]] == [
        "cd gateway-lyre",
        "pip install -e '.[test]'",
        "pytest",
        "gateway plugins check lyre",
        "gateway login lyre",
        "gateway serve",
    ]
    assert "chat/completions" in (here / "gateway-lyre/src/gateway_lyre/request.py").read_text()


def test_names_may_be_chosen(here: Path) -> None:
    folder = here / "work" / "lyre"
    result = new(
        "gateway-lyre-two", "--like", "own", "--into", str(folder), "--title", "Lyre II", "--host",
        "api.lyre.io",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    names = (folder / "src" / "gateway_lyre_two" / "names.py").read_text()
    assert 'ID = "lyre-two"' in names
    assert 'TITLE = "Lyre II"' in names
    assert 'HOST = "api.lyre.io"' in names


def test_an_empty_folder_is_taken_and_a_full_one_is_not(here: Path) -> None:
    (here / "empty").mkdir()
    assert new("lyre", "--into", "empty").exit_code == 0
    assert refusal("lyre", "--into", "empty") == (
        "empty is there and not empty; choose another folder with --into"
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Lyre", "'Lyre' cannot be the name of a provider: lower-case letters"),
        ("ly_re", "cannot be the name"),
        ("1lyre", "cannot be the name"),
        ("lyre-", "cannot be the name"),
        ("ly--re", "cannot be the name"),
        ("l" * 25, "at most 24 in all"),
        ("../lyre", "cannot be the name"),
        ("core", "'core' is a word of the gateway itself"),
        ("demo", "a plugin 'demo' is installed already; see `gateway plugins show demo`"),
    ],
)
def test_bad_names_are_refused(here: Path, name: str, told: str) -> None:
    assert told in refusal(name)
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("title", ['Ly"re', "Ly\nre", " Lyre", "L" * 33, "Ly$re", "Ly\\re"])
def test_bad_titles_are_refused(here: Path, title: str) -> None:
    assert "cannot be a title" in refusal("lyre", "--title", title)


@pytest.mark.parametrize("host", ["https://api.lyre.io", "api.lyre.io/v1", "api lyre", "lyre"])
def test_bad_hosts_are_refused(here: Path, host: str) -> None:
    assert "is no host name; write it like api.lyre.com" in refusal("lyre", "--host", host)


def test_unknown_starting_points_are_refused(here: Path) -> None:
    result = new("lyre", "--like", "soap")
    assert result.exit_code == 2
    assert "'chat', 'responses', 'own'" in result.output
