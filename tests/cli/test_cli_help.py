"""Help is complete, and quick because it imports nothing heavy."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from gateway_core.cli import cli
from support.about import each
from support.command import GatewayCommand


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    """The words of every command, groups included."""
    yield path
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name)


@each("words", list(commands(cli)))
def test_every_command_has_help_with_an_example(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*words, "--help"], prog_name="gateway")
    assert result.exit_code == 0
    example = result.output.partition("Example:")[2].partition("Options:")[0]
    assert "gateway " in example


def test_every_command_of_the_readme_exists() -> None:
    names = {" ".join(words) for words in commands(cli)}
    wanted = {"serve", "login", "import", "logout", "refresh", "status", "models", "plugins", "ask"}
    wanted |= {"accounts", "accounts use", "accounts rename"}
    wanted |= {f"config {name}" for name in ("show", "path", "get", "set", "reset", "key")}
    assert {*wanted, "version"} <= names


def test_help_of_every_command_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from gateway_core.cli import cli\n"
        "for words in sys.argv[1:]:\n"
        "    cli.main([*words.split(), '--help'], standalone_mode=False)\n"
        "heavy = {'pydantic', 'httpx', 'starlette', 'uvicorn', 'tiktoken', 'pluggy',"
        " 'keyring', 'asyncio'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))\n"
    )
    words = [" ".join(words) for words in commands(cli)]
    result = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "heavy: []"


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["sevre"], "did you mean gateway serve?"),
        (["zzzzzz"], "see gateway --help"),
    ],
)
def test_an_unknown_command_is_answered_with_advice(
    gateway: GatewayCommand, words: list[str], advice: str
) -> None:
    result = gateway.run(*words)
    assert result.returncode == 2
    assert f"there is no command {words[0]!r}; {advice}" in result.stderr


def test_a_plugin_may_add_a_command(gateway: GatewayCommand) -> None:
    gateway.with_plugin("greeter", "support.greeter_plugin:Greeter")
    result = gateway.spawn("greet", "Anna")  # the command would stay in this process
    assert (result.returncode, result.stdout, result.stderr) == (0, "hello Anna\n", "")


def test_an_unexpected_error_is_one_line_unless_debugging(gateway: GatewayCommand) -> None:
    gateway.with_plugin("greeter", "support.greeter_plugin:Greeter")
    result = gateway.spawn("greet", "nobody")
    assert result.returncode == 1
    assert result.stderr.startswith(
        "gateway: internal error: LookupError: no name in api_key=[redacted]; run it again"
    )
    assert len(result.stderr.splitlines()) == 1
    debugged = gateway.spawn("--debug", "greet", "nobody")
    assert debugged.returncode == 1
    assert "Traceback" in debugged.stderr
