"""The error tree: total, comparable, and true to the status table."""

import pytest

from gateway_core.errors import (
    ERROR_CLASSES,
    ERROR_KINDS,
    Forbidden,
    GatewayError,
    InvalidRequest,
    NotFound,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    TooLarge,
    Unauthorized,
    UpstreamFailed,
    UpstreamTimeout,
    error_for_status,
)
from support.about import each


def test_every_kind_has_one_class() -> None:
    assert set(ERROR_CLASSES) == set(ERROR_KINDS)
    assert len(set(ERROR_CLASSES.values())) == len(ERROR_KINDS)


def test_every_class_knows_its_kind() -> None:
    assert all(cls.kind == kind for kind, cls in ERROR_CLASSES.items())


@each("kind", ERROR_KINDS)
def test_every_status_is_an_error(kind: str) -> None:
    status = {kind: cls.status for kind, cls in ERROR_CLASSES.items()}
    assert 400 <= status[kind] < 600  # type: ignore[index]  # kind is one of them


def test_only_failures_of_the_upstream_are_tried_again() -> None:
    retried = {kind for kind, cls in ERROR_CLASSES.items() if cls.retryable}
    assert retried == {"upstream_failed", "upstream_protocol", "overloaded"}


@each(
    "status, expected",
    [
        (302, UpstreamFailed),
        (400, InvalidRequest),
        (401, Unauthorized),
        (402, QuotaExhausted),
        (403, Forbidden),
        (404, NotFound),
        (408, UpstreamTimeout),
        (413, TooLarge),
        (418, InvalidRequest),
        (429, RateLimited),
        (500, UpstreamFailed),
        (502, UpstreamFailed),
        (503, Overloaded),
        (504, UpstreamTimeout),
        (529, Overloaded),
    ],
)
def test_a_status_alone_means(status: int, expected: type[GatewayError]) -> None:
    error = error_for_status(status, "words", retry_after=3, code="word")
    assert type(error) is expected
    assert (error.message, error.retry_after, error.code) == ("words", 3, "word")
    assert error.upstream == {"status": status}


def test_errors_compare_by_kind_and_content() -> None:
    assert Overloaded("full", retry_after=1) == Overloaded("full", retry_after=1)
    assert Overloaded("full") != Overloaded("empty")
    assert Overloaded("full") != UpstreamFailed("full")
    assert Overloaded("full") != "full"


def test_repr_shows_what_is_known() -> None:
    error = InvalidRequest("messages: field required", param="messages")
    assert repr(error) == "InvalidRequest(message='messages: field required', param='messages')"


def test_an_error_is_an_exception_with_its_message() -> None:
    with pytest.raises(GatewayError, match="full"):
        raise Overloaded("full")


@each(
    "given, kept",
    [
        (0, 0),
        (1.5, 1.5),
        (864_000, 864_000),
        (864_001, 864_000),
        (10**400, 864_000),
        (-1, None),
        (float("inf"), None),
        (float("nan"), None),
        (None, None),
    ],
)
def test_a_delay_is_one_that_a_client_can_wait(given: float | None, kept: float | None) -> None:
    assert RateLimited("slow", retry_after=given).retry_after == kept
