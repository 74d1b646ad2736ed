"""Errors in the Anthropic dialect."""

import pytest
from inline_snapshot import snapshot

from gateway_core.errors import (
    ERROR_CLASSES,
    ERROR_KINDS,
    ContextOverflow,
    ErrorKind,
    LoginRequired,
    Unauthorized,
)
from gateway_core.formats.anthropic import FORMAT, count_body, error_body, error_status
from support.about import each


def test_every_kind_has_a_status_and_a_type() -> None:
    table = {}
    for kind in ERROR_KINDS:
        error = ERROR_CLASSES[kind]("prompt is too long")
        table[kind] = (error_status(error), error_body(error, "req_1")["error"]["type"])
    assert table == snapshot(
        {
            "invalid_request": (400, "invalid_request_error"),
            "unsupported": (400, "invalid_request_error"),
            "context_overflow": (400, "invalid_request_error"),
            "unauthorized": (401, "authentication_error"),
            "login_required": (403, "permission_error"),
            "forbidden": (403, "permission_error"),
            "model_not_found": (404, "not_found_error"),
            "not_found": (404, "not_found_error"),
            "too_large": (413, "request_too_large"),
            "rate_limited": (429, "rate_limit_error"),
            "quota_exhausted": (429, "rate_limit_error"),
            "internal": (500, "api_error"),
            "upstream_failed": (502, "api_error"),
            "upstream_protocol": (502, "api_error"),
            "overloaded": (529, "overloaded_error"),
            "timeout": (504, "timeout_error"),
        }
    )


@each("kind", ERROR_KINDS)
def test_the_body_holds_message_and_request_id(kind: ErrorKind) -> None:
    body = error_body(ERROR_CLASSES[kind]("prompt is too long: why"), "req_1")
    assert body["type"] == "error"
    assert body["error"]["message"] == "prompt is too long: why"
    assert body["request_id"] == "req_1"


def test_an_overflow_has_the_words_that_start_compaction() -> None:
    body = error_body(ContextOverflow("300000 tokens, 272000 are possible"), "req_1")
    assert body["error"]["message"] == "prompt is too long: 300000 tokens, 272000 are possible"


def test_the_words_are_not_repeated() -> None:
    body = error_body(ContextOverflow("Prompt is too long (300000)"), "req_1")
    assert body["error"]["message"] == "Prompt is too long (300000)"


@pytest.mark.parametrize("error", [LoginRequired, Unauthorized])
def test_no_error_sends_the_user_to_the_vendors_login(
    error: type[LoginRequired] | type[Unauthorized],
) -> None:
    body = error_body(error("upstream said: Invalid X-API-Key."), "req_1")
    assert body["error"]["message"] == "upstream said: invalid API key."


def test_a_missing_login_is_not_retried_but_a_wrong_key_is_a_401() -> None:
    assert error_status(LoginRequired("run `gateway login codex`")) == 403
    assert error_status(Unauthorized("the key is wrong")) == 401


def test_the_format_names_itself() -> None:
    assert FORMAT.name == "anthropic"
    assert FORMAT.error_body is error_body
    assert FORMAT.error_status is error_status


def test_a_count_is_one_number() -> None:
    assert count_body(7) == {"input_tokens": 7}
