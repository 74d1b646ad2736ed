"""Tool names longer than upstreams take, through every provider that shortens them."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from gateway_core.tool_names import tool_alias
from simulators.codex.installed import CodexServed
from simulators.grok.installed import GrokServed
from simulators.kilo.installed import KiloServed
from simulators.kimi.installed import KimiServed
from simulators.kiro.installed import KiroServed
from support.conversations import AnthropicTalk
from support.served import HttpServed

NAME = "mcp__claude_ai_company_knowledge_base__search_the_documents_of_all_departments_and_teams"
PROVIDERS: list[type[HttpServed[Any]]] = [
    CodexServed,
    GrokServed,
    KiloServed,
    KimiServed,
    KiroServed,
]
SCHEMA = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}


@pytest.fixture(params=PROVIDERS, ids=lambda kind: kind.provider)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HttpServed[Any]]:
    with request.param.running(tmp_path_factory.mktemp("home")) as pair, pair.fresh() as served:
        yield served


def test_a_call_comes_back_under_the_full_name_and_goes_on_under_the_short(
    served: HttpServed[Any],
) -> None:
    talk = served.talk(AnthropicTalk)
    assert isinstance(talk, AnthropicTalk)
    talk.more["tools"] = [{"name": NAME, "description": "Searches", "input_schema": SCHEMA}]
    served.play("text: What shall I look for?")
    talk.say("Wait for my question")
    (sent,) = set(re.findall(r"mcp__[A-Za-z0-9_-]+", served.sent()))
    assert len(sent) <= 64 < 87 <= len(NAME)

    served.play(f'tool: {sent} {{"query": "leave"}}\n---\ntext: 30 days.')
    turn = talk.say("How many days of leave are there?")
    assert [(call.name, call.arguments) for call in turn.calls] == [(NAME, {"query": "leave"})]
    assert talk.give({call.id: "thirty" for call in turn.calls}).text == "30 days."
    told = served.sent()
    assert "thirty" in told
    assert set(re.findall(r"mcp__[A-Za-z0-9_-]+", told)) == {sent}
    assert told.count(sent) >= 2  # the tool and its call


@pytest.mark.parametrize("served", [CodexServed, GrokServed, KiloServed], indirect=True)
def test_a_tool_can_be_chosen_by_its_full_name(served: HttpServed[Any]) -> None:
    served.play("text: Yes.")
    talk = served.talk(AnthropicTalk)
    assert isinstance(talk, AnthropicTalk)
    talk.more |= {
        "tools": [{"name": NAME, "description": "Searches", "input_schema": SCHEMA}],
        "tool_choice": {"type": "tool", "name": NAME},
        "thinking": {"type": "disabled"},
    }
    talk.say("Search")
    choice = served.requests[-1].body["tool_choice"]
    assert tool_alias(NAME) in (choice.get("name"), choice.get("function", {}).get("name"))
