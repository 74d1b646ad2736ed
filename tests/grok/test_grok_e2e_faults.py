"""What goes wrong at xAI, as the clients of a gateway with the Grok provider see it."""

from itertools import product

import pytest

from simulators.grok.installed import GrokServed
from support.about import about
from support.dialects import DIALECTS, RESPONSES
from support.provider_faults import Faults, ProviderRenewals, Told, Wait, assert_answered

FORMS = ("error", "bare", "flat", "failed")
FAILURES = {"context_length_exceeded": 400, "free-usage": 429, "invalid_image": 400}
TRANSIENT = ("server_error", "overloaded_error", "service_unavailable_error")
ENDS = ("cut:", "drop:", "reset:", "garbage:")


class TestFaults(ProviderRenewals):
    faults = Faults(
        refused={
            "http: 400 argument": Told(400, "Argument not supported"),
            "http: 500 invalid_image": Told(400, "image"),
            "http: 403 no-plan": Told(403, "subscription"),
            "http: 404 no-model": Told(404, "gateway models --provider grok"),
            "http: 422 odd shape=detail": Told(400, "odd"),
            "http: 429 free-usage": Told(429, "24 hours"),
            "http: 429 spending-limit shape=marker": Told(429, "spending limit"),
            "http: 429 rate-limit retry=600": Told(429, "slow down"),
            "http: 503 overloaded_error again=false": Told(529, "overloaded"),
            "http: 403 html shape=html": Told(403, "edge"),
        },
        refused_by_turns={
            f"fail: {code} form={form}": Told(status)
            for (code, status), form in product(FAILURES.items(), FORMS)
        },
        overflows=(
            "http: 400 context_length_exceeded",
            "http: 400 context_length_exceeded shape=nested",
            "json: context_length_exceeded",
            *(f"fail: context_length_exceeded form={form}" for form in FORMS),
        ),
        limits={
            "http: 429 free-usage": Wait(86_400, 86_400, again=False),
            "http: 429 rate-limit retry=2": Wait(2, 2),
        },
        passing=(
            "http: 503 overloaded_error shape=nested",
            "http: 503 service_unavailable_error",
            "http: 500 server_error shape=traced",
            "http: 502 html shape=html",
            "http: 520 html shape=html",
            "http: 500 server_error shape=empty",
            "http: 429 rate-limit again=true",
            *(f"fail: {code} form={form}" for code, form in product(TRANSIENT, FORMS)),
        ),
        breaks=(*(f"fail: server_error form={form}" for form in FORMS), *ENDS),
        early_breaks=tuple(f"keepalive: 1\n{end}" for end in ENDS),
        wordless={"usage: input=9 output=0": (502, 3)},
    )


def test_a_refused_token_is_known_by_its_slug_too(served: GrokServed) -> None:
    """A 403 with the slug for bad credentials means what a 401 means."""
    for slug, status in ((False, 401), (True, 403)):
        for dialect in DIALECTS:
            with about(status, dialect):
                served.play("text: Here at last.")
                served.simulator.backend.bad_credentials = slug
                before = served.refreshes
                served.end_tokens()
                assert_answered(served.ask(dialect), dialect)
                assert served.refreshes == before + 1
                assert [request.status for request in served.requests] == [status, 200]


def test_keepalives_do_not_show(served: GrokServed) -> None:
    served.play("wait: 100ms\nkeepalive: 2\nwait: 50ms\ntext: Here at last.")
    response = served.ask(RESPONSES)
    assert_answered(response, RESPONSES)
    assert b"keepalive" not in response.content


def test_a_refresh_whose_answer_is_lost_is_repeated_in_its_grace(
    served: GrokServed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.simulator.state, "grace", 60.0)
    served.play("text: Here at last.")
    served.end_tokens()
    served.simulator.login.lost_answers = 1
    before = served.refreshes
    assert_answered(served.ask(RESPONSES), RESPONSES)
    assert served.refreshes == before + 2
