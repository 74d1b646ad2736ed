"""What the HTTP failures of the Codex backend mean."""

import base64
from datetime import UTC, datetime

import pytest

from gateway_codex.errors import read_error, refine
from gateway_codex.plugin import CodexProvider
from gateway_core import (
    ContextOverflow,
    Forbidden,
    GatewayError,
    InvalidRequest,
    Message,
    ModelNotFound,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    Request,
    Text,
    Unauthorized,
    UpstreamFailed,
    UpstreamTimeout,
)
from gateway_core.json import JsonObject, dumps
from support.about import each
from support.codex_asking import translated

NOW = 1_777_900_000.0
CHALLENGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>%b</body>"


def read(status: int, body: object = None, **headers: str) -> GatewayError:
    """The error for an answer; header names are given with underscores."""
    data = body if isinstance(body, bytes) else b"" if body is None else dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_error(status, named, data, NOW)


def error(message: str = "Words.", **more: object) -> JsonObject:
    return {"error": {"message": message, **more}}


UNSUPPORTED = "The 'gpt-4.1' model is not supported when using Codex with a ChatGPT account."
OVERFLOW = "Your input exceeds the context window of this model."
ITEM = "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false."


@each(
    "status, body, kind",
    [
        (400, {"detail": "Unsupported parameter: max_output_tokens"}, InvalidRequest),
        (400, {"detail": UNSUPPORTED}, InvalidRequest),
        (400, error(code="invalid_encrypted_content"), InvalidRequest),
        (400, error(code="cyber_policy"), InvalidRequest),
        (400, error(OVERFLOW, code="context_length_exceeded"), ContextOverflow),
        (400, error(OVERFLOW), ContextOverflow),
        (400, {"detail": "prompt is too long"}, ContextOverflow),
        (413, None, ContextOverflow),
        (401, error(code="token_expired"), Unauthorized),
        (401, error(code="token_invalidated"), Unauthorized),
        (401, {"detail": "Unauthorized"}, Unauthorized),
        (401, None, Unauthorized),
        (403, error(code="account_deactivated"), Forbidden),
        (403, {"detail": "Workspace policy"}, Forbidden),
        (404, error("Model not found gpt-5.6-luna", code=None, param="model"), ModelNotFound),
        (404, error(ITEM, param="input"), InvalidRequest),
        (404, error("usage_limit_reached"), QuotaExhausted),
        (404, {"detail": "usage_not_included for this plan"}, Forbidden),
        (404, {"detail": "rate_limit_exceeded"}, RateLimited),
        (408, None, UpstreamFailed),
        (409, None, UpstreamFailed),
        (429, error(type="usage_limit_reached"), QuotaExhausted),
        (429, error(type="usage_not_included"), Forbidden),
        (429, error(type="rate_limit_error", code="rate_limit_exceeded"), RateLimited),
        (429, error("Selected model is at capacity. Please try a different model."), Overloaded),
        (429, None, RateLimited),
        (500, error(type="server_error"), UpstreamFailed),
        (502, b"<html><title>Bad gateway</title></html>", UpstreamFailed),
        (503, error(code="server_is_overloaded"), Overloaded),
        (503, None, Overloaded),
        (504, None, UpstreamTimeout),
        (520, b"", UpstreamFailed),
    ],
)
def test_the_table(status: int, body: object, kind: type[GatewayError]) -> None:
    found = read(status, body)
    assert type(found) is kind
    assert found.message
    assert found.upstream is not None
    assert "status" in found.upstream


@each("end", [10**400, float("inf"), 1_777_900_000_000])
def test_an_end_that_is_no_date_is_far_away(end: float) -> None:
    """Milliseconds where seconds are meant, above all."""
    limit = QuotaExhausted("Used up.", upstream={"resets_at": end})
    assert refine(limit, NOW).retry_after == 864_000


@pytest.mark.parametrize("body", [{"detail": UNSUPPORTED}, error(UNSUPPORTED)])
def test_the_text_about_a_model_is_passed_on(body: JsonObject) -> None:
    assert read(400, body).message == UNSUPPORTED


