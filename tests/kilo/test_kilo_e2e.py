"""The real SDKs and plain clients through a gateway with the Kilo provider.

The simulator refuses what Kilo would, or a vendor behind it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulators.kilo.installed import KiloServed, kilo_gateway
from support.about import about
from support.conversations import Spent, Turn
from support.dialects import ANTHROPIC, CHAT, DIALECTS
from support.provider_faults import Faults, ProviderFaults, Told, Wait
from support.provider_sdks import FILTERED, UP_TO_HERE, ProviderRepairs, Sdks
from support.served import KINDS, results_for

PAID = "kilo/anthropic/claude-opus-5"
FREE = "kilo-auto/free"


class TestFaults(ProviderFaults):
    faults = Faults(
        refused={
            "http: 400 unsupported_field providerOptions": Told(400, "providerOptions"),
            "http: 403 feature_exclusive_model Not here": Told(403, "Not here"),
            "http: 404 discontinued_free_model Gone": Told(404, "kilo-auto/free"),
            "http: 404 model_not_allowed Not allowed": Told(404, "organization"),
            "http: 429 rate_limit_exceeded Free model limit reached": Told(429, "limit reached"),
        },
        overflows=("http: 400 bad_request context length exceeded",),
        limits={"http: 429 rate_limit_exceeded retry=9 Free model limit reached": Wait(9, 9)},
        passing=(
            "http: 503 temporarily_unavailable",
            "page: 502",
            "fail: 502",
            "shape: comments\nhttp: 503 temporarily_unavailable",
        ),
        breaks=("cut:", "reset:", "fail: server_error Provider disconnected"),
        early_breaks=("shape: comments\ncut:", "shape: comments\nreset:"),
        wordless={"usage: prompt_tokens=1 completion_tokens=0": (502, 3)},
    )


class TestSdks(ProviderRepairs[KiloServed]):
    sdks = Sdks(
        shapes=(
            "comments split",
            "no-index stop-with-calls",
            "usage-in-choice comments",
            "no-done",
            "signed interleave",
            "signed comments split no-done",
        ),
        usages={
            f"usage: prompt_tokens=100 completion_tokens=20\nshape: {shape}": Spent(100, 0, 20)
            for shape in ("comments", "usage-in-choice", "usage-on-top")
        },
        without_usage=("shape: no-usage",),
        stops={"stop: length": UP_TO_HERE, "stop: content_filter": FILTERED},
        huge=("text: " + " ".join(f"word{number}" for number in range(100_000)), 100_000),
        models=(PAID, FREE),
        names=(("kilo", None, FREE), (PAID, "high", "anthropic/claude-opus-5")),
        listed=frozenset({FREE, "minimax/minimax-m2.5:free", "anthropic/claude-opus-5"}),
        unlisted=frozenset({"vendor/painter"}),
    )

    def chosen(self, served: KiloServed) -> object:
        return served.requests[-1].body["model"]

    def check_turns(self, served: KiloServed, last: Turn) -> None:
        """Each begins with the one before, in one task of Kilo's."""
        requests = served.simulator.requests
        assert last.spent is not None and last.spent.cached == 600
        assert [request.prefix_kept for request in requests] == [None, *[True] * 5]
        assert len({request.headers["x-kilocode-taskid"] for request in requests}) == 1
        assert len(requests[-1].of_role("tool")) == 10


def test_signed_reasoning_goes_back_unchanged(served: KiloServed) -> None:
    """The vendor's own record of it, in each dialect."""
    for kind in KINDS:
        for shape in ("no-done", TestSdks.sdks.shapes[-1]):
            with about(kind, shape):
                served.play(f"shape: signed {shape}\nthink: Which?\ntool: clock\n---\ntext: Done.")
                talk = served.talk(kind, True, PAID)
                assert talk.give(results_for(talk.say("Look it up"))).text == "Done."
                (assistant,) = served.simulator.requests[-1].of_role("assistant")
                (detail,) = assistant["reasoning_details"]
                assert detail["text"] == "Which?"
                assert detail["signature"].startswith("signed-")


@pytest.fixture
def anonymous(tmp_path: Path) -> Iterator[KiloServed]:
    """A gateway in which nobody is logged in."""
    with (
        KiloServed.simulated() as simulator,
        kilo_gateway(simulator, tmp_path / "home", logged_in=False) as gateway,
        gateway.http() as http,
    ):
        served = KiloServed(simulator, gateway, http)
        with served.fresh():
            yield served


def error_of(response: httpx.Response) -> str:
    return str(response.json()["error"]["message"])


def test_free_models_serve_without_a_login(anonymous: KiloServed) -> None:
    listed = [model["id"] for model in anonymous.http.get("/v1/models").json()["data"]]
    assert "kilo/kilo-auto/free" in listed or "kilo-auto/free" in listed
    assert not any("claude" in id for id in listed)
    for dialect in DIALECTS:
        with about(dialect):
            anonymous.play("text: Hello")
            assert anonymous.ask(dialect, model="kilo").status_code == 200
            (asked,) = anonymous.simulator.requests
            assert asked.body["model"] == "kilo-auto/free"
            assert "authorization" not in asked.headers


def test_a_paid_model_needs_a_login(anonymous: KiloServed) -> None:
    for dialect in DIALECTS:
        with about(dialect):
            anonymous.forget()
            response = anonymous.ask(dialect, model=PAID)
            # Claude Code would log itself out at a 401.
            assert response.status_code == (403 if dialect is ANTHROPIC else 401)
            assert "gateway login kilo" in error_of(response)
            assert len(anonymous.requests) == 1


def test_claude_names_never_go_to_free_models_by_themselves(anonymous: KiloServed) -> None:
    assert anonymous.ask(ANTHROPIC, model="claude-haiku-4-5").status_code == 404
    assert anonymous.simulator.requests == []


def test_the_allowance_without_a_login_ends(anonymous: KiloServed) -> None:
    anonymous.simulator.allowance = 0
    response = anonymous.ask(CHAT)
    assert response.status_code == 429
    assert response.headers["retry-after"] == "30"


def test_an_empty_balance_says_where_credits_are(
    served: KiloServed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.simulator, "balance", 0.0)
    for dialect in DIALECTS:
        response = served.ask(dialect, model=PAID)
        assert response.status_code == 429
        assert "https://app.kilo.ai/credits" in error_of(response)


def test_what_a_model_does_not_know_is_left_out(served: KiloServed) -> None:
    served.play("text: Yes.")
    model = "vendor/no-tools:free"
    more: Any = {"temperature": 0.5, "reasoning_effort": "high"}
    answer = served.ask(CHAT, model=model, stream=False, max_completion_tokens=3, **more)
    assert answer.status_code == 200
    body = served.simulator.requests[-1].body
    assert body.keys() == {"model", "messages", "stream", "stream_options", "max_tokens"}
    assert body["max_tokens"] == 16
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    assert "cannot call tools" in error_of(served.ask(CHAT, model=model, tools=[tool]))
