"""Log lines: their shape, what is in them, and above all what is not."""

import io
import json
import logging
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway_core.errors import RateLimited
from gateway_core.events import Usage
from gateway_core.logs import configure_logging, log_exchange, register_secret
from gateway_core.provider import Exchange
from gateway_core.redaction import redact, redact_fields
from gateway_core.settings import load_settings
from support.about import each

JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnkifQ.canary"


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back as it was."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    for handler in logger.handlers[:]:
        if handler not in handlers:
            logger.removeHandler(handler)
            handler.close()
    logger.setLevel(level)


class Log:
    """A configured log whose lines can be read."""

    def __init__(self, home: Path, **environ: str) -> None:
        self.settings = load_settings(environ={"GATEWAY_HOME": str(home), **environ})
        self.stream = io.StringIO()
        configure_logging(self.settings, self.stream)
        self.logger = logging.getLogger("gateway_core.test")

    @property
    def text(self) -> str:
        return self.stream.getvalue()


@pytest.fixture
def text_log(root: logging.Logger, tmp_path: Path) -> Log:
    return Log(tmp_path)


@pytest.fixture
def json_log(root: logging.Logger, tmp_path: Path) -> Log:
    return Log(tmp_path, GATEWAY_LOG__FORMAT="json")


@pytest.fixture
def exchange() -> Exchange:
    return Exchange(
        id="req_1",
        format="anthropic",
        provider="demo",
        account="acct-canary",
        model="demo-1",
        requested="claude-opus-4-8",
        stream=True,
        status=200,
        error=None,
        started_at=datetime(2026, 11, 21, tzinfo=UTC),
        first_event=0.12345,
        duration=1.5,
        usage=Usage(input=1200, cache_read=1000, output=55),
        notices=["dropped_temperature"],
    )


@each(
    "text",
    [
        "Authorization: Bearer canary-1",
        "authorization=Basic Y2FuYXJ5OmNhbmFyeQ== canary",
        "{'authorization': 'Bearer canary', 'accept': '*/*'}",
        "[(b'x-api-key', b'canary'), (b'accept', b'*/*')]",
        "X-Api-Key: canary",
        '{"access_token":"canary","token_type":"bearer"}',
        '{"refreshToken": "can\\"ary canary"}',
        "id_token=canary&token_type=bearer",
        "client_secret=canary",
        "clientSecret: canary",
        "GATEWAY_API_KEY=canary",
        "api key: canary",
        "Cookie: session=canary; theme=canary",
        "{'set-cookie': 'session=canary; HttpOnly'}",
        "ChatGPT-Account-Id: canary",
        "password='canary'",
        "code_verifier=canary",
        '"device_code": "canary"',
        "http://localhost:1455/auth/callback?code=canary&state=canary",
        "grant_type=authorization_code&code=canary&redirect_uri=x",
        "code=canary1 state='canary2'",
        f"the token was {JWT}",
        "sent bearer canary.1",
        "https://me:canary@proxy.test/",
        "key sk-ant-oat01-canarycanary in use",
        "gw-canarycanarycanarycanary",
    ],
)
def test_secrets_are_redacted(text: str) -> None:
    redacted = redact(text)
    assert "canary" not in redacted
    assert "[redacted]" in redacted


@each(
    "text",
    [
        "status code=401 code='rate_limited' state=active",
        '{"code": "context_length_exceeded"}',
        "input_tokens=1200 output_tokens: 7 max_tokens=5",
        "send the key as x-api-key or as a bearer token",
        "api_key=None refresh_token=null",
        "Credential(access_token=SecretStr('**********'))",
        "POST https://api.example.test/v1/responses?stream=1",
        "run `gateway login codex`",
    ],
)
def test_what_helps_is_kept(text: str) -> None:
    assert redact(text) == text


def test_fields_are_redacted_by_name_and_inside() -> None:
    fields = {
        "access_token": "canary",
        "count": 3,
        "upstream": {"headers": ["x-api-key: canary"], "x-api-key": "canary"},
    }
    assert redact_fields(fields) == {
        "access_token": "[redacted]",
        "count": 3,
        "upstream": {"headers": ["x-api-key: [redacted]"], "x-api-key": "[redacted]"},
    }


def test_a_registered_secret_is_redacted_wherever_it_shows() -> None:
    register_secret("plain-words-canary")
    assert redact("took plain-words-canary along") == "took [redacted] along"


