"""The id by which a provider knows this machine."""

import stat
import sys
from pathlib import Path

import pytest

from gateway_core.credentials.machine import machine_id
from gateway_core.errors import Internal


def test_it_is_made_once_for_each_provider(tmp_path: Path) -> None:
    first = machine_id("kimi", tmp_path)
    assert machine_id("kimi", tmp_path) == first
    assert machine_id("other", tmp_path) != first
    assert len(first) == 32


@pytest.mark.skipif(sys.platform == "win32", reason="modes of files are another thing there")
def test_its_file_is_its_owners(tmp_path: Path) -> None:
    machine_id("kimi", tmp_path)
    assert stat.S_IMODE((tmp_path / "machine-ids" / "kimi").stat().st_mode) == 0o600


def test_it_is_kept_with_the_state_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path))
    assert machine_id("kimi") == machine_id("kimi", tmp_path / "state")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "machine-ids" / "kimi"
    file.parent.mkdir()
    file.write_text("")
    with pytest.raises(Internal, match="machine-ids"):
        machine_id("kimi", tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(Internal, match="cannot be kept"):
        machine_id("kimi", tmp_path / "state")
