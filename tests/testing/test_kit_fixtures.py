"""What the kit gives to plugin authors: the conformance class, and fixtures for whole stacks."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from gateway_core.testing import ProviderConformance, fake_credential
from gateway_core.testing.clients import ClaudeCode, CodexCLI, RealClients, Sandbox
from gateway_core.testing.server import StartGateway
from gateway_core.testing.upstream import (
    RequestInHand,
    ThreadedUpstream,
    chunks,
    hang_up,
    json_answer,
    reset_after,
    truncated,
)
from gateway_demo.plugin import DemoProvider
from support.line_http import LineHttpProvider, credential

pytest_plugins = ["pytester"]

TRANSCRIPTS = Path(__file__).parents[1] / "demo" / "transcripts"
WITHOUT_ASYNCIO = ("-p", "no:asyncio", "-p", "no:cacheprovider")
AUTHORS_SUITE = f"""
    from pathlib import Path

    import pytest
    from gateway_core.testing import ProviderConformance
    from gateway_demo.plugin import DemoProvider

    class TestMine(ProviderConformance):
        transcripts = Path({str(TRANSCRIPTS)!r})
        waived = {{"U05": "counts are differences, see issue 7"}}

        @pytest.fixture
        def provider(self):
            return PROVIDER
"""
FAULTY = """
    from gateway_core import UpstreamFailed, hookimpl

    class Faulty(DemoProvider):
        @hookimpl
        def gateway_error(self, status, headers, body):
            return UpstreamFailed("something failed")
"""


def chat(prompt: str, model: str = "demo") -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": prompt}]}


def test_an_authors_suite_is_some_lines_and_needs_no_asyncio_plugin(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(AUTHORS_SUITE.replace("PROVIDER", "DemoProvider()"))
    run = pytester.runpytest_inprocess("-rs", "-k", "U0 or E0 or C0", *WITHOUT_ASYNCIO)
    outcomes = run.parseoutcomes()
    assert outcomes.keys() == {"passed", "skipped", "deselected"}
    assert outcomes["passed"] > 15
    run.stdout.fnmatch_lines(["*waived: counts are differences, see issue 7*"])


def test_a_failure_says_rule_sight_reason_and_cure(pytester: pytest.Pytester) -> None:
    suite = AUTHORS_SUITE.replace("PROVIDER", "Faulty")
    head, _, body = suite.partition("    class TestMine")
    pytester.makepyfile(f"{head}{FAULTY}\n    class TestMine{body}")
    run = pytester.runpytest_inprocess("-k", "E02", *WITHOUT_ASYNCIO)
    run.assert_outcomes(failed=1, deselected=run.parseoutcomes()["deselected"])
    run.stdout.fnmatch_lines(
        [
            "E02 (errors): A status means what it says: 401 is about the login*",
            "Seen: *",
            "*status 401 with an empty body: it is upstream_failed*",
            "Why: Clients decide by it*",
            "Cure: Return None from `gateway_error`*",
        ]
    )


def test_waiving_a_case_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="TestTypo waives S99: the kit has no such cases"):
        type("TestTypo", (ProviderConformance,), {"waived": {"S99": "a typo"}})


def test_a_gateway_serves_exactly_the_plugins_that_it_is_given(
    gateway_server: StartGateway,
) -> None:
    gateway = gateway_server(DemoProvider, settings={"providers.demo.delay_ms": 1})
    with gateway.http() as http:
        listed = http.get("/v1/models").json()
        answer = http.post("/v1/chat/completions", json=chat("text: Hello")).json()
    assert {model["id"] for model in listed["data"]} == {"demo", "demo-thinking"}
    assert answer["choices"][0]["message"]["content"] == "Hello"


def test_two_gateways_do_not_know_each_other(gateway_server: StartGateway) -> None:
    first, second = gateway_server(DemoProvider), gateway_server()
    with second.http() as http:
        assert http.get("/v1/models").json()["data"] == []
    assert first.url != second.url


def test_a_broken_plugin_is_named(gateway_server: StartGateway) -> None:
    with pytest.raises(AssertionError, match="a plugin of the test is broken"):
        gateway_server(object())


def test_an_upstream_answers_by_script_and_remembers_what_it_was_asked(
    gateway_server: StartGateway, upstream: ThreadedUpstream
) -> None:
    upstream.answer(chunks(b"Hello\n", b"there\n.\n", delay=0.001))
    provider = LineHttpProvider(upstream.url, login="browser")
    gateway = gateway_server(provider, credentials=[credential("token-1")])
    with gateway.http() as http:
        answer = http.post("/v1/chat/completions", json=chat("Hi", "line-1")).json()
    assert answer["choices"][0]["message"]["content"] == "Hellothere"
    (request,) = upstream.requests
    assert request.headers["authorization"] == "Bearer token-1"
    assert b"Hi" in request.body


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (json_answer({"error": {"message": "no"}}, 403), 403),
        (truncated(b"half\n"), 502),
        (reset_after(b"half\n"), 502),
    ],
    ids=["error", "truncated", "reset"],
)
def test_an_upstream_misbehaves(
    gateway_server: StartGateway, upstream: ThreadedUpstream, answer: object, status: int
) -> None:
    upstream.answer(answer)  # type: ignore[arg-type]  # parameters are objects here
    gateway = gateway_server(LineHttpProvider(upstream.url))
    with gateway.http() as http:
        assert http.post("/v1/chat/completions", json=chat("Hi", "line-1")).status_code == status


def test_an_upstream_is_driven_by_hand(
    gateway_server: StartGateway, upstream: ThreadedUpstream
) -> None:
    def begin() -> RequestInHand:
        request = upstream.next_request()
        request.head()
        request.send(b"one\n")
        return request

    gateway = gateway_server(LineHttpProvider(upstream.url))
    asked = chat("Hi", "line-1") | {"stream": True}
    with (
        ThreadPoolExecutor(1) as meanwhile,  # the gateway's headers wait for the first event
        gateway.http() as http,
    ):
        begun = meanwhile.submit(begin)
        with http.stream("POST", "/v1/chat/completions", json=asked) as stream:
            request = begun.result()
            lines = (line for line in stream.iter_lines() if '"content":"' in line)
            assert '"content":"one"' in next(lines)
            request.send(b"two\n")
            assert '"content":"two"' in next(lines)
        request.wait_until_left()


def test_an_upstream_hangs_up(upstream: ThreadedUpstream) -> None:
    upstream.answer(hang_up)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(upstream.url, trust_env=False)


def test_nothing_of_the_fixtures_stays_behind(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_a_stack(gateway_server, upstream):
            assert gateway_server().url != upstream.url
        """
    )
    before = set(threading.enumerate())  # other tests may share a gateway
    pytester.runpytest_inprocess(*WITHOUT_ASYNCIO).assert_outcomes(passed=1)
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert not left & {"gateway", "upstream"}


