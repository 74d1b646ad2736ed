"""Errors in OpenAI's shape: what clients are told, and what upstreams' errors mean."""

from typing import Any

from inline_snapshot import snapshot

from gateway_core.errors import (
    ERROR_CLASSES,
    ERROR_KINDS,
    ContextOverflow,
    ErrorKind,
    Forbidden,
    GatewayError,
    InvalidRequest,
    NotFound,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    Unauthorized,
    UpstreamFailed,
)
from gateway_core.formats.openai_errors import (
    error_body,
    error_from_object,
    error_object,
    error_status,
)
from support.about import each


def test_every_kind_has_words_and_a_status() -> None:
    table = {
        kind: (error_status(error), error_object(error)["type"], error_object(error)["code"])
        for kind in ERROR_KINDS
        for error in (ERROR_CLASSES[kind]("oops"),)
    }
    assert table == snapshot(
        {
            "invalid_request": (400, "invalid_request_error", "invalid_request_error"),
            "unsupported": (400, "invalid_request_error", "invalid_request_error"),
            "context_overflow": (400, "invalid_request_error", "context_length_exceeded"),
            "unauthorized": (401, "authentication_error", "invalid_api_key"),
            "login_required": (401, "authentication_error", "login_required"),
            "forbidden": (403, "permission_error", "permission_denied"),
            "model_not_found": (404, "invalid_request_error", "model_not_found"),
            "not_found": (404, "invalid_request_error", "not_found"),
            "too_large": (413, "invalid_request_error", "request_too_large"),
            "rate_limited": (429, "rate_limit_error", "rate_limit_exceeded"),
            "quota_exhausted": (429, "usage_limit_reached", "insufficient_quota"),
            "internal": (500, "server_error", "server_error"),
            "upstream_failed": (502, "server_error", "server_error"),
            "upstream_protocol": (502, "server_error", "server_error"),
            "overloaded": (503, "server_error", "server_overloaded"),
            "timeout": (504, "server_error", "timeout"),
        }
    )


@each("kind", ERROR_KINDS)
def test_what_we_write_we_read_as_the_same_status(kind: ErrorKind) -> None:
    error = ERROR_CLASSES[kind]("oops")
    read = error_from_object(error_body(error, "req_1"))
    # Which of ours went wrong (bug, upstream, protocol) is not told to clients: all are a failure.
    failures = {500, 502}
    assert read.message == "oops"
    assert read.status == error.status or {read.status, error.status} == failures


def test_the_upstreams_own_code_is_shown_where_clients_do_not_act_on_it() -> None:
    assert error_object(Forbidden("no", code="usage_not_included"))["code"] == "usage_not_included"
    assert error_object(ContextOverflow("no", code="3"))["code"] == "context_length_exceeded"


def test_a_used_up_plan_says_when_it_is_back() -> None:
    upstream = {
        "error": {
            "type": "usage_limit_reached",
            "message": "The usage limit has been reached",
            "plan_type": "plus",
            "resets_at": 1777936568,
            "resets_in_seconds": 13872,
        }
    }
    error = error_from_object(upstream, 429)
    assert (type(error), error.retry_after) == (QuotaExhausted, 13872)
    assert error_object(error) == snapshot(
        {
            "message": "The usage limit has been reached",
            "type": "usage_limit_reached",
            "param": None,
            "code": "insufficient_quota",
            "plan_type": "plus",
            "resets_at": 1777936568,
            "resets_in_seconds": 13872,
        }
    )


