"""Distributions made from source and put where a Python can import them, without an index."""

import subprocess
import sys
import zipfile
from pathlib import Path

__all__ = ["install"]

_BUILD = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"


def install(source: Path, packages: Path) -> None:
    """Build the wheel of a distribution and unpack it into a folder for `PYTHONPATH`: that is what
    installing a wheel of pure Python comes to, entry points included.
    """
    wheels = source / "dist"
    built = subprocess.run(
        [sys.executable, "-c", _BUILD, str(wheels)],
        cwd=source,
        capture_output=True,
        text=True,
        timeout=18,
        check=True,
    )
    with zipfile.ZipFile(wheels / built.stdout.split()[-1]) as wheel:
        wheel.extractall(packages)
