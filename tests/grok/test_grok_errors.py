"""What xAI's error answers mean, in every shape they come in."""

from typing import Any

import pytest

from gateway_core import (
    ContextOverflow,
    Forbidden,
    GatewayError,
    InvalidRequest,
    ModelNotFound,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    Unauthorized,
    UpstreamFailed,
)
from gateway_core.errors import NotFound, TooLarge, UpstreamTimeout
from gateway_core.json import dumps
from gateway_grok.errors import Told, is_other_rail, read_error, read_told, refused_field
from gateway_grok.settings import Rail
from support.about import each

DENIED = {"code": "permission-denied", "error": "Access to the chat endpoint is denied."}
SPENT = {"code": "personal-team-blocked:spending-limit", "error": "Spending limit reached."}
FREE = {"code": "subscription:free-usage-exhausted", "error": "tokens (actual/limit): 9/8"}
BAD = {"code": "unauthenticated:bad-credentials", "error": "No."}
TIER = {"code": "subscription:images", "error": "Your tier has no images."}
NO_PLAN = {
    "code": "The caller does not have permission",
    "error": "This requires a Grok subscription.",
}


def error_of(
    status: int, body: Any, rail: Rail = "proxy", headers: dict[str, str] | None = None
) -> GatewayError:
    data = body if isinstance(body, bytes) else dumps(body)
    return read_error(status, headers or {}, data, rail)


@each(
    "body, told",
    [
        (b'{"code":"invalid-argument","error":"Words."}', Told("invalid-argument", "Words.")),
        (b'{"code":"Client specified it wrongly","error":"Words."}', Told(None, "Words.")),
        (b'{"code":"slug-only"}', Told("slug-only", "slug-only")),
        (b'{"error":{"message":"Words.","type":"t","code":"c"}}', Told("c", "Words.")),
        (b'{"error":{"message":"Words.","code":null},"code":"outer"}', Told("outer", "Words.")),
        (b'"Words."', Told(None, "Words.")),
        (b'{"detail":"Words."}', Told(None, "Words.")),
        (b'{"code":429,"error":"Words. [WKE=a:b-c]"}', Told("a:b-c", "Words.")),
        (b'{"error":"{\\"code\\":\\"inner\\",\\"error\\":\\"Words.\\"}"}', Told("inner", "Words.")),
        (b'{"error":"{not json"}', Told(None, "{not json")),
        (b"plain words", Told(None, "plain words")),
        (b"", Told(None, "")),
        (b"[1]", Told(None, "")),
        (b"<html>", None),
    ],
)
def test_slug_and_words_in_every_shape(body: bytes, told: Told | None) -> None:
    assert read_told({}, body) == told


@each(
    "status, body, rail, kind, words",
    [
        (
            400,
            {"code": "invalid-argument", "error": "Bad field."},
            "api",
            InvalidRequest,
            "Bad field",
        ),
        (
            400,
            {"error": "This prompt is too long for this model"},
            "api",
            ContextOverflow,
            "too long",
        ),
        (500, {"error": "maximum context length is 1"}, "api", ContextOverflow, "maximum"),
        (400, {"code": "could-not-process-image", "error": "No."}, "api", InvalidRequest, "image"),
        (422, {"detail": "missing field"}, "api", InvalidRequest, "missing field"),
        (
            401,
            {"error": "Invalid or expired credentials"},
            "proxy",
            Unauthorized,
            "login grok",
        ),
        (403, BAD, "api", Unauthorized, "login grok"),
        (403, {"error": "access token could not be validated"}, "api", Unauthorized, "validated"),
        (403, DENIED, "proxy", Forbidden, "Run `gateway login grok` again"),
        (403, NO_PLAN, "proxy", Forbidden, "subscribe at"),
        (403, TIER, "proxy", Forbidden, "plan does not include"),
        (403, {"error": "No."}, "api", Forbidden, "No."),
        (402, {"error": "Pay."}, "api", Forbidden, "without API credit"),
        (402, {"error": "Pay."}, "proxy", QuotaExhausted, "gateway status grok"),
        (403, SPENT, "api", Forbidden, "without API credit"),
        (429, SPENT, "proxy", QuotaExhausted, "credits are used up"),
        (404, {"error": "model does not exist"}, "proxy", ModelNotFound, "models --provider grok"),
        (404, {"error": "No such thing."}, "api", NotFound, "No such"),
        (413, {"error": "Big."}, "api", TooLarge, "Big"),
        (
            426,
            {"error": "Your Grok CLI version (0.1.0) is outdated"},
            "proxy",
            InvalidRequest,
            "client_version",
        ),
        (429, {"error": "Too many."}, "api", RateLimited, "Too many"),
        (429, FREE, "proxy", QuotaExhausted, "within 24 hours"),
        (500, {"error": "Oops.", "request_id": "r"}, "api", UpstreamFailed, "Oops"),
        (
            500,
            {"error": {"type": "overloaded_error", "message": "Full."}},
            "api",
            Overloaded,
            "Full",
        ),
        (503, b"", "api", Overloaded, "503"),
        (504, b"", "api", UpstreamTimeout, "504"),
        (520, b"", "api", UpstreamFailed, "520"),
        (529, b"", "api", Overloaded, "529"),
        (530, b"", "api", Overloaded, "530"),
        (502, b"<html><title>Bad gateway</title>", "api", UpstreamFailed, "'Bad gateway'"),
        (403, b"<html><title>Just a moment...</title>", "api", Forbidden, "the edge of xAI"),
        (429, b"<html>", "api", RateLimited, "a web page"),
        (504, b"<html>", "api", UpstreamTimeout, "a web page"),
    ],
)
def test_what_an_answer_means(
    status: int, body: Any, rail: Rail, kind: type[GatewayError], words: str
) -> None:
    error = error_of(status, body, rail)
    assert type(error) is kind
    assert words in error.message
    assert error.upstream is not None
    assert (error.upstream["status"], error.upstream["rail"]) == (status, rail)