@each(
    "value, status, kind",
    [
        ({"code": "context_length_exceeded", "message": "x"}, None, ContextOverflow),
        ({"code": "context_too_large"}, 400, ContextOverflow),
        ({"message": "This model's maximum context length is 8192 tokens."}, 400, ContextOverflow),
        ({"message": "prompt is too long: 9 > 8"}, None, ContextOverflow),
        ({"code": "rate_limit_exceeded", "type": "tokens"}, None, RateLimited),
        ({"type": "tokens", "message": "slow"}, 429, RateLimited),
        ({"type": "rate_limit_error"}, None, RateLimited),
        ({"code": "insufficient_quota"}, 429, QuotaExhausted),
        ({"message": "pay"}, 402, QuotaExhausted),
        ({"code": "usage_not_included"}, 429, Forbidden),
        ({"code": "server_is_overloaded"}, None, Overloaded),
        ({"code": "slow_down"}, None, Overloaded),
        ({"type": "service_unavailable_error"}, 503, Overloaded),
        ({"code": "invalid_prompt"}, None, InvalidRequest),
        ({"code": "cyber_policy", "message": ""}, None, InvalidRequest),
        ({"code": "invalid_image_format"}, None, InvalidRequest),
        ({"code": "image_too_large"}, None, InvalidRequest),
        ({"code": "invalid_api_key", "type": "invalid_request_error"}, 401, Unauthorized),
        ({"type": "invalid_request_error", "message": "x"}, 404, NotFound),
        ({"type": "invalid_request_error", "message": "x"}, None, InvalidRequest),
        ({"type": "server_error"}, None, UpstreamFailed),
        ({"code": "something_new"}, None, UpstreamFailed),
        ({"code": 429, "message": "slow"}, None, RateLimited),
        ({"code": "429", "message": "slow"}, None, RateLimited),
        ({"error": "Rate limit", "error_type": "rate_limit_exceeded"}, None, RateLimited),
        ({"error": {"title": "Low"}, "error_type": "usage_limit_exceeded"}, None, QuotaExhausted),
        ({"type": "error", "status": 401, "error": {"message": "who"}}, None, Unauthorized),
        ({"detail": "no"}, 403, Forbidden),
        ({"detail": {"code": "usage_limit_reached"}}, 429, QuotaExhausted),
        ("<html>Bad gateway</html>", 502, UpstreamFailed),
        (None, None, UpstreamFailed),
        ([], 200, UpstreamFailed),
    ],
)
def test_what_an_upstreams_error_means(
    value: Any, status: int | None, kind: type[GatewayError]
) -> None:
    assert type(error_from_object(value, status)) is kind


@each(
    "text, seconds",
    [
        ("Please try again in 1.2s.", 1.2),
        ("Please try again in 11.054s. Visit the page.", 11.054),
        ("Please try again in 20ms.", 0.02),
        ("Please try again in 6m0s.", 360),
        ("try again in 1h2m3.5s", 3723.5),
        ("please try again after 1 seconds", 1),
        ("Try again in 2 hours 3 minutes", 7380),
        ("Try again later.", None),
        (f"try again in {'9' * 400}s", None),
    ],
)
def test_the_wait_is_read_from_the_words(text: str, seconds: float | None) -> None:
    error = error_from_object({"code": "rate_limit_exceeded", "message": text})
    assert error.retry_after == seconds


def test_the_header_wins_over_the_words() -> None:
    error = error_from_object({"message": "try again in 5s"}, 429, retry_after=2.0)
    assert error.retry_after == 2.0


def test_an_absolute_reset_needs_to_know_the_time() -> None:
    value = {"type": "usage_limit_reached", "resets_at": 1000}
    assert error_from_object(value).retry_after is None
    assert error_from_object(value, now=900).retry_after == 100
    assert error_from_object(value, now=1100).retry_after == 0


def test_the_telling_message_is_taken() -> None:
    string = {"error": "Rate limit exceeded", "message": "Free model limit reached."}
    assert error_from_object(string).message == "Free model limit reached."
    assert error_from_object({"error": {"message": "inner"}, "message": "outer"}).message == "inner"
    assert error_from_object({"code": "cyber_policy"}).message == (
        "the upstream reported cyber_policy"
    )


@each("code", ["²", "9" * 5000, "٤٢٩٤", 10**400])
def test_a_code_that_is_no_status_is_no_status(code: Any) -> None:
    assert type(error_from_object({"code": code, "message": "x"})) is UpstreamFailed


@each("time", [10**400, float("inf"), -1, True, {"a": 1}])
@each("key", ["resets_in_seconds", "retry_after", "resets_at"])
def test_a_time_that_no_clock_knows_is_not_told(key: str, time: Any) -> None:
    error = error_from_object({"type": "usage_limit_reached", key: time}, now=900)
    assert error.retry_after is None
    assert error.upstream is None
