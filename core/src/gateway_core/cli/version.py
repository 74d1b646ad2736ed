"""`gateway version`."""

import importlib.metadata
import platform

import click

__all__ = ["show_version"]


def show_version() -> None:
    """Print the versions of the core, of every plugin, and of Python."""
    click.echo(f"gateway-core {importlib.metadata.version('gateway-core')}")
    entries = importlib.metadata.entry_points(group="gateway")
    for name, number in sorted({(e.dist.name, e.dist.version) for e in entries if e.dist}):
        click.echo(f"{name} {number}")
    click.echo(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
