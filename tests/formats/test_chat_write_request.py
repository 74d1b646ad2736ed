"""Writing chat requests for upstreams: messages, tools, and the options for what upstreams know."""

from typing import Any

import pytest
from inline_snapshot import snapshot

from gateway_core.content import (
    Foreign,
    HostedCall,
    Media,
    Message,
    Part,
    Reasoning,
    Seal,
    Text,
    ToolCall,
    ToolResult,
)
from gateway_core.errors import Unsupported
from gateway_core.formats.chat import read_request, write_request
from gateway_core.json import JsonObject
from gateway_core.request import (
    CustomTool,
    FunctionTool,
    HostedTool,
    OutputSpec,
    ReasoningSpec,
    Request,
    Sampling,
    SessionHints,
    ToolChoice,
)

PICTURE = Media("image", "image/png", data="AAAA")
MARK = {"anthropic": {"cache_control": {"type": "ephemeral"}}}


def user(*parts: Part) -> Message:
    return Message("user", list(parts) or [Text("Hi")])


def assistant(*parts: Part) -> Message:
    return Message("assistant", list(parts))


def write(*messages: Message, request: dict[str, Any] | None = None, **options: Any) -> JsonObject:
    canonical = Request("asked", list(messages) or [user()], **(request or {}))
    return write_request(canonical, "m", issuer="vendor", **options)


def written(*messages: Message, **options: Any) -> list[JsonObject]:
    found: list[JsonObject] = write(*messages, **options)["messages"]
    return found


def test_a_full_request() -> None:
    request: dict[str, Any] = {
        "instructions": [Text("Be brief."), Text("Be kind.")],
        "tools": [
            FunctionTool("f", "Does f", {"type": "object"}, strict=True),
            CustomTool("c", None, {"type": "grammar", "syntax": "lark", "definition": "start: X"}),
        ],
        "tool_choice": ToolChoice("required", parallel=False),
        "output": OutputSpec("json_schema", "n", None, {"type": "object"}, True, "low"),
        "sampling": Sampling(100, 0.5, stop=["END"]),
        "reasoning": ReasoningSpec(effort="high"),
        "session": SessionHints(user="u", cache_key="k", metadata={"a": "b"}),
    }
    assert write(
        user(Text("Look"), PICTURE),
        assistant(Reasoning("hm"), Text("So"), ToolCall("a", "f", "")),
        user(ToolResult("a", [Text("1"), Text("2")], failed=True), Text("Go on")),
        Message("system", [Text("Be quick.")]),
        request=request,
    ) == snapshot(
        {
            "model": "m",
            "messages": [
                {
                    "role": "system",
                    "content": """\
Be brief.

Be kind.\
""",
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Look"},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                    ],
                },
                {
                    "role": "assistant",
                    "content": "So",
                    "reasoning_content": "hm",
                    "tool_calls": [
                        {
                            "id": "a",
                            "type": "function",
                            "function": {"name": "f", "arguments": "{}"},
                        }
                    ],
                },
                {
                    "role": "tool",
                    "tool_call_id": "a",
                    "content": """\
[tool error] 1

2\
""",
                },
                {"role": "user", "content": "Go on"},
                {"role": "system", "content": "Be quick."},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "f",
                        "description": "Does f",
                        "parameters": {"type": "object"},
                        "strict": True,
                    },
                },
                {
                    "type": "custom",
                    "custom": {
                        "name": "c",
                        "format": {
                            "type": "grammar",
                            "grammar": {"syntax": "lark", "definition": "start: X"},
                        },
                    },
                },
            ],
            "tool_choice": "required",
            "parallel_tool_calls": False,
            "max_completion_tokens": 100,
            "temperature": 0.5,
            "stop": ["END"],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
            },
            "verbosity": "low",
            "reasoning_effort": "high",
            "user": "u",
            "prompt_cache_key": "k",
            "metadata": {"a": "b"},
        }
    )


