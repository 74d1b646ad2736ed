"""Which processes are alive, told by locks that die with their holders."""

import os
import signal
import stat
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from pathlib import Path

import pytest

from gateway_core.state import FilePresence, StateError

OTHER = """
import asyncio, sys
from pathlib import Path
from gateway_core.state import FilePresence

async def main() -> None:
    presence = FilePresence(Path(sys.argv[1]))
    await presence.announce()
    print(presence.id, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_one_that_announced_itself_is_alive_until_it_closes(tmp_path: Path) -> None:
    here, there = FilePresence(tmp_path), FilePresence(tmp_path)
    assert not await here.is_alive(there.id)
    await there.announce()
    await there.announce()
    assert await here.is_alive(there.id) and await there.is_alive(there.id)
    await there.aclose()
    assert not await here.is_alive(there.id)
    assert files(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
async def test_a_killed_process_is_not_alive(tmp_path: Path) -> None:
    process = await create_subprocess_exec(sys.executable, "-c", OTHER, tmp_path, stdout=PIPE)
    assert process.stdout is not None
    id = (await process.stdout.readline()).decode().strip()
    here = FilePresence(tmp_path)
    assert await here.is_alive(id)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    assert not await here.is_alive(id)
    assert files(tmp_path) == []


async def test_old_files_of_dead_processes_are_cleared_away(tmp_path: Path) -> None:
    alive, here = FilePresence(tmp_path), FilePresence(tmp_path)
    await alive.announce()
    (held,) = files(tmp_path)
    old, new = tmp_path / "0123.lock", tmp_path / "4567.lock"
    for file in (old, new):
        file.touch()
    for file in (held, old):
        os.utime(file, (0, 0))
    await here.announce()
    assert not old.exists()
    assert held.exists() and new.exists(), "one that has just been made is not locked yet"
    await here.aclose()
    await alive.aclose()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
async def test_the_folder_around_it_is_private(tmp_path: Path) -> None:
    here = FilePresence(tmp_path / "state" / "alive")
    await here.announce()
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    await here.aclose()


async def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StateError, match="file"):
        await FilePresence(tmp_path / "file" / "folder").announce()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no modes")
async def test_nobody_else_can_look_into_the_folders(tmp_path: Path) -> None:
    presence = FilePresence(tmp_path / "state" / "processes")
    await presence.announce()
    assert [folder.stat().st_mode & 0o777 for folder in folders(tmp_path)] == [0o700, 0o700]
    await presence.aclose()


def folders(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_dir()]
