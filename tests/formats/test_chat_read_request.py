"""Chat requests of clients: what the reader makes of each field."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot

from gateway_core.content import (
    Foreign,
    Media,
    Message,
    Reasoning,
    Seal,
    Text,
    ToolCall,
    ToolResult,
)
from gateway_core.events import Notice
from gateway_core.formats.chat import FORMAT, read_request
from gateway_core.json import JsonObject, loads_object
from gateway_core.request import (
    CustomTool,
    FunctionTool,
    HostedTool,
    OutputSpec,
    ReasoningSpec,
    Request,
    Sampling,
    SessionHints,
    Source,
    ToolChoice,
)
from gateway_core.seals import pack

HI = {"role": "user", "content": "Hi"}
CAPTURES = Path(__file__).parents[1] / "captures"


def read(*messages: JsonObject, headers: Mapping[str, str] | None = None, **fields: Any) -> Request:
    return read_request({"model": "m", "messages": list(messages) or [HI], **fields}, headers or {})


def parts(*content: JsonObject) -> list[Any]:
    return read({"role": "user", "content": list(content)}).messages[0].parts


def test_the_recorded_request_of_the_sdk() -> None:
    capture = loads_object((CAPTURES / "openai-python-3.52-chat-tools.json").read_bytes())
    headers = {name.lower(): value for name, value in capture["request"]["headers"]}
    request = FORMAT.read_request(capture["request"]["body"], headers)
    assert request.source == Source("chat", capture["request"]["body"])
    request.source = Source("chat", {})
    assert request == snapshot(
        Request(
            model="gpt-5.5",
            messages=[
                Message(
                    role="user",
                    parts=[
                        Text(text="Weather in Paris and in the picture?"),
                        Media(
                            kind="image",
                            type="image/png",
                            data="iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
                            extras={"chat": {"detail": "low"}},
                        ),
                    ],
                ),
                Message(
                    role="assistant",
                    parts=[
                        ToolCall(
                            id="call_a",
                            name="get_weather",
                            arguments='{"city":"Paris","unit":null}',
                        ),
                        ToolCall(
                            id="call_b", name="get_weather", arguments='{"city":"Rome","unit":"c"}'
                        ),
                    ],
                ),
                Message(
                    role="user",
                    parts=[
                        ToolResult(call_id="call_b", content=[Text(text="rain")]),
                        ToolResult(call_id="call_a", content=[Text(text="sun")]),
                    ],
                ),
            ],
            instructions=[Text(text="Be brief.")],
            tools=[
                FunctionTool(
                    name="get_weather",
                    description="Weather of a city",
                    parameters={
                        "type": "object",
                        "properties": {
                            "city": {"type": "string"},
                            "unit": {"type": ["string", "null"], "enum": ["c", "f", None]},
                        },
                        "required": ["city", "unit"],
                        "additionalProperties": False,
                    },
                    strict=True,
                )
            ],
            tool_choice=ToolChoice(parallel=True),
            sampling=Sampling(max_output_tokens=500, temperature=0.3, seed=7),
            reasoning=ReasoningSpec(effort="high"),
            session=SessionHints(user="u1"),
            stream=True,
            source=Source(format="chat", body={}),
        )
    )


class TestMessages:
    def test_leading_system_and_developer_messages_are_instructions(self) -> None:
        request = read(
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            HI,
            {"role": "system", "content": "Be quick."},
        )
        assert request.instructions == [Text("Be brief."), Text("Be kind.")]
        assert [message.role for message in request.messages] == ["user", "system"]

    def test_an_empty_user_message_stays(self) -> None:
        assert read({"role": "user", "content": ""}).messages == [Message("user", [Text("")])]

    def test_an_empty_assistant_message_goes(self) -> None:
        assert read(HI, {"role": "assistant", "content": ""}).messages == [
            Message("user", [Text("Hi")])
        ]

    def test_the_name_of_a_speaker_is_kept(self) -> None:
        message = read({"role": "user", "name": "Ann", "content": "Hi"}).messages[0]
        assert message.extras == {"chat": {"name": "Ann"}}

    def test_results_that_follow_each_other_share_a_message(self) -> None:
        request = read(
            HI,
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": "a", "function": {"name": "f", "arguments": "{}"}},
                    {"id": "b", "type": "custom", "custom": {"name": "sh", "input": "ls"}},
                ],
            },
            {"role": "tool", "tool_call_id": "b", "content": "[tool error] no such file"},
            {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "1"}]},
            {"role": "user", "content": "Go on"},
        )
        assert request.messages[1:] == [
            Message(
                "assistant", [ToolCall("a", "f", "{}"), ToolCall("b", "sh", "ls", custom=True)]
            ),
            Message(
                "user",
                [
                    ToolResult("b", [Text("no such file")], failed=True, custom=True),
                    ToolResult("a", [Text("1")]),
                ],
            ),
            Message("user", [Text("Go on")]),
        ]

    def test_the_older_function_call_and_its_result(self) -> None:
        request = read(
            HI,
            {"role": "assistant", "content": None, "function_call": {"name": "f"}},
            {"role": "function", "name": "f", "content": "1"},
        )
        assert request.messages[1:] == [
            Message("assistant", [ToolCall("call_function_1", "f", "")]),
            Message("user", [ToolResult("call_function_1", [Text("1")])]),
        ]

    def test_a_refusal_of_the_past(self) -> None:
        message = read(HI, {"role": "assistant", "refusal": "No."}).messages[1]
        assert message.parts == [Text("No.", refusal=True)]

    @pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
    def test_reasoning_comes_first(self, field: str) -> None:
        message = read(HI, {"role": "assistant", "content": "so", field: "hm"}).messages[1]
        assert message.parts == [Reasoning("hm"), Text("so")]

    def test_our_seals_come_back(self) -> None:
        seals = [Seal("codex", "abc", "rs_1"), Seal("codex", "def")]
        details = [{"type": "reasoning.encrypted", "data": pack(seal)} for seal in seals]
        message = {"role": "assistant", "reasoning_content": "hm", "reasoning_details": details}
        assert read(HI, message).messages[1].parts == [
            Reasoning("hm", seals[0]),
            Reasoning("", seals[1]),
        ]

    def test_details_of_others_are_one_seal_of_the_format(self) -> None:
        details = [{"type": "reasoning.text", "text": "hm", "signature": "x"}]
        message = {"role": "assistant", "reasoning": "hm", "reasoning_details": details}
        seal = Seal("chat", '[{"type":"reasoning.text","text":"hm","signature":"x"}]')
        assert read(HI, message).messages[1].parts == [Reasoning("hm", seal)]


class TestContent:
    def test_pictures_by_data_and_by_url(self) -> None:
        assert parts(
            {"type": "image_url", "image_url": {"url": "data:image/PNG;base64,AAAA"}},
            {"type": "image_url", "image_url": {"url": "https://a.example/b.png", "detail": "low"}},
            {"type": "image_url", "image_url": "https://a.example/c.png"},
            {"type": "image_url", "image_url": {"url": "data:image/svg+xml,%3Csvg/%3E"}},
        ) == [
            Media("image", "image/png", data="AAAA"),
            Media("image", url="https://a.example/b.png", extras={"chat": {"detail": "low"}}),
            Media("image", url="https://a.example/c.png"),
            Media("image", "image/svg+xml", data="PHN2Zy8+"),
        ]

    def test_files(self) -> None:
        assert parts(
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}},
            {"type": "file", "file": {"file_data": "AAAA", "filename": "a.pdf"}},
            {"type": "file", "file": {"file_data": "SGk=", "filename": "a.txt"}},
            {"type": "file", "file": {"file_data": "https://a.example/b.pdf"}},
            {"type": "file", "file": {"file_id": "file-1"}},
        ) == [
            Media("document", "application/pdf", data="AAAA"),
            Media("document", "application/pdf", "a.pdf", "AAAA"),
            Media("document", "text/plain", "a.txt", "Hi"),
            Media("document", url="https://a.example/b.pdf"),
            Media("document", file="file-1"),
        ]

    def test_audio_and_video(self) -> None:
        assert parts(
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
            {"type": "video_url", "video_url": {"url": "https://a.example/b.mp4"}},
        ) == [
            Media("audio", "audio/mpeg", data="AAAA"),
            Media("video", url="https://a.example/b.mp4"),
        ]

    def test_a_cache_mark_is_kept_for_those_who_know_it(self) -> None:
        mark = {"type": "ephemeral"}
        assert parts({"type": "text", "text": "Hi", "cache_control": mark}) == [
            Text("Hi", extras={"anthropic": {"cache_control": mark}})
        ]

    def test_an_unknown_part_is_kept_whole(self) -> None:
        part = {"type": "smell", "smell": "rose"}
        assert parts(part) == [Foreign("chat", "smell", part)]


class TestTools:
    def test_function_custom_and_hosted_tools(self) -> None:
        schema = {"type": "object", "properties": {"x": {"type": "string"}}}
        grammar = {"syntax": "lark", "definition": "start: X"}
        search = {"type": "web_search_preview", "search_context_size": "low"}
        request = read(
            tools=[
                {"type": "function", "function": {"name": "f", "parameters": schema}},
                {"type": "function", "name": "flat", "strict": True},
                {
                    "type": "custom",
                    "custom": {"name": "c", "format": {"type": "grammar", "grammar": grammar}},
                },
                search,
            ],
            web_search_options={"user_location": {"approximate": {"city": "Bern"}}},
        )
        assert request.tools == [
            FunctionTool("f", None, schema),
            FunctionTool("flat", None, {"type": "object", "properties": {}}, True),
            CustomTool("c", None, {"type": "grammar", **grammar}),
            HostedTool(
                "web_search", "web_search", {"context_size": "low"}, extras={"chat": search}
            ),
            HostedTool("web_search", "web_search", {"user_location": {"city": "Bern"}}),
        ]

    def test_the_older_functions(self) -> None:
        request = read(functions=[{"name": "f", "parameters": {}}], function_call={"name": "f"})
        assert request.tools == [FunctionTool("f", None, {})]
        assert request.tool_choice == ToolChoice("tool", ["f"], parallel=False)

    @pytest.mark.parametrize(
        ("choice", "expected"),
        [
            (None, ToolChoice()),
            ("auto", ToolChoice()),
            ("none", ToolChoice("none")),
            ("required", ToolChoice("required")),
            ({"type": "function", "function": {"name": "f"}}, ToolChoice("tool", ["f"])),
            ({"type": "function", "name": "f"}, ToolChoice("tool", ["f"])),
            ({"type": "custom", "custom": {"name": "c"}}, ToolChoice("tool", ["c"])),
            ({"type": "web_search"}, ToolChoice("tool", ["web_search"])),
            (
                {
                    "type": "allowed_tools",
                    "allowed_tools": {
                        "mode": "auto",
                        "tools": [
                            {"type": "function", "function": {"name": "f"}},
                            {"type": "custom", "custom": {"name": "c"}},
                        ],
                    },
                },
                ToolChoice("tool", ["f", "c"], required_among=False),
            ),
        ],
    )
    def test_choices(self, choice: Any, expected: ToolChoice) -> None:
        assert read(tool_choice=choice).tool_choice == expected


class TestOptions:
    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"reasoning_effort": "high"}, ReasoningSpec(effort="high")),
            ({"reasoning_effort": "none"}, ReasoningSpec(enabled=False, effort="none")),
            ({"reasoning": {"effort": "low"}}, ReasoningSpec(effort="low")),
            ({"reasoning": {"enabled": True}}, ReasoningSpec(enabled=True)),
            ({"reasoning": {"max_tokens": 2000}}, ReasoningSpec(budget_tokens=2000)),
            ({"reasoning": {"exclude": True}}, ReasoningSpec(summary="none")),
            ({"thinking": {"type": "disabled"}}, ReasoningSpec(enabled=False)),
            (
                {"thinking": {"type": "enabled", "effort": "max"}},
                ReasoningSpec(enabled=True, effort="max"),
            ),
            (
                {"reasoning_effort": "high", "reasoning": {"effort": "low"}},
                ReasoningSpec(effort="high"),
            ),
        ],
    )
    def test_effort_in_every_spelling(self, fields: JsonObject, expected: ReasoningSpec) -> None:
        assert read(**fields).reasoning == expected

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"response_format": {"type": "text"}}, OutputSpec()),
            ({"response_format": {"type": "json_object"}}, OutputSpec("json")),
            (
                {
                    "response_format": {
                        "type": "json_schema",
                        "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
                    },
                    "verbosity": "low",
                },
                OutputSpec("json_schema", "n", None, {"type": "object"}, True, "low"),
            ),
        ],
    )
    def test_the_shape_of_the_answer(self, fields: JsonObject, expected: OutputSpec) -> None:
        assert read(**fields).output == expected

    def test_sampling(self) -> None:
        request = read(
            max_tokens=1,
            max_completion_tokens=5,
            temperature=1,
            top_p=0.5,
            stop="END",
            seed=7,
            presence_penalty=0.1,
            frequency_penalty=-0.1,
        )
        assert request.sampling == Sampling(
            max_output_tokens=5,
            temperature=1.0,
            top_p=0.5,
            stop=["END"],
            seed=7,
            presence_penalty=0.1,
            frequency_penalty=-0.1,
        )

    def test_hints(self) -> None:
        request = read(
            safety_identifier="u1",
            prompt_cache_key="k1",
            service_tier="priority",
            store=False,
            metadata={"a": "b"},
            headers={"session-id": "s1"},
        )
        assert request.session == SessionHints(
            session_id="k1",
            user="u1",
            cache_key="k1",
            service_tier="priority",
            store=False,
            metadata={"a": "b"},
        )

    @pytest.mark.parametrize("header", ["session-id", "x-session-id", "x-client-request-id"])
    def test_the_session_from_a_header(self, header: str) -> None:
        assert read(headers={header: "s1"}).session.session_id == "s1"

    def test_what_has_no_effect_is_told_and_never_refused(self) -> None:
        request = read(
            logprobs=True,
            logit_bias=None,
            warp_drive={"on": True},
            verbosity="chatty",
            reasoning_effort="ludicrous",
            response_format={"type": "haiku"},
        )
        assert request.notices == snapshot(
            [
                Notice(code="dropped_logprobs", message="'logprobs' has no effect here"),
                Notice(
                    code="unknown_field",
                    message="'warp_drive' is not a field of chat completions; ignored",
                ),
                Notice(code="dropped_verbosity", message="verbosity 'chatty' is not known"),
                Notice(
                    code="dropped_response_format",
                    message="response_format 'haiku' is not known; the answer is plain text",
                ),
                Notice(code="dropped_effort", message="reasoning effort 'ludicrous' is not known"),
            ]
        )

    def test_nothing_is_told_when_all_is_known(self) -> None:
        assert read(n=1, stream=True, modalities=["text"], logprobs=False).notices == []


def test_a_notice_names_the_field() -> None:
    assert read(warp_drive=1).notices == [
        Notice(
            "unknown_field",
            "'warp_drive' is not a field of chat completions; ignored",
        )
    ]