class TestMessages:
    def test_calls_without_text_have_no_content(self) -> None:
        message = written(user(), assistant(ToolCall("a", "f", "{}")))[1]
        assert "content" not in message

    def test_an_assistant_that_said_nothing_is_left_out(self) -> None:
        assert len(written(user(), assistant(HostedCall("w", "web_search", "{}")))) == 1

    def test_empty_texts_are_left_out(self) -> None:
        assert written(user(Text(""), Text("Hi")))[0]["content"] == "Hi"

    def test_texts_with_something_between_are_kept_apart(self) -> None:
        search = HostedCall("w", "web_search", "{}")
        message = written(user(), assistant(Text("a"), Text("b"), search, Text("c")))[1]
        assert message["content"] == "ab\n\nc"

    def test_media_of_results_follow_in_a_user_message(self) -> None:
        calls = assistant(ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}"))
        results = user(ToolResult("a", [PICTURE]), ToolResult("b", [Text("x")]), Text("Go on"))
        assert written(calls, results)[1:] == snapshot(
            [
                {"role": "tool", "tool_call_id": "a", "content": "(attached below)"},
                {"role": "tool", "tool_call_id": "b", "content": "x"},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Attached to the result of a:"},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                        {"type": "text", "text": "Go on"},
                    ],
                },
            ]
        )

    def test_calls_and_results_stand_in_pairs(self) -> None:
        """Upstreams refuse all else. What a lost call found is told in words and pictures."""
        broken = [
            user(ToolResult("gone", [Text("a dot"), PICTURE], failed=True)),
            assistant(PICTURE, ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}")),
            user(Text("Wait")),
            user(ToolResult("b", [Text("2")])),
        ]
        lost, calls, first, second, said = written(*broken)
        words = "[Error of an earlier tool call that is no longer part of this conversation]"
        assert [part.get("text") for part in lost["content"]] == [f"{words}\na dot", None]
        assert [call["id"] for call in calls["tool_calls"]] == ["a", "b"]
        assert first == {"role": "tool", "tool_call_id": "a", "content": "aborted"}
        assert second == {"role": "tool", "tool_call_id": "b", "content": "2"}
        texts = [part.get("text") for part in said["content"]]
        assert texts == ["Made by the assistant:", None, "Wait"]

    def test_media_of_results_stay_where_the_upstream_takes_them(self) -> None:
        result = ToolResult("a", [PICTURE], failed=True)
        call = assistant(ToolCall("a", "f", "{}"))
        message = written(call, user(result), media_in_results=True)[-1]
        assert message["content"][0] == {"type": "text", "text": "[tool error] "}
        assert message["content"][1]["type"] == "image_url"

    def test_a_picture_made_before_is_shown_again_by_the_user(self) -> None:
        made = HostedCall("i", "image_generation", "{}", {"data": "AAAA"})
        messages = written(user(), assistant(made, Text("Here")), user(Text("Bluer")))
        assert [message["role"] for message in messages] == ["user", "assistant", "user", "user"]
        assert messages[2]["content"][1] == {
            "type": "image_url",
            "image_url": {"url": "data:image/png;base64,AAAA"},
        }

    def test_a_picture_made_beside_a_call_waits_for_the_result(self) -> None:
        messages = written(
            user(),
            assistant(PICTURE, ToolCall("a", "f", "{}")),
            user(ToolResult("a", [Text("1")])),
        )
        assert [message["role"] for message in messages] == ["user", "assistant", "tool", "user"]

    def test_cache_marks_are_kept_for_routers(self) -> None:
        marked = Text("Hi", extras=MARK)
        part = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}
        assert written(user(marked))[0]["content"] == "Hi"
        assert written(user(marked), cache_control=True)[0]["content"] == [part]
        instructions = {"instructions": [marked]}
        assert written(request=instructions, cache_control=True)[0]["content"] == [part]


class TestReasoning:
    SEAL = Seal("vendor", '[{"type":"reasoning.text","signature":"x"}]', scope="acc")

    def test_the_text_goes_into_the_upstreams_field(self) -> None:
        history = (user(), assistant(Reasoning("a"), Reasoning("b"), Text("so")))
        assert written(*history)[1]["reasoning_content"] == "a\n\nb"
        assert written(*history, reasoning_field="reasoning")[1]["reasoning"] == "a\n\nb"
        assert written(*history, reasoning_field=None)[1] == {"role": "assistant", "content": "so"}

    def test_a_seal_goes_back_to_its_issuer_and_account(self) -> None:
        history = (user(), assistant(Reasoning("", self.SEAL), Text("so")))
        details = [{"type": "reasoning.text", "signature": "x"}]
        assert written(*history, scope="acc")[1]["reasoning_details"] == details
        assert "reasoning_details" not in written(*history, scope="other")[1]

    @pytest.mark.parametrize("seal", [Seal("other", "[1]"), Seal("vendor", "not JSON")])
    def test_no_other_seal_is_sent(self, seal: Seal) -> None:
        assert "reasoning_details" not in written(user(), assistant(Reasoning("hm", seal)))[1]