def test_a_missing_client_skips_with_the_command_that_installs_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GATEWAY_TEST_CLIENTS", str(tmp_path))
    pytester.makepyfile(
        """
        def test_claude(real_clients):
            real_clients.claude_code("mine-1")

        def test_codex(real_clients):
            real_clients.codex_cli("mine-1")
        """
    )
    run = pytester.runpytest_inprocess("-rs", *WITHOUT_ASYNCIO)
    run.assert_outcomes(skipped=2)
    run.stdout.fnmatch_lines(
        [
            "*run `npm install -g @anthropic-ai/claude-code`*",
            "*run `npm install -g @openai/codex`*",
        ]
    )


@pytest.mark.skipif(sys.platform == "win32", reason="a script stands for the program")
def test_a_client_is_run_in_a_folder_and_an_environment_of_its_own(
    real_clients: RealClients, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "node_modules" / ".bin"
    folder.mkdir(parents=True)
    (folder / "claude").write_text(
        "#!/bin/sh\n"
        'printf \'{"type":"result","is_error":false,"result":"%s %s"}\\n\' '
        '"$ANTHROPIC_MODEL" "$ANTHROPIC_BASE_URL"\npwd >&2\n'
    )
    (folder / "claude").chmod(0o755)
    monkeypatch.setenv("GATEWAY_TEST_CLIENTS", str(tmp_path))
    clients = RealClients(real_clients.sandbox, pytest.fail)
    claude = clients.claude_code("mine-1")
    run = claude.ask(_Somewhere(), "Hello")
    assert ClaudeCode.answer(run) == "mine-1 http://127.0.0.1:1"
    assert Path(run.errors.strip()) == claude.lab.work.resolve()


def test_a_client_is_found_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GATEWAY_TEST_CLIENTS", raising=False)
    (tmp_path / "codex").write_text("#!/bin/sh\n")
    (tmp_path / "codex").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep + os.environ["PATH"])
    found = RealClients(Sandbox(tmp_path / "lab"), pytest.fail).codex_cli()
    assert isinstance(found, CodexCLI)
    assert found.program == tmp_path / "codex"


def test_a_fake_credential_never_looks_like_a_real_one() -> None:
    made = fake_credential("mine", secrets={"key": "canary-key"})
    assert made.access_token.get_secret_value().startswith("canary-")
    assert "canary" not in repr(made)


class _Somewhere:
    url = "http://127.0.0.1:1"
    key = None
