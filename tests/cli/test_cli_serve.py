"""`gateway serve` as a process: what it prints, where it listens, and how it ends.

Tests that only look at a running server share one.
"""

import json
import signal
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway_core.testing.upstream import threaded_upstream
from support.command import GatewayCommand, Serving


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        yield port


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> GatewayCommand:
    """The command that `serving` was started with, logged in."""
    command = GatewayCommand(tmp_path_factory.mktemp("served") / "home")
    command.with_plugin("acme", "support.acme_plugin:AcmeProvider")
    command.output("login", "acme", answers="anna\n")
    return command


@pytest.fixture(scope="module")
def serving(command: GatewayCommand) -> Iterator[Serving]:
    """A server for tests that leave it as it is."""
    with command.serve("--model-fallback", "acme-1") as serving:
        yield serving


def get(url: str, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    """One GET request: status, headers by lower-case name, body."""
    place = urlsplit(url)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        names = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, names, answer.read().decode()
    finally:
        connection.close()


def models_status(serving: Serving, key: str | None) -> int:
    headers = {"x-api-key": key} if key else {}
    return get(serving.url, "/v1/models", **headers)[0]


def test_it_serves_when_it_says_so_and_ends_at_ctrl_c(logged_in: GatewayCommand) -> None:
    """Here with several addresses, and a key of one's own."""
    several = "127.0.0.0/8:0,localhost:0"
    with logged_in.serve("--api-key", "local-secret", "--bind", several) as serving:
        assert serving.key == "local-secret"
        assert models_status(serving, "local-secret") == 200
        urls = serving.banner.partition("address")[2].splitlines()[0].replace(" ", "").split(",")
        assert len(urls) == 2
        assert [get(url, "/healthz")[0] for url in urls] == [200, 200]
        assert serving.stop() == (0, "gateway: stopped\n")


def test_sigterm_is_a_clean_end_too(logged_in: GatewayCommand) -> None:
    """Here without a key on loopback, and with a broken plugin, which is left out."""
    logged_in.with_plugin("missing", "support.no_such_module:Plugin")
    with logged_in.serve("--no-key") as serving:
        assert serving.key is None
        assert models_status(serving, None) == 200
        assert "missing  left out: ModuleNotFoundError" in serving.banner
        assert serving.stop(signal.SIGTERM)[0] == 0


def test_the_banner_has_lines_to_paste(serving: Serving) -> None:
    assert "acme-1, acme-2" in serving.banner
    assert f"curl {serving.url}/v1/chat/completions" in serving.banner
    assert f"ANTHROPIC_BASE_URL={serving.url} ANTHROPIC_AUTH_TOKEN={serving.key}" in serving.banner
    for name in ("AUTO_COMPACT_WINDOW", "MAX_CONTEXT_TOKENS"):  # older Claude Code knows the first
        assert f"CLAUDE_CODE_{name}=200000 " in serving.banner
    assert f'base_url="{serving.url}/v1"' in serving.banner
    assert "claude-*  means acme-1" in serving.banner


def test_the_key_is_required_and_kept(command: GatewayCommand, serving: Serving) -> None:
    assert models_status(serving, None) == 401
    assert f"{serving.key}\n" == command.output("config", "key")


def test_it_does_not_say_what_software_it_is(serving: Serving) -> None:
    assert "server" not in get(serving.url, "/")[1]


def test_an_exposed_server_without_a_key_is_refused(gateway: GatewayCommand) -> None:
    said = gateway.failure("serve", "--no-key", "--bind", "0.0.0.0:0")
    assert said == (
        "0.0.0.0:0 can be reached by other machines, so clients must send a key; "
        "leave out --no-key, or bind 127.0.0.1"
    )


def test_a_taken_port_is_named_with_a_way_out(gateway: GatewayCommand, taken: int) -> None:
    said = gateway.failure("serve", "--bind", f"127.0.0.1:{taken}")
    assert said == (
        f"127.0.0.1:{taken} is in use by another program; stop it, or take another port: "
        f"gateway serve --bind 127.0.0.1:{taken + 1}"
    )


def test_a_second_gateway_learns_of_the_first(command: GatewayCommand, serving: Serving) -> None:
    address = serving.url.removeprefix("http://")
    said = command.failure("serve", "--bind", address)
    assert said.startswith(f"a gateway is already running on {address}; use it")


def test_an_address_of_another_machine_is_refused(gateway: GatewayCommand) -> None:
    result = gateway.spawn("serve", "--bind", "192.0.2.200:0")  # here, tests may not ask for it
    assert result.returncode == 1
    assert result.stderr.startswith("gateway: 192.0.2.200 is no address of this machine")


def test_a_provider_without_a_login_is_not_served_alone(acme: GatewayCommand) -> None:
    said = acme.failure("serve", "--bind", "127.0.0.1:0", "--provider", "acme")
    assert said == "not logged in to acme; run `gateway login acme`"


def test_without_any_login_it_says_what_to_do(acme: GatewayCommand) -> None:
    with acme.serve() as serving:
        assert "acme     not logged in: gateway login acme" in serving.banner
        assert "No model is available yet" in serving.banner


def test_names_of_nothing_are_noted_and_logged(logged_in: GatewayCommand) -> None:
    (logged_in.home / "config.toml").write_text("[providers.amce]\nregion = 'us'\n")
    logged_in.environ["GATEWAY_PLUGINS__DISABLED"] = "amce"
    with logged_in.serve("--model-fallback", "acme-9") as serving:
        banner = serving.banner
        _, errors = serving.stop()
    for said in (
        "GATEWAY_PLUGINS__DISABLED: plugins.disabled: no plugin 'amce' is installed; "
        "did you mean 'acme'?",
        "config.toml:2: providers.amce: no provider 'amce' is installed; did you mean 'acme'?",
        "--model-fallback: routing.fallback: no provider serves the model 'acme-9'; "
        "closest: acme-2, acme-1",
    ):
        assert said in banner
        assert said in errors


def test_strict_refuses_a_broken_plugin(logged_in: GatewayCommand) -> None:
    logged_in.with_plugin("missing", "support.no_such_module:Plugin")
    logged_in.environ["GATEWAY_PLUGINS__STRICT"] = "true"
    said = logged_in.failure("serve", "--bind", "127.0.0.1:0")
    assert said.startswith("plugin 'missing' is broken: ModuleNotFoundError")


def test_a_wrong_setting_stops_it(gateway: GatewayCommand) -> None:
    said = gateway.failure("serve", "--bind", "14550")
    assert said.startswith("--bind: server.bind: '14550' is no address")


def test_status_sees_the_running_server(
    command: GatewayCommand, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(command.environ, "GATEWAY_BIND", serving.url.removeprefix("http://"))
    assert f"{serving.url}  running\n" in command.output("status", "--offline")
    monkeypatch.setitem(command.environ, "GATEWAY_API_KEY", "another-key")
    assert "running, with another key" in command.output("status", "--offline")


def test_the_log_has_one_line_for_an_exchange(logged_in: GatewayCommand) -> None:
    logged_in.environ["GATEWAY_LOG__FORMAT"] = "json"
    with logged_in.serve() as serving:
        logged_in.environ["GATEWAY_BIND"] = serving.url.removeprefix("http://")
        logged_in.output("ask", "--model", "acme-1", "hi")
        code, errors = serving.stop()
    assert code == 0
    *lines, last = errors.splitlines()
    assert last == "gateway: stopped"
    (line,) = [json.loads(line) for line in lines if "acme/acme-1" in line]
    assert line["message"] == "anthropic acme/acme-1 200"
    assert "canary" not in errors


def test_a_client_that_never_reads_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    command = GatewayCommand(tmp_path / "home")
    command.with_plugin("asking", "support.batching:AskingProvider")
    body = b'{"model": "asking-1", "input": "hi", "stream": true}'
    with threaded_upstream() as upstream, socket.socket() as client:
        command.environ["GATEWAY_PROVIDERS__ASKING__URL"] = upstream.url
        with command.serve() as serving:
            place = urlsplit(serving.url)
            head = (
                f"POST /v1/responses HTTP/1.1\r\nhost: {place.netloc}\r\n"
                f"x-api-key: {serving.key}\r\ncontent-length: {len(body)}\r\n\r\n"
            )
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect((place.hostname, place.port))
            client.sendall(head.encode() + body)
            request = upstream.next_request()
            request.head()
            for _ in range(40):
                request.send(b"x" * 100_000 + b"\n")
            client.recv(1)
            serving.process.send_signal(signal.SIGINT)
            assert serving.process.wait(10) == 0
