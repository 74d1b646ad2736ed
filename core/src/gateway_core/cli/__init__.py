"""The command line: `gateway COMMAND`.

`commands` declares every command and imports nothing but click; what a command does lives in a
module of its own, imported when the command runs.
"""

from gateway_core.cli.commands import cli

__all__ = ["cli", "main"]


def main() -> None:
    """The `gateway` command. Exit codes: 0, 1 for errors, 2 for wrong usage."""
    cli.main(prog_name="gateway")
