"""How the demo plugin writes a conversation for its upstream."""

import pytest
from inline_snapshot import snapshot

from gateway_core import (
    CustomTool,
    Foreign,
    FunctionTool,
    HostedCall,
    HostedTool,
    Media,
    Message,
    Reasoning,
    Request,
    Seal,
    Text,
    ToolCall,
    ToolResult,
    Unsupported,
)
from gateway_core.content import Part
from gateway_core.request import OutputSpec, ReasoningSpec, Sampling, ToolChoice
from gateway_demo.messages import count_seals, write_conversation
from support.about import each


def parts(*given: Part) -> object:
    """What the upstream is sent for the parts of one message."""
    return write_conversation(Request("demo", [Message("user", [*given])]))["messages"][0]["parts"]


def test_who_said_what_in_which_order() -> None:
    request = Request(
        "demo",
        [
            Message("user", [Text("Look.")]),
            Message("assistant", [Text("I look."), ToolCall("call_1", "look", '{"at":"it"}')]),
            Message("user", [ToolResult("call_1", [Text("nothing")], failed=True), Text("So?")]),
        ],
        instructions=[Text("Be brief.")],
    )
    assert write_conversation(request) == snapshot(
        {
            "instructions": ["Be brief."],
            "tools": [],
            "options": {},
            "messages": [
                {"role": "user", "parts": [{"text": "Look."}]},
                {
                    "role": "assistant",
                    "parts": [
                        {"text": "I look."},
                        {"call": "call_1", "name": "look", "arguments": '{"at":"it"}'},
                    ],
                },
                {
                    "role": "user",
                    "parts": [
                        {"result": "call_1", "parts": [{"text": "nothing"}], "failed": True},
                        {"text": "So?"},
                    ],
                },
            ],
        }
    )


def test_options_as_far_as_the_client_said_any() -> None:
    request = Request(
        "demo",
        [],
        tool_choice=ToolChoice("tool", ["look"], parallel=False),
        output=OutputSpec("json_schema", schema={"type": "object"}, verbosity="low"),
        sampling=Sampling(temperature=0.0, stop=["END"]),
        reasoning=ReasoningSpec(effort="high"),
    )
    assert write_conversation(request)["options"] == {
        "temperature": 0.0,
        "stop": ["END"],
        "effort": "high",
        "choice": ["look"],
        "parallel": False,
        "shape": "json_schema",
        "schema": {"type": "object"},
        "verbosity": "low",
    }


def test_tools_by_name_and_schema() -> None:
    tools: list[FunctionTool | CustomTool | HostedTool] = [
        FunctionTool("look", "Looks", {"type": "object"}),
        CustomTool("patch", None, {"type": "text"}),
        HostedTool("web_search", "web_search", {"max_uses": 3}),
    ]
    assert write_conversation(Request("demo", [], tools=tools))["tools"] == [
        {"name": "look", "description": "Looks", "schema": {"type": "object"}},
        {"name": "patch", "description": None, "format": {"type": "text"}},
        {"hosted": "web_search", "options": {"max_uses": 3}},
    ]


@each(
    "part, sent",
    [
        (
            Media("image", "image/png", data="iVBO"),
            {"media": "image", "type": "image/png", "data": "iVBO"},
        ),
        (
            Media("document", name="a.pdf", url="https://a.example/"),
            {"media": "document", "name": "a.pdf", "url": "https://a.example/"},
        ),
        (
            ToolCall("c", "patch", "free", custom=True),
            {"call": "c", "name": "patch", "arguments": "free", "custom": True},
        ),
        (
            HostedCall("s", "web_search", "{}", {"sources": []}),
            {"ran": "s", "name": "web_search", "arguments": "{}", "outcome": {"sources": []}},
        ),
        (Reasoning("hm", Seal("demo", "ours")), {"thought": "hm", "seal": "ours"}),
        (Reasoning("hm", Seal("codex", "theirs")), {"thought": "hm"}),
    ],
)
def test_every_kind_of_part(part: Part, sent: object) -> None:
    assert parts(part) == [sent]


def test_a_thought_that_only_another_upstream_can_read_stays_here() -> None:
    assert parts(Reasoning("", Seal("codex", "theirs"), redacted=True), Text("x")) == [
        {"text": "x"}
    ]


def test_an_item_that_only_another_upstream_knows_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match=r"messages\[0\].content\[1\].*'screen' of 'mine'") as no:
        parts(Text("x"), Foreign("mine", "screen", {}))
    assert no.value.param == "messages[0].content[1]"


def test_seals_that_come_back_are_counted() -> None:
    thoughts: list[Part] = [
        Reasoning("", Seal(issuer, "x")) for issuer in ("demo", "codex", "demo")
    ]
    assert count_seals(write_conversation(Request("demo", [Message("assistant", thoughts)]))) == 2
