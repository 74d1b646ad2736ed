"""What Cursor's failures mean, at the end of a stream and as an HTTP answer."""

from gateway_core import GatewayError
from gateway_core.errors import ErrorKind
from gateway_core.json import dumps
from gateway_cursor.causes import CAUSES
from gateway_cursor.connect import EndOfStream, read_end
from gateway_cursor.errors import error_of, http_error, is_bare_exhaustion, is_lost_blob
from support.about import about
from support.cursor_samples import end_of, sample


def end(
    number: int | None = None, code: str = "unknown", *, retryable: bool | None = None, **info: str
) -> EndOfStream:
    """The end of a stream with a cause."""
    name = None if number is None else CAUSES.get(number)
    return EndOfStream(code, "Error", number, name, "Title", "Detail.", retryable, info)


def ended(name: str) -> GatewayError:
    """The error in a recorded end of a stream."""
    told = read_end(end_of(name))
    assert told is not None
    return error_of(told)


# Recorded


def test_the_end_of_a_stream_is_an_error_of_its_kind() -> None:
    for name, kind, retryable, words in [
        ("s91", "unauthorized", False, "gateway login cursor"),
        ("s92", "quota_exhausted", False, "You have hit your usage limit."),
        ("s93", "rate_limited", False, "resource_exhausted"),
        ("s94", "upstream_failed", False, "Could not reach the model provider."),
        ("s95", "invalid_request", False, "invalid_argument"),
        ("s96", "upstream_failed", False, "lost a part of the conversation"),
        ("s97", "model_not_found", False, "gateway models"),
        ("s9a", "invalid_request", False, "The model provider returned an error."),
        ("s9b", "forbidden", False, "your Cursor plan does not include this model"),
        ("s9c", "context_overflow", False, "prompt is too long: "),
        ("s9d", "overloaded", True, "Timed out: Please try again."),
    ]:
        with about(name):
            error = ended(name)
            assert (error.kind, error.retryable) == (kind, retryable)
            assert words in error.message


def test_an_http_answer_is_an_error_of_its_kind() -> None:
    for name, kind, words in [
        ("unary-unauthenticated", "unauthorized", "Please log in again; run `gateway login"),
        ("run-unauthenticated-http", "unauthorized", "gateway login cursor"),
        ("exchange-rejects-jwt", "unauthorized", "Invalid User API Key"),
        ("web-unauthenticated", "unauthorized", "not_authenticated"),
        ("run-http1", "upstream_failed", "HTTP/2"),
        ("unary-wrong-content-type", "invalid_request", "415"),
    ]:
        with about(name):
            answer = sample(name)["response"]
            content = (
                answer["body"]
                if isinstance(answer["body"], str)
                else dumps(answer["body"]).decode()
            )
            error = http_error(answer["status"], answer["headers"], content.encode())
            assert error.kind == kind
            assert words in error.message
            assert error.upstream is not None
            assert error.upstream["status"] == answer["status"]
            assert not error.retryable


# By cause

KINDS: dict[ErrorKind, tuple[int, ...]] = {
    "unauthorized": (1, 2, 3, 6, 11, 12, 38, 42),
    "quota_exhausted": (9, 10, 44, 45, 51),
    "rate_limited": (7, 8, 14, 22, 28, 34, 35, 41, 50, 63),
    "context_overflow": (20, 43),
    "invalid_request": (31, 33, 36, 60),
    "model_not_found": (5, 39, 58, 61),
    "forbidden": (4, 18, 23, 53, 54, 64),
    "upstream_failed": (0, 13, 21, 29, 30, 40, 52, 57, 62),
    "overloaded": (25, 55, 56, 59),
}


def test_every_cause_has_its_kind() -> None:
    found = {number: error_of(end(number)).kind for number in CAUSES}
    assert found == {number: kind for kind, numbers in KINDS.items() for number in numbers}


def test_the_cause_comes_before_the_code() -> None:
    assert error_of(end(43, "resource_exhausted")).kind == "context_overflow"
    assert error_of(end(5, "unauthenticated")).kind == "model_not_found"


def test_without_a_cause_the_code_counts() -> None:
    for code, kind, retryable in [
        ("unauthenticated", "unauthorized", False),
        ("permission_denied", "forbidden", False),
        ("not_found", "model_not_found", False),
        ("resource_exhausted", "rate_limited", False),
        ("invalid_argument", "invalid_request", False),
        ("failed_precondition", "invalid_request", False),
        ("unavailable", "overloaded", True),
        ("deadline_exceeded", "overloaded", True),
        ("unimplemented", "upstream_failed", False),
        ("canceled", "upstream_failed", False),
        ("internal", "upstream_failed", True),
        ("unknown", "upstream_failed", True),
        ("something_new", "upstream_failed", True),
    ]:
        with about(code):
            error = error_of(EndOfStream(code, "Error"))
            assert (error.kind, error.retryable) == (kind, retryable)