def test_the_free_allowance_is_back_in_a_day() -> None:
    assert error_of(429, FREE).retry_after == 86_400
    assert error_of(429, FREE, headers={"retry-after": "60"}).retry_after == 60


def test_a_limit_is_waited_for_two_minutes_at_most() -> None:
    assert error_of(429, {"error": "x"}, headers={"retry-after": "7"}).retry_after == 7
    assert error_of(429, {"error": "x"}, headers={"retry-after": "900"}).retry_after == 120


@each("status, again", [(500, True), (503, True), (525, False), (526, False)])
def test_certificates_do_not_mend_themselves(status: int, again: bool) -> None:
    assert error_of(status, b"").retryable is again


@pytest.mark.parametrize("status", [500, 503])
def test_xai_may_ask_not_to_be_asked_again(status: int) -> None:
    error = error_of(status, b"", headers={"x-should-retry": "false"})
    assert not error.retryable
    assert error.kind == error_of(status, b"").kind


@each(
    "status, body, kind, again",
    [
        (400, {"error": "Odd."}, InvalidRequest, True),
        (404, {"error": "Gone."}, NotFound, True),
        (409, {"error": "Busy."}, UpstreamFailed, True),
        (429, {"error": "Too many."}, RateLimited, True),
        (504, b"", UpstreamTimeout, True),
        (402, {"error": "Pay."}, QuotaExhausted, True),
        (401, {"error": "No."}, Unauthorized, False),
        (403, {"error": "No."}, Forbidden, False),
        (403, BAD, Unauthorized, False),
        (525, b"", UpstreamFailed, False),
    ],
)
def test_xai_may_ask_to_be_asked_again(
    status: int, body: Any, kind: type[GatewayError], again: bool
) -> None:
    error = error_of(status, body, headers={"x-should-retry": "true"})
    plain = error_of(status, body)
    assert isinstance(error, kind)
    assert error.retryable is again
    assert (error.kind, error.status, str(error)) == (plain.kind, plain.status, str(plain))
    assert (error.code, error.upstream) == (plain.code, plain.upstream)


def test_what_is_asked_again_keeps_its_time_to_wait() -> None:
    headers = {"x-should-retry": "true", "retry-after": "900"}
    assert error_of(429, {"error": "Too many."}, headers=headers).retry_after == 120


def test_ids_help_to_find_the_request_again() -> None:
    error = error_of(500, {"error": "Oops.", "request_id": "r1"}, headers={"cf-ray": "8f-FRA"})
    assert error.upstream == {
        "status": 500,
        "rail": "proxy",
        "cf-ray": "8f-FRA",
        "request_id": "r1",
    }


def test_a_seal_that_xai_cannot_read_has_the_code_that_drops_it() -> None:
    error = error_of(400, {"code": "invalid-argument", "error": "encrypted_content is not valid"})
    assert error.code == "invalid_encrypted_content"


@each(
    "status, body, rail, other",
    [
        (402, {"error": "Pay."}, "api", True),
        (403, SPENT, "api", True),
        (429, SPENT, "api", True),
        (403, DENIED, "api", True),
        (403, {"error": "No."}, "api", True),
        (403, DENIED, "proxy", True),
        (426, {"error": "outdated"}, "proxy", True),
        (426, {"error": "outdated"}, "api", False),
        (429, {"error": "Too many."}, "api", False),
        (429, SPENT, "proxy", False),
        (402, SPENT, "proxy", False),
        (403, {"error": "No."}, "proxy", False),
        (403, BAD, "api", False),
        (403, TIER, "api", False),
        (403, NO_PLAN, "api", False),
        (403, b"<html>Just a moment", "api", False),
        (400, {"error": "Bad."}, "api", False),
        (401, {"error": "No."}, "api", False),
    ],
)
def test_when_the_other_rail_may_serve(status: int, body: Any, rail: Rail, other: bool) -> None:
    data = body if isinstance(body, bytes) else dumps(body)
    assert is_other_rail(status, {}, data, rail) is other


@each(
    "status, words, field",
    [
        (400, "Argument not supported: metadata", "metadata"),
        (400, "Argument not supported on this model: presence_penalty", "presence_penalty"),
        (400, "Model grok-x does not support parameter reasoningEffort.", "reasoningEffort"),
        (400, "Something else", None),
        (500, "Argument not supported: metadata", None),
    ],
)
def test_the_field_that_a_refusal_names(status: int, words: str, field: str | None) -> None:
    assert refused_field(status, {}, dumps({"error": words})) == field
