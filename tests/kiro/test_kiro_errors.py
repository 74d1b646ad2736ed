"""What the failures of Kiro mean to clients."""

from collections.abc import Mapping
from typing import Any

import pytest

from gateway_core import (
    ContextOverflow,
    Forbidden,
    GatewayError,
    InvalidRequest,
    JsonObject,
    ModelNotFound,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    Unauthorized,
    UpstreamCall,
    UpstreamFailed,
)
from gateway_core.formats.anthropic import FORMAT as ANTHROPIC
from gateway_core.formats.responses import FORMAT as RESPONSES
from gateway_core.json import dumps
from gateway_kiro.plugin import KiroProvider
from gateway_kiro.state import CallState
from support.about import each
from support.kiro_asking import ARN, document, state

CASES = {case["name"]: case for case in document("http-errors")}
KINDS: Mapping[str, type[GatewayError]] = {
    "account_suspended": Forbidden,
    "account_throttled": RateLimited,
    "auth": Unauthorized,
    "context_overflow": ContextOverflow,
    "invalid_request": InvalidRequest,
    "model_unavailable": ModelNotFound,
    "overloaded": Overloaded,
    "quota": QuotaExhausted,
    "rate_limit": RateLimited,
    "upstream_error": UpstreamFailed,
    "wrong_endpoint": UpstreamFailed,
}


def error(
    status: int, body: Any, of: CallState | None = None, headers: Mapping[str, str] | None = None
) -> GatewayError:
    """The error for an answer; a body that is no text is sent as JSON."""
    call = UpstreamCall(
        "POST", "https://kiro.example/", {}, body_with("MANUAL"), state=of or state()
    )
    sent = body.encode() if isinstance(body, str) else dumps(body)
    return KiroProvider().gateway_error(status, headers or {}, sent, call)


def body_with(trigger: str) -> bytes:
    said = {"content": "secret words", "modelId": "auto", "origin": "AI_EDITOR"}
    current = {"userInputMessage": said}
    return dumps({"conversationState": {"chatTriggerType": trigger, "currentMessage": current}})


def case_error(case: JsonObject, of: CallState | None = None) -> GatewayError:
    return error(case["status"], case["body"], of, case["headers"])


@each("name", CASES)
def test_a_documented_error_is_told_as_documented(name: str) -> None:
    case = CASES[name]
    found = case_error(case, state(format="anthropic"))
    expected = case["expect"]
    kind = KINDS.get(expected["kind"])
    if kind is None:
        kind = Forbidden if case["status"] == 403 else InvalidRequest  # profile
    assert found.kind == kind.kind
    client = expected["client"]
    assert ANTHROPIC.error_status(found) == client["http"]
    body = ANTHROPIC.error_body(found, "request")["error"]
    assert body["type"] == client["anthropic_type"]
    assert body["message"].startswith(client.get("anthropic_message_starts", ""))
    if "openai_code" in client:
        written = RESPONSES.error_body(found, "request")["error"]
        assert written["code"] == client["openai_code"]
    assert found.upstream is not None and found.upstream["status"] == case["status"]


@each("name", [name for name, case in CASES.items() if case["expect"].get("retry") is False])
def test_what_must_not_be_tried_again_is_not(name: str) -> None:
    assert not case_error(CASES[name]).retryable


def test_an_account_under_suspicion_is_left_alone_for_minutes() -> None:
    found = case_error(CASES["suspicious-activity"])
    assert found.retry_after == 300
    again = error(429, CASES["suspicious-activity"]["body"], headers={"retry-after": "900"})
    assert again.retry_after == 900


def test_a_locked_account_is_told_where_to_go() -> None:
    message = case_error(CASES["suspended-2025"]).message
    assert "https://app.kiro.dev/account/usage?support_form" in message
    assert "000000000000" not in message


def test_profiles_are_never_quoted() -> None:
    body = {"message": f"The profile {ARN} is unknown.", "reason": None}
    assert error(400, body).message == "The profile [profile] is unknown."


def test_the_request_id_is_kept_for_the_log() -> None:
    found = error(500, {"message": "boom"}, headers={"x-amzn-requestid": "r-1"})
    assert found.upstream == {"status": 500, "request_id": "r-1"}


def test_a_web_page_is_named_and_not_quoted() -> None:
    assert case_error(CASES["html-gateway-error"]).message == (
        "Kiro answered with status 502 and a web page"
    )


@each("body", ["", "{}", "[]", "null"])
def test_an_answer_without_words_is_told_by_its_status(body: str) -> None:
    assert error(500, body).message == "Kiro answered with status 500 and no more"


def test_an_answer_in_plain_words_is_quoted() -> None:
    assert error(500, "out of order").message == "out of order"


@pytest.mark.parametrize(("size", "kind"), [(900_000, InvalidRequest), (960_000, ContextOverflow)])
def test_the_refusal_without_a_reason_is_about_size_only_near_the_limit(
    size: int, kind: type[GatewayError]
) -> None:
    found = case_error(CASES["improper"], state(size=size, limit=1_200_000))
    assert type(found) is kind


def test_the_refusal_without_a_reason_is_logged_with_what_is_known(
    caplog: pytest.LogCaptureFixture,
) -> None:
    call = UpstreamCall("POST", "https://kiro.example/", {}, body_with("AUTO"), state=state(size=9))
    KiroProvider().gateway_error(400, {}, dumps(CASES["improper"]["body"]), call)
    assert "chatTriggerType is not MANUAL" in caplog.text
    assert "secret words" not in caplog.text


def test_overflows_are_told_so_that_clients_shorten_the_conversation() -> None:
    anthropic = case_error(CASES["content-length"], state(format="anthropic", size=3_000_000))
    assert anthropic.message == "prompt is too long: 750000 tokens > 200000 maximum"
    others = case_error(CASES["content-length"], state(format="chat", size=400, window=128_000))
    assert others.message == (
        "This model's maximum context length is 128000 tokens. However, your messages resulted in "
        "128001 tokens."
    )


def test_reasoning_of_another_account_is_left_out_by_the_core() -> None:
    body = {"message": "Invalid signature", "reason": "THINKING_SIGNATURE_INVALID"}
    assert error(400, body).code == "invalid_encrypted_content"


def test_a_wait_that_is_asked_for_is_passed_on() -> None:
    found = error(429, {"message": "slow down"}, headers={"retry-after": "7"})
    assert (type(found), found.retry_after) == (RateLimited, 7)


def test_the_model_that_is_not_served_is_named() -> None:
    assert "'claude-sonnet-4.5'" in case_error(CASES["model-id"]).message
