"""`gateway ask`: through a running gateway or a private one."""

import json

import pytest

from support.command import GatewayCommand


def test_ask_starts_a_private_gateway(logged_in: GatewayCommand) -> None:
    assert logged_in.output("ask", "Say hello") == "hello\n"


def test_the_prompt_may_come_on_stdin(logged_in: GatewayCommand) -> None:
    assert logged_in.output("ask", "--system", "Be brief", answers="Say hello\n") == "hello\n"


def test_ask_uses_the_running_gateway(logged_in: GatewayCommand) -> None:
    with logged_in.serve() as serving:
        logged_in.environ["GATEWAY_BIND"] = serving.url.removeprefix("http://")
        assert logged_in.output("ask", "--model", "acme-1", "hi") == "hello\n"
        _, errors = serving.stop()
    assert "anthropic acme/acme-1 200" in errors


def test_ask_does_not_send_its_prompt_to_a_stranger(logged_in: GatewayCommand) -> None:
    with logged_in.serve("--api-key", "another-key") as serving:
        logged_in.environ["GATEWAY_BIND"] = serving.url.removeprefix("http://")
        assert logged_in.output("ask", "hi") == "hello\n"
        _, errors = serving.stop()
    assert "acme/acme-1" not in errors


def test_ask_speaks_json(logged_in: GatewayCommand) -> None:
    message = json.loads(logged_in.output("ask", "--json", "hi"))
    assert message["content"] == [{"type": "text", "text": "hello"}]
    assert message["stop_reason"] == "end_turn"


@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["streamed", "json"])
def test_an_error_is_one_line_and_holds_no_secret(
    logged_in: GatewayCommand, flags: list[str]
) -> None:
    result = logged_in.run("ask", "--model", "acme-2", *flags, "hi")
    assert result.returncode == 1
    assert result.stdout == ""
    assert "gateway: acme is busy" in result.stderr


def test_an_unknown_model_is_an_error(logged_in: GatewayCommand) -> None:
    assert "acme-9" in logged_in.failure("ask", "--model", "acme-9", "hi")


def test_without_a_login_ask_names_the_next_command(acme: GatewayCommand) -> None:
    said = acme.failure("ask", "hi")
    assert said == "no model is available; run `gateway login`, or name one with --model"


def test_without_a_prompt_ask_is_wrong_usage(logged_in: GatewayCommand) -> None:
    assert logged_in.run("ask").returncode == 2