def test_what_is_not_to_be_tried_again_is_not() -> None:
    for code in ["unavailable", "deadline_exceeded", "internal", "unknown"]:
        with about(code):
            assert error_of(end(code=code, retryable=True)).retryable
            assert not error_of(end(code=code, retryable=False)).retryable


def test_a_provider_behind_cursor_fails_in_its_own_ways() -> None:
    for status, retryable, kind in [
        ("400", True, "invalid_request"),
        ("429", True, "overloaded"),
        ("503", False, "overloaded"),
        ("500", True, "upstream_failed"),
        ("", None, "upstream_failed"),
    ]:
        with about(status):
            error = error_of(
                end(57, "resource_exhausted", retryable=retryable, providerStatusCode=status)
            )
            assert error.kind == kind
            assert error.retryable is (retryable is True and kind != "invalid_request")


def test_a_model_that_the_plan_lacks_is_named_and_not_replaced() -> None:
    error = error_of(end(51, autoSwitchToModel="default"), model="claude-opus-5")
    assert error.kind == "forbidden"
    assert "claude-opus-5" in error.message


def test_who_is_barred_is_told_so() -> None:
    for words in ["You have an unpaid invoice.", "Too many computers used."]:
        with about(words):
            told = EndOfStream("resource_exhausted", "Error", 29, "CUSTOM_MESSAGE", "", words)
            assert error_of(told).kind == "forbidden"


def test_an_exhaustion_without_a_reason_may_be_a_prompt_that_is_too_long() -> None:
    bare = EndOfStream("resource_exhausted", "Error")
    assert is_bare_exhaustion(bare)
    assert error_of(bare, estimate=99_000, window=200_000).kind == "rate_limited"
    error = error_of(bare, estimate=150_000, window=200_000)
    assert error.message == "prompt is too long: 200001 tokens > 200000 maximum"


def test_a_blob_that_did_not_arrive_is_recognised() -> None:
    told = read_end(end_of("s96"))
    assert told is not None
    assert is_lost_blob(told)
    assert not is_lost_blob(EndOfStream("internal", "Error"))


def test_an_outdated_client_is_told_what_to_set() -> None:
    assert "providers.cursor.client_version" in error_of(end(30)).message


# What people get to read


def test_links_and_buttons_are_not_shown() -> None:
    told = EndOfStream(
        "resource_exhausted",
        "Error",
        29,
        "CUSTOM_MESSAGE",
        "Upgrade",
        "See [our plans](https://cursor.com/buy?token=fake-token) or https://cursor.com/x\n\x07now",
    )
    assert error_of(told).message == "Upgrade: See our plans or now."


def test_the_message_counts_only_where_nothing_better_is_told() -> None:
    assert "quota of cheese" in error_of(EndOfStream("unknown", "quota of cheese")).message
    assert "unknown" in error_of(EndOfStream("unknown", "")).message


def test_facts_for_the_log_name_code_and_cause() -> None:
    error = ended("s9a")
    assert error.code == "PROVIDER_ERROR"
    assert error.upstream == {
        "code": "resource_exhausted",
        "cause": "PROVIDER_ERROR",
        "providerStatusCode": "400",
    }


def test_facts_for_the_log_may_be_told_as_numbers() -> None:
    facts = {"providerStatusCode": 503, "providerErrorCode": "overloaded_error"}
    details = {"additionalInfo": facts, "isRetryable": True}
    debug = {"error": "ERROR_PROVIDER_ERROR", "details": details}
    detail = {"type": "aiserver.v1.ErrorDetails", "debug": debug}
    told = read_end(dumps({"error": {"code": "resource_exhausted", "details": [detail]}}))
    assert told is not None
    error = error_of(told)
    assert error.kind == "overloaded"
    assert error.upstream == {
        "code": "resource_exhausted",
        "cause": "PROVIDER_ERROR",
        "providerStatusCode": "503",
        "providerErrorCode": "overloaded_error",
    }


# HTTP


def test_without_a_connect_error_the_status_counts() -> None:
    for status, body, kind, retryable in [
        (502, b"<html>Bad gateway", "overloaded", True),
        (503, b"", "overloaded", True),
        (504, b"", "overloaded", True),
        (500, b"", "upstream_failed", True),
        (429, b"{}", "rate_limited", False),
        (404, b"", "not_found", False),
        (403, b"<html>Blocked", "forbidden", False),
        (401, b"not JSON", "unauthorized", False),
        (501, b"[]", "upstream_failed", False),
        (200, b'{"code": 7}', "upstream_failed", True),
    ]:
        with about(status):
            error = http_error(status, {}, body)
            assert (error.kind, error.retryable) == (kind, retryable)
            assert "html" not in error.message


def test_how_long_to_wait_is_passed_on() -> None:
    assert http_error(429, {"retry-after": "7"}, b"").retry_after == 7.0
