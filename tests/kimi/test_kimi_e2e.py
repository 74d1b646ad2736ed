"""The real SDKs and plain clients through a gateway with the Kimi provider.

The simulator refuses what Kimi would.
"""

import pytest

from simulators.kimi.installed import KimiServed
from support.conversations import Spent, Turn
from support.dialects import CHAT
from support.pictures import PNG_BASE64
from support.provider_faults import Faults, ProviderRenewals, Told, Wait
from support.provider_sdks import FILTERED, UP_TO_HERE, ProviderRepairs, Sdks


class TestFaults(ProviderRenewals):
    faults = Faults(
        refused={
            "http: 403 access_terminated_error You've reached your weekly usage limit": Told(
                429, "gateway status"
            ),
            "http: 403 access_terminated_error only available for Coding Agents": Told(
                403, "user_agent"
            ),
            "http: 429 exceeded_current_quota_error check your account balance": Told(
                429, "gateway status"
            ),
            "http: 402 membership_error Your membership has expired": Told(403, "subscription"),
            "http: 404 resource_not_found_error Not found the model": Told(404, "gateway models"),
        },
        overflows=("http: 400 invalid_request_error exceeded model token limit: 262144",),
        limits={
            "http: 429 rate_limit_reached_error retry=600 max RPM: 20": Wait(600, 600),
            "http: 429 exceeded_current_quota_error check your account balance": Wait(again=False),
            "fail: rate_limit_reached_error": Wait(),
        },
        passing=(
            "http: 503 engine_overloaded_error",
            "page: 502",
            "fail: engine_overloaded_error",
        ),
        breaks=("cut:", "reset:", "fail: engine_overloaded_error"),
        early_breaks=("cut:", "reset:"),
        wordless={"usage: prompt_tokens=1 completion_tokens=0": (502, 3)},
    )


class TestSdks(ProviderRepairs[KimiServed]):
    sdks = Sdks(
        shapes=(
            "split usage-in-choice",
            "usage-on-top interleave",
            "no-ids stop-with-calls no-done",
            "no-index comments",
            "no-usage",
            "interleave split no-done comments",
        ),
        usages={
            f"usage: prompt_tokens=100 completion_tokens=20\nshape: {shape}": Spent(100, 0, 20)
            for shape in ("comments", "usage-in-choice", "usage-on-top")
        },
        without_usage=("shape: no-usage",),
        stops={"stop: length": UP_TO_HERE, "stop: content_filter": FILTERED},
        huge=("text: " + " ".join(f"word{number}" for number in range(100_000)), 100_000),
        names=(
            ("kimi-k3", None, "k3"),
            ("kimi/k3", "high", "k3"),
            ("k2.6", None, "kimi-for-coding"),
        ),
        listed=frozenset({"k3", "kimi-for-coding"}),
    )

    def chosen(self, served: KimiServed) -> object:
        return served.requests[-1].body["model"]

    def check_turns(self, served: KimiServed, last: Turn) -> None:
        """Each begins with the one before, and all thoughts go back."""
        requests = served.simulator.requests
        assert last.spent is not None and last.spent.cached == 600
        assert [request.prefix_kept for request in requests] == [None, *[True] * 5]
        final = requests[-1]
        thoughts = [message["reasoning_content"] for message in final.of_role("assistant")]
        assert thoughts == [f"Thinking {n}.\n\nWith a second part." for n in range(1, 6)]
        assert len(final.of_role("tool")) == 10


@pytest.mark.parametrize(
    ("model", "effort", "thinking"),
    [
        ("k3", "medium", {"type": "enabled", "effort": "high", "keep": "all"}),
        ("kimi-k3", "xhigh", {"type": "enabled", "effort": "max", "keep": "all"}),
        ("k3", "none", {"type": "enabled", "effort": "low", "keep": "all"}),
        ("k2.6", "high", {"type": "enabled", "keep": "all"}),
        ("kimi-for-coding", "none", {"type": "disabled"}),
    ],
)
def test_efforts_in_the_words_of_the_model(
    served: KimiServed, model: str, effort: str, thinking: object
) -> None:
    served.play("think: Hm.\ntext: Yes.")
    answer = served.ask(CHAT, model=model, stream=False, reasoning_effort=effort).json()
    assert served.simulator.requests[-1].body["thinking"] == thinking
    shown = answer["choices"][0]["message"].get("reasoning_content")
    assert shown == (None if effort == "none" else "Hm.")


def test_pictures_and_videos_go_in_and_pictures_come_back_from_tools(served: KimiServed) -> None:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG_BASE64}"}}
    video = {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}}
    call = {"id": "c" * 80, "type": "function", "function": {"name": "see", "arguments": "{}"}}
    served.play("text: A dot.")
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "See"}, picture, video]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c" * 80, "content": [picture]},
    ]
    assert served.ask(CHAT, stream=False, messages=messages).status_code == 200
    user, assistant, tool = served.simulator.requests[-1].messages
    assert user["content"][1:] == [picture, video]
    assert assistant["reasoning_content"] == ""
    assert tool["content"] == [picture]
