"""Installs the pinned client programs into `.clients/`: `python tests/clients/install.py`.

Needs Node with npm and a few hundred megabytes. Does nothing when the pinned versions are there.
No lock file is kept: the versions are exact, and it would name a registry.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TARGET = HERE.parents[1] / ".clients"


def main() -> int:
    """Install; the exit code of npm, or 1 when there is none."""
    wanted = json.loads((HERE / "package.json").read_text("utf-8"))["dependencies"]
    if all(_installed_version(name) == version for name, version in wanted.items()):
        print(f"the client programs are installed in {TARGET}")
        return 0
    npm = shutil.which("npm")
    if npm is None:
        print("npm is not on the path; install Node first", file=sys.stderr)
        return 1
    TARGET.mkdir(exist_ok=True)
    shutil.copy(HERE / "package.json", TARGET / "package.json")
    command = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"]
    return subprocess.run(command, cwd=TARGET, check=False).returncode


def _installed_version(name: str) -> str | None:
    try:
        text = (TARGET / "node_modules" / name / "package.json").read_text("utf-8")
    except OSError:
        return None
    version = json.loads(text)["version"]
    return version if isinstance(version, str) else None


if __name__ == "__main__":
    sys.exit(main())
