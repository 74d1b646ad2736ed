"""Where the gateway keeps its files, and how private files are written.

Knows no content: settings, credentials and logs decide what they put there.
"""

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs

__all__ = ["Paths", "create_private", "find_paths", "make_private_folder", "write_private"]

_APP = "gateway"


@dataclass(slots=True, frozen=True)
class Paths:
    """All places, absolute. Folders are created by those who write into them.

    config_file: the settings; key_file: the generated local key (0600), beside the settings.
    credentials, state, logs, cache: folders.
    """

    config_file: Path
    key_file: Path
    credentials: Path
    state: Path
    logs: Path
    cache: Path

    @classmethod
    def under(cls, home: Path) -> "Paths":
        """Everything in one folder, as `GATEWAY_HOME` asks for."""
        home = home.expanduser().absolute()
        return cls(
            config_file=home / "config.toml",
            key_file=home / "local.key",
            credentials=home / "credentials",
            state=home / "state",
            logs=home / "logs",
            cache=home / "cache",
        )


def find_paths(environ: Mapping[str, str] = os.environ) -> Paths:
    """The places for this environment: under `GATEWAY_HOME` when set, else the platform's own."""
    if home := environ.get("GATEWAY_HOME"):
        return Paths.under(Path(home))
    folders = platformdirs.PlatformDirs(_APP, appauthor=False)
    config = folders.user_config_path
    return Paths(
        config_file=config / "config.toml",
        key_file=config / "local.key",
        credentials=folders.user_data_path / "credentials",
        state=folders.user_state_path / "state",
        logs=folders.user_log_path,
        cache=folders.user_cache_path,
    )


def make_private_folder(folder: Path) -> None:
    """Create a folder that only its owner can enter; one that exists keeps its mode."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_private(path: Path, data: bytes) -> None:
    """Write a 0600 file durably and atomically: a reader sees the old content or the new, whole.

    A symbolic link is followed, so that a linked settings file stays a link.
    """
    path = Path(os.path.realpath(path))
    make_private_folder(path.parent)
    temporary = _write_temporary(path, data)
    try:
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def create_private(path: Path, data: bytes) -> bool:
    """Write a 0600 file unless it exists; False when another process was first.

    The file never shows up empty or half written, where the file system knows hard links.
    """
    make_private_folder(path.parent)
    temporary = _write_temporary(path, data)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:  # no hard links here (FAT, some network and mobile file systems)
        return _create_exclusively(path, data)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _write_temporary(path: Path, data: bytes) -> Path:
    """A synced 0600 file beside `path` (mkstemp creates files with that mode)."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError:
        with suppress(OSError):
            os.unlink(name)
        raise
    return Path(name)


def _create_exclusively(path: Path, data: bytes) -> bool:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
    return True
