"""Every command in a process of its own: it imports what it needs, and leaves nothing to say.

All other tests of commands run them in the process of the tests, where more is imported already.
"""

import pytest

from support.command import GatewayCommand


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> GatewayCommand:
    """The command with two logins."""
    command = GatewayCommand(tmp_path_factory.mktemp("process") / "home")
    command.with_plugin("acme", "support.acme_plugin:AcmeProvider")
    command.output("login", "acme", answers="anna\n")
    command.output("login", "acme", answers="bob\n")
    return command


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("ask hi", "hello\n"),
        ("logout acme --account bob", "logged out of acme (bob)\n"),
        ("models", "acme-1  Acme One"),
        ("plugins", "acme         active"),
        ("refresh", "refreshed, good until 2040-01-02 03:04\n"),
        ("status", "plan plus\n"),
        ("version", "gateway-acme 1.2.3\n"),
    ],
)
def test_a_command_prints_its_result_alone(command: GatewayCommand, words: str, said: str) -> None:
    command.environ["GATEWAY_BIND"] = "127.0.0.1:1"
    result = command.spawn(*words.split())
    assert (result.returncode, result.stderr) == (0, "")
    assert said in result.stdout


def test_a_login_reads_the_answer_from_its_input(acme: GatewayCommand) -> None:
    result = acme.spawn("login", "acme", answers="anna\n")
    assert result.returncode == 0
    assert result.stdout.startswith("logged in to acme as anna@acme.test\n")
    assert "canary" not in result.stdout + result.stderr


def test_an_error_is_one_line_and_exit_code_1(gateway: GatewayCommand) -> None:
    result = gateway.spawn("config", "get", "server.bnd")
    said = "gateway: there is no setting 'server.bnd'; `gateway config show` lists them\n"
    assert (result.returncode, result.stdout, result.stderr) == (1, "", said)


def test_wrong_usage_is_exit_code_2(gateway: GatewayCommand) -> None:
    result = gateway.spawn("sevre")
    assert result.returncode == 2
    assert "did you mean gateway serve?" in result.stderr
