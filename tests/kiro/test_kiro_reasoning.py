"""How models are asked to think, and how thinking between tags is read."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_core import JsonObject, Message, Request, Text
from gateway_core.request import ReasoningSpec, Sampling
from gateway_kiro.settings import KiroSettings
from gateway_kiro.tags import TagSplitter
from support.about import each
from support.kiro_asking import asked, messages_of, translated

OPUS = "claude-opus-4.8"


def thinking(spec: ReasoningSpec, model: str = OPUS, **more: Any) -> JsonObject | None:
    """The fields that are sent for a wish."""
    request = Request("m", [Message("user", [Text("Hi")])], reasoning=spec)
    fields: JsonObject | None = asked(request, model, **more).get("additionalModelRequestFields")
    return fields


def prompt(spec: ReasoningSpec, model: str = "claude-sonnet-4.5", **more: Any) -> str:
    request = Request("m", [Message("user", [Text("Hi")])], reasoning=spec)
    content: str = messages_of(asked(request, model, **more))[0]["content"]
    return content


def notices(spec: ReasoningSpec, model: str, **more: Any) -> list[str]:
    request = Request("m", [Message("user", [Text("Hi")])], reasoning=spec)
    return [notice.code for notice in translated(request, model, **more).state.notices]


SHOWN = {"type": "adaptive", "display": "summarized"}


@each(
    "spec, fields",
    [
        (ReasoningSpec(), None),
        (ReasoningSpec(enabled=True), {"thinking": SHOWN}),
        (
            ReasoningSpec(effort="xhigh"),
            {"thinking": SHOWN, "output_config": {"effort": "xhigh"}},
        ),
        (
            ReasoningSpec(effort="minimal"),
            {"thinking": SHOWN, "output_config": {"effort": "low"}},
        ),
        (
            ReasoningSpec(enabled=True, budget_tokens=31_999),
            {"thinking": SHOWN, "output_config": {"effort": "xhigh"}},
        ),
        (
            ReasoningSpec(enabled=True, budget_tokens=4_000),
            {"thinking": SHOWN, "output_config": {"effort": "low"}},
        ),
        (
            ReasoningSpec(effort="high", summary="none"),
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        ),
        (ReasoningSpec(enabled=False), {"thinking": {"type": "disabled"}}),
        (ReasoningSpec(effort="none"), {"thinking": {"type": "disabled"}}),
    ],
)
def test_models_with_fields_of_their_own_are_asked_in_them(
    spec: ReasoningSpec, fields: JsonObject | None
) -> None:
    assert thinking(spec) == fields
    assert prompt(spec, OPUS) == "Hi"


def test_an_effort_in_the_name_comes_first() -> None:
    fields = thinking(ReasoningSpec(effort="low"), options={"effort": "max"})
    assert fields is not None and fields["output_config"] == {"effort": "max"}


def test_an_effort_that_is_missing_becomes_the_next_higher_one() -> None:
    fields = thinking(ReasoningSpec(effort="xhigh"), "claude-opus-4.6")
    assert fields == {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}
    assert notices(ReasoningSpec(effort="xhigh"), "claude-opus-4.6") == ["mapped_effort"]
    assert notices(ReasoningSpec(effort="high"), "claude-opus-4.6") == []


@each(
    "spec, fields",
    [
        (ReasoningSpec(effort="high"), {"reasoning": {"effort": "high"}}),
        (ReasoningSpec(effort="max"), {"reasoning": {"effort": "xhigh"}}),
        (ReasoningSpec(enabled=False), {"reasoning": {"effort": "none"}}),
        (ReasoningSpec(enabled=True), None),
    ],
)
def test_gpt_models_have_another_field(spec: ReasoningSpec, fields: JsonObject | None) -> None:
    assert thinking(spec, "gpt-5.6-sol") == fields


def test_an_output_limit_is_passed_on_where_there_is_a_field_for_it() -> None:
    def limit(tokens: int, model: str) -> object:
        sampling = Sampling(max_output_tokens=tokens)
        request = Request("m", [Message("user", [Text("Hi")])], sampling=sampling)
        return asked(request, model).get("additionalModelRequestFields")

    assert [limit(tokens, OPUS) for tokens in (1, 9_000, 10**6)] == [
        {"max_tokens": 1024},
        {"max_tokens": 9_000},
        {"max_tokens": 64_000},
    ]
    assert limit(9_000, "claude-sonnet-4.5") is None


@each(
    "spec, length",
    [
        (ReasoningSpec(effort="low"), 4_000),
        (ReasoningSpec(effort="medium"), 8_000),
        (ReasoningSpec(enabled=True), 16_000),
        (ReasoningSpec(effort="xhigh"), 32_000),
        (ReasoningSpec(effort="max"), 32_000),
    ],
)
def test_older_models_are_asked_by_tags_before_everything(spec: ReasoningSpec, length: int) -> None:
    assert prompt(spec) == (
        "<thinking_mode>enabled</thinking_mode>\n"
        f"<max_thinking_length>{length}</max_thinking_length>\nHi"
    )
    assert thinking(spec, "claude-sonnet-4.5") is None


@pytest.mark.parametrize(
    "spec", [ReasoningSpec(), ReasoningSpec(enabled=False), ReasoningSpec(effort="none")]
)
def test_who_does_not_ask_gets_no_tags(spec: ReasoningSpec) -> None:
    assert prompt(spec) == "Hi"


def test_tags_can_be_switched_off() -> None:
    off = KiroSettings(thinking="off")
    spec = ReasoningSpec(effort="high")
    assert prompt(spec, settings=off) == "Hi"
    assert notices(spec, "claude-sonnet-4.5", settings=off) == ["dropped_reasoning"]


def test_models_that_cannot_think_are_not_asked_to() -> None:
    assert prompt(ReasoningSpec(effort="high"), "qwen3-coder-next") == "Hi"


# Tags in answers


def split(*texts: str) -> dict[str, str]:
    """All thinking and all text."""
    splitter = TagSplitter()
    pieces = [piece for text in texts for piece in splitter.feed(text)]
    pieces += splitter.flush()
    return {
        wanted: "".join(text for kind, text in pieces if kind == wanted)
        for wanted in ("thinking", "text")
    }


@each(
    "answer, thought, text",
    [
        ("<thinking>Hm</thinking>\n\nHi", "Hm", "Hi"),
        ("\n <thinking>\nHm</thinking>\n\nHi", "Hm", "Hi"),
        ("<think>Hm</think>\n\nHi", "Hm", "Hi"),
        ("<reasoning>Hm</reasoning>\n\nHi", "Hm", "Hi"),
        ("<thought>Hm</thought>\n\nHi", "Hm", "Hi"),
        ("<thinking>Hm</thinking>", "Hm", ""),
        ("<thinking>Hm</thinking>\n", "Hm", ""),
        ("<thinking>Hm", "Hm", ""),
        ("<thinking>say `</thinking>` often</thinking>\n\nHi", "say `</thinking>` often", "Hi"),
        ("<thinking>a</think>\n\nb</thinking>\n\nHi", "a</think>\n\nb", "Hi"),
        ("Hi <thinking>no</thinking>\n\n", "", "Hi <thinking>no</thinking>\n\n"),
        ("<thinker>", "", "<thinker>"),
        ("<thi", "", "<thi"),
        ("  ", "", "  "),
        ("<thinking>a</thinking>\n\n<thinking>b", "a", "<thinking>b"),
        ("", "", ""),
    ],
)
def test_only_a_tag_at_the_start_opens_thinking(answer: str, thought: str, text: str) -> None:
    whole = split(answer)
    assert whole == {"thinking": thought, "text": text}
    assert split(*answer) == whole


@given(st.data())
def test_tags_may_be_cut_anywhere(data: st.DataObject) -> None:
    pieces = ["<thinking>", "</thinking>", "\n", "\n\n", "Hm", "<", "<think>", "`", " "]
    answer = "".join(data.draw(st.lists(st.sampled_from(pieces), max_size=8)))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(answer)), max_size=6)))
    edges = [0, *cuts, len(answer)]
    assert split(*(answer[a:b] for a, b in pairwise(edges))) == split(answer)


def test_a_tool_ends_the_wait_for_a_tag() -> None:
    splitter = TagSplitter()
    assert list(splitter.feed("<thin")) == []
    assert list(splitter.flush()) == [("text", "<thin")]
    assert list(splitter.feed("king>")) == [("text", "king>")]
