"""The common conversations: what is in them, what they need, and the words planted into them."""

from copy import deepcopy
from itertools import pairwise

import pytest

from gateway_core import Capabilities, Request, Text, ToolCall
from gateway_core.json import loads_object
from gateway_core.testing.conversations import CONVERSATIONS, SESSIONS, features, obliged
from gateway_core.testing.conversations.fresh import Fresh
from gateway_core.testing.conversations.sessions import TURNS
from gateway_core.testing.marks import mark
from support.about import about, each

EVERYTHING = Capabilities(
    input=frozenset({"text", "image", "document", "audio", "video"}),
    hosted_tools=frozenset({"web_search", "image_generation"}),
)
MAY_BE_REFUSED = {
    "call-with-broken-arguments",
    "document-by-file-id",
    "document-by-url",
    "document-inline",
    "document-with-an-odd-name",
    "document-without-a-name",
    "foreign-item-of-the-assistant",
    "foreign-item-of-the-user",
    "image-by-file-id",
    "images-of-two-kinds",
    "result-with-document",
    "result-with-several-images",
    "result-without-a-call",
}


def test_there_are_many_and_each_is_built_anew() -> None:
    assert len(CONVERSATIONS) >= 60
    for name in CONVERSATIONS:
        first = CONVERSATIONS[name]
        first.messages.clear()
        assert CONVERSATIONS[name].messages
        assert CONVERSATIONS[name] == CONVERSATIONS[name]


def test_a_name_is_given_once() -> None:
    fresh: Fresh[int] = Fresh()
    fresh.add("one", lambda: 1)
    with pytest.raises(ValueError, match="two values are called 'one'"):
        fresh.add("one", lambda: 2)


@each(
    "name, needed",
    [
        ("text", set()),
        ("image-inline", {"image"}),
        ("image-by-url", {"image", "image_url", "media_url"}),
        ("images-of-two-kinds", {"image", "rare_image"}),
        ("document-inline", {"document", "document_data"}),
        ("document-of-plain-text", {"document"}),
        ("document-by-file-id", {"document", "media_file"}),
        ("result-with-image", {"tools", "calls", "image", "result_image"}),
        ("tools-custom", {"custom_tools"}),
        ("call-of-custom-tool", {"custom_tools", "custom_calls"}),
        ("tools-hosted-beside-functions", {"tools", "hosted:web_search"}),
        ("web-search-in-history", {"hosted:web_search", "hosted_calls"}),
        ("call-without-a-result", {"tools", "calls", "orphan_call"}),
        ("result-without-a-call", {"tools", "orphan_result"}),
        ("call-with-broken-arguments", {"tools", "calls", "broken_arguments"}),
        ("calls-with-ids-counted-anew-in-each-turn", {"tools", "calls", "repeated_call_id"}),
        ("foreign-item-of-the-user", {"foreign"}),
        ("reasoning-without-a-seal-in-history", {"reasoning"}),
        ("assistant-turn-empty", {"empty_turn"}),
        ("assistant-first", {"assistant_first"}),
        ("system-message-in-the-middle", {"system_in_between"}),
    ],
)
def test_what_a_conversation_needs(name: str, needed: set[str]) -> None:
    assert features(CONVERSATIONS[name]) == needed


def test_a_provider_of_everything_is_obliged_to_all_but_a_few() -> None:
    free = {name for name in CONVERSATIONS if not obliged(CONVERSATIONS[name], EVERYTHING)}
    assert free == MAY_BE_REFUSED


@each(
    "capabilities, name",
    [
        (Capabilities(input=frozenset({"text"})), "image-inline"),
        (Capabilities(input=frozenset({"text"})), "result-with-image"),
        (Capabilities(media_urls=False), "image-by-url"),
        (Capabilities(tools=False), "tools-function"),
        (Capabilities(tools=False), "call-of-custom-tool"),
        (Capabilities(), "tools-hosted-web-search"),
        (Capabilities(), "audio-inline"),
    ],
)
def test_nobody_is_obliged_to_what_the_capabilities_leave_out(
    capabilities: Capabilities, name: str
) -> None:
    assert not obliged(CONVERSATIONS[name], capabilities)
    assert obliged(CONVERSATIONS["text"], capabilities)


@pytest.mark.parametrize("name", SESSIONS)
def test_a_session_only_grows(name: str) -> None:
    requests = [SESSIONS[name](turn) for turn in range(TURNS + 1)]
    for earlier, later in pairwise(requests):
        assert later.messages[: len(earlier.messages)] == earlier.messages
        assert len(later.messages) >= len(earlier.messages) + 2
        assert (later.tools, later.instructions) == (earlier.tools, earlier.instructions)


def test_words_are_planted_into_a_copy() -> None:
    for name in CONVERSATIONS:
        with about(name):
            request = CONVERSATIONS[name]
            before = deepcopy(request)
            marked, marks = mark(request)
            assert request == before
            assert features(marked) == features(request)
            assert len({mark.word for mark in marks}) == len(marks)
            assert all(mark.word in str(marked) for mark in marks)


def test_every_place_that_must_arrive_gets_a_word_of_its_own() -> None:
    _, marks = mark(CONVERSATIONS["calls-one-after-another"])
    assert [(mark.path, mark.sort) for mark in marks] == [
        ("messages[0].content[0]", "text"),
        ("messages[1].content[0]", "text"),
        ("messages[1].content[1]", "call"),
        ("messages[2].content[0].content[0]", "result"),
        ("messages[3].content[0]", "text"),
        ("messages[3].content[1]", "call"),
        ("messages[4].content[0].content[0]", "result"),
        ("tools[0]", "tool"),
    ]


@each(
    "arguments, marked",
    [
        ("{}", '{"mark":"zq0000"}'),
        ('{"a": 1}', '{"mark":"zq0000","a": 1}'),
        (' { "a": 1 }', ' {"mark":"zq0000", "a": 1 }'),
        ("", '{"mark":"zq0000"}'),
    ],
)
def test_arguments_keep_their_spelling_around_the_word(arguments: str, marked: str) -> None:
    request = CONVERSATIONS["text"]
    request.messages[0].parts = [ToolCall("c", "f", arguments)]
    (part,) = mark(request)[0].messages[0].parts
    assert isinstance(part, ToolCall)
    assert part.arguments == marked
    assert loads_object(part.arguments)["mark"] == "zq0000"


def test_empty_texts_stay_empty() -> None:
    request = Request("m", CONVERSATIONS["text-with-an-empty-part-beside-it"].messages)
    texts = [part for part in mark(request)[0].messages[0].parts if isinstance(part, Text)]
    assert [text.text for text in texts] == ["", "Hello zq0000"]
