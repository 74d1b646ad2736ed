"""What goes wrong at the backend, as the clients of a gateway with the Codex provider see it."""

from itertools import product

from gateway_core.json import loads_object
from simulators.codex.installed import CodexServed
from support.about import about
from support.dialects import ANTHROPIC, DIALECTS, RESPONSES
from support.provider_faults import Faults, ProviderRenewals, Told, Wait, assert_answered

FORMS = ("error", "flat", "failed", "both")
FAILURES = {
    "context_length_exceeded": 400,
    "usage_limit_reached": 429,
    "insufficient_quota": 429,
    "invalid_prompt": 400,
    "cyber_policy": 400,
    "model_not_found": 404,
}
TRANSIENT = ("server_error", "server_is_overloaded", "slow_down", "never_heard_of")
ENDS = ("cut:", "drop:", "reset:")


class TestFaults(ProviderRenewals):
    faults = Faults(
        refused={
            "http: 429 usage_limit_reached": Told(429, "usage limit"),
            "http: 429 usage_not_included": Told(403, "Plus"),
            "http: 403 html": Told(403, "challenge"),
            "http: 403 account_deactivated": Told(403, "account_deactivated"),
            "http: 400 detail": Told(400, "not supported when using Codex"),
            "http: 400 invalid_image": Told(400, "valid image"),
            "http: 429 rate_limit_exceeded retry=600": Told(429, "try again in 600"),
            "limits: reached\ncut:": Told(429),
        },
        refused_by_turns={
            f"fail: {code} form={form}": Told(status)
            for (code, status), form in product(FAILURES.items(), FORMS)
        },
        overflows=("fail: context_length_exceeded", "http: 400 context_length_exceeded"),
        limits={
            "http: 429 usage_limit_reached": Wait(8900, 9000, again=False),
            "http: 429 rate_limit_exceeded retry=1.2": Wait(2, 2),
            "fail: rate_limit_exceeded": Wait(2, 2),
        },
        passing=(
            "http: 503 slow_down",
            "http: 503 server_is_overloaded",
            "http: 500 empty",
            "http: 502 html",
            "http: 429 at_capacity",
            *(f"fail: {code} form={form}" for code, form in product(TRANSIENT, FORMS)),
        ),
        breaks=(*(f"fail: server_error form={form}" for form in FORMS), *ENDS),
        early_breaks=tuple(f"keepalive: 1\n{end}" for end in ENDS),
        wordless={"usage: input=9 output=0": (502, 3)},
        cut_call='shape: no-done\ntool: lookup {"topic": "all of it"}\ncut:',
    )


def test_an_overflow_that_the_backend_finds_itself(served: CodexServed) -> None:
    response = served.ask(ANTHROPIC, "word " * 300_000)
    assert response.status_code == 400
    assert "prompt is too long" in ANTHROPIC.error(response.content)["message"]


def test_keepalives_and_limits_do_not_show(served: CodexServed) -> None:
    for dialect in DIALECTS:
        with about(dialect):
            served.play("shape: unknown\nlimits: now\nkeepalive: 3\ntext: Here at last.")
            response = served.ask(dialect)
            assert_answered(response, dialect)
            assert b"keepalive" not in response.content
            assert b"codex." not in response.content


def test_credits_make_reached_limits_harmless(served: CodexServed) -> None:
    for dialect in DIALECTS:
        with about(dialect):
            served.play("limits: reached credits\ntext: Here at last.")
            assert_answered(served.ask(dialect), dialect)


def test_the_status_tells_of_the_limits(served: CodexServed) -> None:
    served.ask(RESPONSES)
    status = str(loads_object(served.http.get("/v1/status").content))
    assert served.simulator.account.email in status
    assert "73" in status  # percent left
