"""The real SDKs through a gateway with the Kiro provider: whole conversations, nothing refused."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from gateway_core.json import JsonObject, dumps_text
from simulators.kiro.installed import KiroServed
from simulators.kiro.state import Account
from support.about import about
from support.conversations import Spent, Turn
from support.provider_sdks import FILTERED, TOO_LONG, UP_TO_HERE, ProviderSeals, Sdks
from support.served import KINDS

NATIVE = "claude-opus-4.8"
BY_TAGS = "claude-sonnet-4.5"
SEALED = "gpt-5.6-sol"


class TestSdks(ProviderSeals[KiroServed]):
    sdks = Sdks(
        shapes=(
            "split",
            "wrapped",
            "unknown",
            "no-about",
            "about-early",
            "object-start",
            "snapshots",
            "single",
            "id-once",
            "no-stop",
            "interleave",
            "interleave split unknown wrapped",
        ),
        usages={"usage: input=40 read=60 output=20": Spent(40, 60, 20)},
        stops={
            "stop: MAX_TOKENS": UP_TO_HERE,
            "stop: CONTENT_FILTERED": FILTERED,
            "stop: MODEL_CONTEXT_WINDOW_EXCEEDED": TOO_LONG,
        },
        huge=("burst: 100000", 100_000),  # one event of a megabyte
        models=(NATIVE, BY_TAGS),
        names=(
            ("claude-opus-4-8", "low", (NATIVE, "low")),
            ("claude-opus-4.8-max", "low", (NATIVE, "max")),
            ("kiro/claude-opus-4-8[1m]", "low", (NATIVE, "low")),
            ("claude-haiku-4-5-20251001", "low", ("claude-haiku-4.5", None)),
            ("opus", "low", (NATIVE, "low")),
            ("auto", "low", ("auto", None)),
        ),
        listed=frozenset({"auto", NATIVE, SEALED}),
        unlisted=frozenset({"glm-5"}),
    )
    sealing = (NATIVE, SEALED)

    def chosen(self, served: KiroServed) -> object:
        sent = served.simulator.requests[-1]
        fields = sent.body.get("additionalModelRequestFields", {})
        return sent.messages[-1]["modelId"], fields.get("output_config", {}).get("effort")

    def check_turns(self, served: KiroServed, last: Turn) -> None:
        """What was said stays as it was."""
        requests = served.simulator.requests
        assert len(requests) == 6
        assert len({one.body["conversationState"]["conversationId"] for one in requests}) == 1
        said = [[dumps_text(one) for one in without_tools(sent.messages)] for sent in requests]
        for earlier, later in pairwise(said):
            assert later[: len(earlier)] == earlier

    def reasoning(self, served: KiroServed) -> Sequence[object]:
        """Signed texts, and what nobody can read."""
        messages = served.simulator.requests[-1].messages
        found = [one["reasoningContent"] for one in messages if "reasoningContent" in one]
        assert all(one.keys() in ({"reasoningText"}, {"redactedContent"}) for one in found)
        return [one for one in found if "redactedContent" in one or "signature" in str(one)]

    def forget_seals(self, served: KiroServed) -> None:
        served.simulator.state.forget_signatures()

    def another_account(self, served: KiroServed) -> Account:
        return served.simulator.state.add_account(Account("d-0000000000.eve"))

    def test_models_are_those_of_the_account(self, served: KiroServed) -> None:
        """The list has many pages."""
        page, served.simulator.state.page = served.simulator.state.page, 3
        super().test_models_are_those_of_the_account(served)
        served.simulator.state.page = page


def without_tools(messages: list[JsonObject]) -> list[JsonObject]:
    """Messages as they stand in a history, where tools have no place."""
    kept = []
    for message in messages:
        context = message.get("userInputMessageContext", {})
        context = {key: value for key, value in context.items() if key != "tools"}
        bare = {key: value for key, value in message.items() if key != "userInputMessageContext"}
        kept.append(bare | ({"userInputMessageContext": context} if context else {}))
    return kept


def test_usage_from_the_share_of_the_window(served: KiroServed) -> None:
    """One percent of a million tokens, less those of the answer."""
    for kind in KINDS:
        for stream in (True, False):
            with about(kind, stream):
                served.play("text: Hi\ncontext: 1")
                spent = served.talk(kind, stream, NATIVE).say("Hello").spent
                assert spent is not None
                assert spent.input + spent.output == 10_000
                assert 0 < spent.output < 10


def test_an_answer_that_is_all_thought_is_not_empty(served: KiroServed) -> None:
    for kind, stop in zip(KINDS, UP_TO_HERE, strict=True):
        with about(kind):
            served.play("think: For ever.")
            turn = served.talk(kind, True, BY_TAGS).say("Hello")
            assert turn.thoughts == "For ever."
            assert (turn.text.strip(), turn.stop) == ("", stop)


def test_failed_results_are_told_as_failed(served: KiroServed) -> None:
    served.play("text: Too bad.")
    messages: Any = [
        {"role": "user", "content": "Open the window"},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "toolu_1", "name": "open", "input": {}}],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "is_error": True,
                    "content": "no such window",
                },
                {"type": "text", "text": "Go on all the same"},
            ],
        },
    ]
    with served.gateway.anthropic() as client:
        client.messages.create(model=BY_TAGS, max_tokens=100, messages=messages)
    sent = served.simulator.requests[-1]
    assert sent.results == [
        {"toolUseId": "toolu_1", "content": [{"text": "no such window"}], "status": "error"}
    ]
    assert sent.messages[-1]["content"] == "Go on all the same"
    assert sent.tools == ["open"]  # nothing was offered, but the service insists
