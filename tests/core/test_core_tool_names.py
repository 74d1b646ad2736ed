"""Tool names as upstreams take them: short, plain, each another, the same in every turn."""

import re
from copy import deepcopy

from hypothesis import given
from hypothesis import strategies as st

from gateway_core.content import Message, Part, Text, ToolCall, ToolResult
from gateway_core.request import CustomTool, FunctionTool, HostedTool, Request, Tool, ToolChoice
from gateway_core.tool_names import ToolAliases, tool_alias
from support.about import each

LONG = "mcp__a_server_with_a_rather_long_name__" + "and_a_" * 6 + "tool_that_does_it"
PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Their ends and the first 32 bits of their hashes are alike.
END = "_a_tool_with_a_name_that_is_longer_than_what_upstreams_take"
TWINS = (f"server_69450{END}", f"server_82101{END}")


def offering(*names: str, called: tuple[str, ...] = (), chosen: tuple[str, ...] = ()) -> Request:
    tools: list[Tool] = [FunctionTool(name, None, {"type": "object"}) for name in names]
    messages = [Message("user", [Text("Do it")])]
    for number, name in enumerate(called):
        id = f"c{number}"
        said: list[Part] = [Text("So"), ToolCall(id, name, "{}")]
        messages += [Message("assistant", said), Message("user", [ToolResult(id, [])])]
    request = Request("m", messages, tools=tools)
    if chosen:
        request.tool_choice = ToolChoice("tool", [*chosen])
    return request


def names_in(request: Request) -> list[str]:
    calls = [
        part.name
        for message in request.messages
        for part in message.parts
        if isinstance(part, ToolCall)
    ]
    return [*(tool.name for tool in request.tools), *calls, *request.tool_choice.names]


@each("name", ["Bash", "mcp__a-b__c", "_private", "3d", "x" * 64])
def test_a_name_that_fits_stays(name: str) -> None:
    request = offering(name, called=(name,), chosen=(name,))
    aliases = ToolAliases(request)
    assert aliases.fit(request) is request
    assert aliases.restore == {}


@each("name", [LONG, "files.read", "with blank", "größe", "", "\ud800", "x" * 65])
def test_another_has_the_same_alias_in_tools_history_and_choice(name: str) -> None:
    request = offering("Bash", name, called=("Bash", name, name), chosen=(name,))
    before = deepcopy(request)
    aliases = ToolAliases(request)
    fitting = aliases.fit(request)
    ((alias, original),) = aliases.restore.items()
    assert original == name
    assert PLAIN.fullmatch(alias)
    assert names_in(fitting) == ["Bash", alias, "Bash", alias, alias, alias]
    assert request == before
    assert fitting.messages[0] is request.messages[0]


def test_the_alias_of_a_tool_of_a_server_says_what_the_tool_does() -> None:
    assert re.fullmatch(r"mcp__.*_tool_that_does_it_[0-9a-f]{8}", tool_alias(LONG))


@each("name", ["_private", "3d", "x" * 30 + "_" * 60, "größe", "", "mcp__3." + "x" * 99])
def test_an_alias_can_begin_with_a_letter(name: str) -> None:
    alias = tool_alias(name, letter_first=True)
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,63}", alias)


@given(name=st.text(), letter_first=st.booleans())
def test_any_name_has_an_alias_that_is_its_own_alias(name: str, letter_first: bool) -> None:
    alias = tool_alias(name, letter_first=letter_first)
    assert PLAIN.fullmatch(alias)
    assert tool_alias(alias, letter_first=letter_first) == alias


def test_no_two_tools_share_a_name() -> None:
    """Not even one that is called like the alias of another, wherever it stands."""
    first, second = TWINS
    assert tool_alias(first) == tool_alias(second)
    names = (LONG, first, second, tool_alias(first), tool_alias(LONG))
    for order in (names, names[::-1]):
        request = offering(*order, called=order)
        aliases = ToolAliases(request)
        sent = names_in(aliases.fit(request))
        assert len(set(sent)) == len(names)
        assert all(PLAIN.fullmatch(name) for name in sent)
        assert [aliases.restore.get(name, name) for name in sent] == [*order, *order]
        assert {tool_alias(first), tool_alias(LONG)} <= set(sent) - aliases.restore.keys()


def test_an_alias_is_the_same_in_every_turn() -> None:
    """So the history stays as it was sent, whatever else is offered later."""
    early = offering("Bash", LONG, called=(LONG,))
    late = offering("a.b", "Bash", "Read", LONG, called=(LONG, "gone.tool", LONG))
    sent = [ToolAliases(request).fit(request).messages for request in (early, late)]
    assert sent[0] == sent[1][: len(sent[0])]


def test_a_tool_that_runs_upstream_keeps_its_name() -> None:
    request = offering("a.b", chosen=("my.server", "a.b"))
    request.tools += [CustomTool("c.d", None), HostedTool("mcp", "my.server")]
    fitting = ToolAliases(request).fit(request)
    dotted, custom, hosted = [tool.name for tool in fitting.tools]
    assert hosted == "my.server"
    assert fitting.tool_choice.names == ["my.server", dotted]
    assert PLAIN.fullmatch(custom)


def test_a_choice_of_a_tool_that_is_not_offered_fits_too() -> None:
    request = offering("Bash", chosen=("not.there",))
    assert ToolAliases(request).fit(request).tool_choice.names == [tool_alias("not.there")]