def test_a_tiny_secret_does_not_shred_the_log() -> None:
    register_secret("a")
    assert redact("a cat sat") == "a cat sat"


def test_a_text_line_has_level_message_and_fields(text_log: Log) -> None:
    text_log.logger.info("model list kept", extra={"fields": {"age": 3, "why": "no network"}})
    assert text_log.text.endswith(' info    model list kept age=3 why="no network"\n')


def test_a_json_line_has_the_same_as_an_object(json_log: Log) -> None:
    json_log.logger.warning("list of %s kept", "demo", extra={"fields": {"age": 3}})
    line = json.loads(json_log.text)
    assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
    assert line == {
        "level": "warning",
        "logger": "gateway_core.test",
        "message": "list of demo kept",
        "age": 3,
    }


@pytest.mark.parametrize("shape", ["text", "json"])
def test_a_traceback_is_there_and_redacted(
    root: logging.Logger, tmp_path: Path, shape: str
) -> None:
    log = Log(tmp_path, GATEWAY_LOG__FORMAT=shape)
    try:
        raise ValueError(f"refused token {JWT} with api_key='canary'")
    except ValueError:
        log.logger.exception("refresh failed for bearer canary.2")
    assert "ValueError: refused token [redacted]" in log.text
    assert "canary" not in log.text


def test_other_libraries_secrets_are_redacted_too(text_log: Log) -> None:
    logging.getLogger("some.library").error("headers {'cookie': 'canary=1; b=canary'}")
    assert "headers" in text_log.text
    assert "canary" not in text_log.text


def test_the_level_is_a_setting(root: logging.Logger, tmp_path: Path) -> None:
    log = Log(tmp_path, GATEWAY_LOG__LEVEL="error")
    log.logger.warning("quiet")
    assert log.text == ""


def test_configuring_again_replaces(root: logging.Logger, tmp_path: Path) -> None:
    first = Log(tmp_path)
    second = Log(tmp_path)
    second.logger.warning("once")
    assert first.text == ""
    assert second.text.count("once") == 1


def test_the_file_is_json_and_private(root: logging.Logger, tmp_path: Path) -> None:
    log = Log(tmp_path, GATEWAY_LOG__FILE="true")
    log.logger.warning("for the record: api_key=canary")
    file = log.settings.paths.logs / "gateway.log"
    assert json.loads(file.read_text())["message"] == "for the record: api_key=[redacted]"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_file_rotates(root: logging.Logger, tmp_path: Path) -> None:
    file = tmp_path / "logs" / "mine.log"
    file.parent.mkdir()
    with file.open("wb") as full:
        full.truncate(20 * 1024 * 1024)
    log = Log(tmp_path, GATEWAY_LOG__FILE=str(file))
    log.logger.warning("fresh")
    assert file.stat().st_size < 1000
    assert (tmp_path / "logs" / "mine.log.1").stat().st_size == 20 * 1024 * 1024
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_exchange_is_one_line(json_log: Log, exchange: Exchange) -> None:
    log_exchange(exchange)
    line = json.loads(json_log.text)
    del line["time"]
    assert line == {
        "level": "info",
        "logger": "gateway_core.request",
        "message": "anthropic demo/demo-1 200",
        "id": "req_1",
        "requested": "claude-opus-4-8",
        "stream": True,
        "first_event": 0.1235,
        "duration": 1.5,
        "input": 1200,
        "cached": 1000,
        "output": 55,
        "notices": ["dropped_temperature"],
    }


def test_a_failed_exchange_says_why_without_the_account(text_log: Log, exchange: Exchange) -> None:
    exchange.status, exchange.error = 429, "rate_limited"
    log_exchange(exchange, RateLimited("too fast for Bearer canary.3"))
    assert " warning anthropic demo/demo-1 429 " in text_log.text
    assert 'error=rate_limited cause="too fast for Bearer [redacted]"' in text_log.text
    assert "canary" not in text_log.text


def test_the_name_a_client_asked_for_is_cut(json_log: Log, exchange: Exchange) -> None:
    exchange.requested, exchange.provider, exchange.model = "m" * 5000, "", ""
    log_exchange(exchange, RateLimited("x" * 5000))
    line = json.loads(json_log.text)
    assert line["requested"] == "m" * 200
    assert line["message"] == f"anthropic {'m' * 200} 200"
    assert len(line["cause"]) == 2000
