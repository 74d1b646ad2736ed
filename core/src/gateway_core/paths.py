"""Where the gateway keeps its files.

Knows no content: settings, credentials and logs decide what they put there.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

__all__ = ["Paths", "find_paths"]

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