def test_the_code_of_foreign_reasoning_is_kept() -> None:
    assert read(400, error(code="invalid_encrypted_content")).code == "invalid_encrypted_content"


def test_a_used_up_plan_says_when_it_comes_back() -> None:
    resets_at = int(NOW) + 13_872
    found = read(
        429,
        error(
            "The usage limit has been reached",
            type="usage_limit_reached",
            plan_type="plus",
            resets_at=resets_at,
            resets_in_seconds=1,
        ),
    )
    assert found.retry_after == 13_872
    local = datetime.fromtimestamp(resets_at, UTC).astimezone()
    assert found.message == (
        "The usage limit has been reached (plan plus); "
        f"it resets in 3 h 51 min, at {local:%Y-%m-%d %H:%M}"
    )
    assert found.upstream is not None
    assert (found.upstream["plan_type"], found.upstream["resets_at"]) == ("plus", resets_at)
    assert not found.retryable


@each(
    "more, headers, seconds",
    [
        ({"resets_in_seconds": 90}, {}, 90),
        ({"resets_at": 5, "resets_in_seconds": 600_000}, {}, 600_000),
        ({}, {"retry_after": "45"}, 45),
        ({}, {}, None),
    ],
)
def test_the_wait_for_a_plan(
    more: JsonObject, headers: dict[str, str], seconds: float | None
) -> None:
    found = read(429, error(type="usage_limit_reached", **more), **headers)
    assert found.retry_after == seconds
    assert ("it resets in" in found.message) is (seconds is not None)


def test_a_bare_429_with_a_used_up_window_is_a_used_up_plan() -> None:
    call = translated(Request("gpt-5.5", [Message("user", [Text("Hi")])]))
    headers = {
        "x-codex-primary-used-percent": "100",
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-at": "4000000000",
    }
    provider = CodexProvider()
    assert type(provider.gateway_error(429, headers, b"", call)) is QuotaExhausted
    assert [window.name for window in provider.windows(call.state.account)] == ["5h"]


def test_a_short_limit_says_how_short() -> None:
    assert read(429, error("Please try again in 1.2s.")).retry_after == pytest.approx(1.2)


def test_a_challenge_page_is_named_and_not_quoted() -> None:
    found = read(
        403,
        CHALLENGE % (b"secret markup " * 500),
        content_type="text/html; charset=UTF-8",
        cf_ray="8f1-FRA",
        cf_mitigated="challenge",
    )
    assert type(found) is Forbidden
    assert "challenge" in found.message
    assert "'Just a moment...'" in found.message
    assert "8f1-FRA" in found.message
    assert "secret markup" not in found.message
    assert len(found.message) < 400
    assert found.upstream == {"status": 403, "cf-ray": "8f1-FRA"}


@each(
    "status, kind",
    [(401, Unauthorized), (403, Forbidden), (429, RateLimited), (503, UpstreamFailed)],
)
def test_pages_of_other_statuses(status: int, kind: type[GatewayError]) -> None:
    found = read(status, CHALLENGE % b"", content_type="text/html")
    assert type(found) is kind
    assert "web page" in found.message


def test_a_refusal_may_hide_in_a_header() -> None:
    hidden = base64.b64encode(dumps(error("Your token is gone.", code="token_invalidated")))
    found = read(401, None, x_error_json=hidden.decode())
    assert (found.message, found.code) == ("Your token is gone.", "token_invalidated")


@each("body", [b"\xff\xfe", b"[1]", b'"text"', b"null", b"plain words"])
def test_strange_bodies_do_no_harm(body: bytes) -> None:
    assert type(read(500, body)) is UpstreamFailed


def test_the_ids_of_the_request_are_kept_for_the_log() -> None:
    found = read(500, error(), x_request_id="req_1", cf_ray="ray")
    assert found.upstream == {"status": 500, "x-request-id": "req_1", "cf-ray": "ray"}