class TestMedia:
    @pytest.mark.parametrize(
        "media",
        [
            PICTURE,
            Media("image", url="https://a.example/b.png", extras={"chat": {"detail": "low"}}),
            Media("document", "application/pdf", "a.pdf", "AAAA"),
            Media("document", "text/plain", "a.txt", "Grüße"),
            Media("document", url="https://a.example/b.pdf"),
            Media("document", file="file-1"),
            Media("audio", "audio/mpeg", data="AAAA"),
            Media("video", url="https://a.example/b.mp4"),
            Media("video", "video/mp4", data="AAAA"),
            Foreign("chat", "smell", {"type": "smell", "smell": "rose"}),
        ],
    )
    def test_what_can_be_sent_is_read_as_the_same(self, media: Any) -> None:
        body = write(user(Text("Look"), media))
        assert read_request(body, {}).messages[0].parts[1] == media

    @pytest.mark.parametrize(
        ("part", "word"),
        [
            (Media("image", file="file-1"), "file id"),
            (Media("audio", url="https://a.example/b.mp3"), "URL"),
            (Foreign("responses", "local_shell_call", {}), "local_shell_call"),
        ],
    )
    def test_what_cannot_be_sent_is_refused_by_name(self, part: Any, word: str) -> None:
        with pytest.raises(Unsupported, match=word):
            write(user(part))

    def test_foreign_items_of_an_assistant_are_refused_too(self) -> None:
        with pytest.raises(Unsupported, match="compaction"):
            write(user(), assistant(Foreign("responses", "compaction", {})))


class TestTools:
    F, G = FunctionTool("f", None, {}), CustomTool("g", None)

    @pytest.mark.parametrize(
        ("choice", "expected"),
        [
            (ToolChoice(), {}),
            (ToolChoice(parallel=True), {"parallel_tool_calls": True}),
            (ToolChoice("none"), {"tool_choice": "none"}),
            (
                ToolChoice("tool", ["f"]),
                {"tool_choice": {"type": "function", "function": {"name": "f"}}},
            ),
            (
                ToolChoice("tool", ["g"]),
                {"tool_choice": {"type": "custom", "custom": {"name": "g"}}},
            ),
            (
                ToolChoice("tool", ["f", "g"], required_among=False),
                {
                    "tool_choice": {
                        "type": "allowed_tools",
                        "allowed_tools": {
                            "mode": "auto",
                            "tools": [
                                {"type": "function", "function": {"name": "f"}},
                                {"type": "custom", "custom": {"name": "g"}},
                            ],
                        },
                    }
                },
            ),
            (ToolChoice("tool", ["web_search"]), {}),
        ],
    )
    def test_choices(self, choice: ToolChoice, expected: JsonObject) -> None:
        body = write(request={"tools": [self.F, self.G], "tool_choice": choice})
        chosen = {key: body[key] for key in ("tool_choice", "parallel_tool_calls") if key in body}
        assert chosen == expected

    def test_a_choice_without_tools_is_left_out(self) -> None:
        assert "tool_choice" not in write(request={"tool_choice": ToolChoice("none")})

    def test_web_search_only_where_the_upstream_has_it(self) -> None:
        options = {"context_size": "low", "user_location": {"city": "Bern"}}
        tools = {"tools": [HostedTool("web_search", "web_search", options)]}
        assert write(request=tools, web_search=True)["web_search_options"] == {
            "search_context_size": "low",
            "user_location": {"type": "approximate", "approximate": {"city": "Bern"}},
        }
        with pytest.raises(Unsupported, match="web_search"):
            write(request=tools)


class TestOptions:
    @pytest.mark.parametrize(
        ("spec", "flat", "nested"),
        [
            (ReasoningSpec(), None, None),
            (ReasoningSpec(effort="low"), "low", {"effort": "low"}),
            (ReasoningSpec(enabled=False), "none", {"enabled": False}),
            (ReasoningSpec(enabled=True), None, {"enabled": True}),
            (ReasoningSpec(budget_tokens=5000), "medium", {"max_tokens": 5000}),
        ],
    )
    def test_effort_in_the_upstreams_spelling(
        self, spec: ReasoningSpec, flat: str | None, nested: JsonObject | None
    ) -> None:
        request = {"reasoning": spec}
        assert write(request=request).get("reasoning_effort") == flat
        assert write(request=request, effort_field="reasoning").get("reasoning") == nested
        silent = write(request=request, effort_field=None)
        assert silent.keys().isdisjoint({"reasoning_effort", "reasoning"})

    def test_the_limit_in_the_upstreams_spelling(self) -> None:
        request = {"sampling": Sampling(5)}
        assert write(request=request)["max_completion_tokens"] == 5
        assert write(request=request, max_tokens_field="max_tokens")["max_tokens"] == 5

    def test_only_hints_that_the_upstream_knows(self) -> None:
        request = {"session": SessionHints(user="u", cache_key="k", store=True)}
        body = write(request=request, session_fields=("prompt_cache_key",))
        assert body.keys() & {"user", "prompt_cache_key", "store"} == {"prompt_cache_key"}
