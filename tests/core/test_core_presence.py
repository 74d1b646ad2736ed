"""Which processes are alive, told by locks that die with their holders."""

import signal
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from pathlib import Path

import pytest

from gateway_core.state import Presence, StateError

OTHER = """
import asyncio, sys
from pathlib import Path
from gateway_core.state import Presence

async def main() -> None:
    presence = Presence(Path(sys.argv[1]))
    await presence.announce()
    print(presence.id, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_one_that_announced_itself_is_alive_until_it_closes(tmp_path: Path) -> None:
    here, there = Presence(tmp_path), Presence(tmp_path)
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
    here = Presence(tmp_path)
    assert await here.is_alive(id)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    assert not await here.is_alive(id)
    assert files(tmp_path) == []


async def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StateError, match="file"):
        await Presence(tmp_path / "file" / "folder").announce()
