"""Area E: what errors of an upstream must become. The faults are in `support.mutants.errors`."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from gateway_core import GatewayError, RateLimited, hookimpl
from gateway_core.errors import error_for_status
from gateway_core.formats.openai_errors import error_from_object
from gateway_core.json import loads
from gateway_core.testing.case import Case
from gateway_core.testing.cases.errors import AREA
from gateway_core.testing.transcripts import Expectation, Transcript
from gateway_demo.plugin import DemoProvider
from support.about import each
from support.kit import judged
from support.mutants.base import demo_subject
from support.mutants.keyed import KeyedDemo, keyed_subject


class ReadsLikeOpenAI(DemoProvider):
    """Judges by an OpenAI-shaped body, and leaves the rest to the core."""

    @hookimpl
    def gateway_error(
        self, status: int, headers: Mapping[str, str], body: bytes
    ) -> GatewayError | None:
        try:
            value = loads(body)
        except ValueError:
            return None
        return error_from_object(value, status) if isinstance(value, dict) and value else None


class SaysNothing(DemoProvider):
    """Leaves all errors to the core."""

    @hookimpl
    def gateway_error(
        self, status: int, headers: Mapping[str, str], body: bytes
    ) -> GatewayError | None:
        return None


@each("case", AREA.cases)
def test_a_provider_with_a_login_passes(case: Case) -> None:
    result = judged(case.id, keyed_subject(KeyedDemo))
    assert result.outcome == "passed", result.detail


@pytest.mark.parametrize("case", ["E01", "E02", "E04"])
def test_leaving_all_errors_to_the_core_passes(case: str) -> None:
    assert judged(case, demo_subject(SaysNothing)).outcome == "passed"


@pytest.mark.parametrize("case", ["E01", "E02", "E04"])
def test_judging_by_the_body_alone_passes(case: str) -> None:
    result = judged(case, demo_subject(ReadsLikeOpenAI))
    assert result.outcome == "passed", result.detail


def test_a_waiting_time_that_only_the_header_has_must_not_be_lost() -> None:
    result = judged("E03", demo_subject(ReadsLikeOpenAI))
    assert "a message: retry_after is None instead of 7" in result.detail
    assert judged("E03", demo_subject(SaysNothing)).outcome == "passed"


def test_all_but_the_last_need_nothing_from_the_author() -> None:
    static = [case.id for case in AREA.cases if case.static]
    assert static == ["E01", "E02", "E03", "E04", "E05"]


def test_an_expected_kind_that_is_not_met_is_named_with_the_message() -> None:
    refused = Transcript(
        "quota",
        b'{"error":{"message":"the plan is used up"}}',
        "json",
        status=429,
        expect=Expectation(error="quota_exhausted"),
    )
    result = judged("E07", replace(demo_subject(), transcripts=[refused]))
    assert "quota: it is rate_limited instead of quota_exhausted: the plan" in result.detail


def test_a_kind_that_asks_to_wait_fits_an_overloaded_server() -> None:
    class Patient(DemoProvider):
        @hookimpl
        def gateway_error(
            self, status: int, headers: Mapping[str, str], body: bytes
        ) -> GatewayError | None:
            return RateLimited("later") if status == 503 else error_for_status(status, "no")

    assert judged("E02", demo_subject(Patient)).outcome == "passed"
