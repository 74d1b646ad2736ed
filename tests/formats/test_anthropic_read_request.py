"""Fields around the messages of an Anthropic request."""

from typing import Any

import pytest
from inline_snapshot import snapshot

from gateway_core.content import Message, Text
from gateway_core.errors import Unsupported
from gateway_core.events import Notice
from gateway_core.formats.anthropic import read_count_request, read_request
from gateway_core.json import JsonObject
from gateway_core.request import OutputSpec, ReasoningSpec, Request, Sampling
from support.about import each


def read(headers: dict[str, str] | None = None, **fields: Any) -> Request:
    """The smallest request with these fields."""
    messages = [{"role": "user", "content": "Hi"}]
    return read_request({"model": "m", "messages": messages, **fields}, headers or {})


def test_the_smallest_request() -> None:
    request = read()
    assert request.messages == [Message("user", [Text("Hi")])]
    assert request.instructions == []
    assert request.stream is False
    assert request.sampling.max_output_tokens is None
    assert request.source.format == "anthropic"
    assert request.notices == []


def test_system_as_a_string() -> None:
    assert read(system="Be brief.").instructions == [Text("Be brief.")]


def test_system_as_blocks_keeps_cache_marks() -> None:
    blocks = [
        {"type": "text", "text": "One."},
        {"type": "text", "text": "Two.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ]
    assert read(system=blocks).instructions == [
        Text("One."),
        Text("Two.", extras={"anthropic": {"cache_control": {"type": "ephemeral", "ttl": "1h"}}}),
    ]


def test_only_the_line_of_a_billing_header_is_dropped() -> None:
    line = "x-anthropic-billing-header: cc_version=2;"
    assert read(system=f"{line}\nBe brief.").instructions == [Text("Be brief.")]
    assert read(system=line).instructions == []


def test_a_billing_header_elsewhere_is_text() -> None:
    blocks = [
        {"type": "text", "text": "Be brief."},
        {"type": "text", "text": "x-anthropic-billing-header: is a header"},
    ]
    assert len(read(system=blocks).instructions) == 2


def test_a_system_block_of_a_newer_type_is_left_out_with_a_notice() -> None:
    request = read(system=[{"type": "hologram"}, {"type": "text", "text": "Be brief."}])
    assert request.instructions == [Text("Be brief.")]
    assert [notice.code for notice in request.notices] == ["unknown_block"]


def test_sampling_and_limits() -> None:
    request = read(
        max_tokens=100, temperature=0, top_p=0.5, top_k=40, stop_sequences=["END", "STOP"]
    )
    assert request.sampling == Sampling(
        max_output_tokens=100, temperature=0.0, top_p=0.5, top_k=40, stop=["END", "STOP"]
    )


@each(
    "thinking, expected",
    [
        ({"type": "adaptive"}, ReasoningSpec(enabled=True)),
        ({"type": "adaptive", "display": "omitted"}, ReasoningSpec(enabled=True)),
        ({"type": "adaptive", "display": "updates"}, ReasoningSpec(enabled=True)),
        (
            {"type": "adaptive", "display": "summarized"},
            ReasoningSpec(enabled=True, summary="auto"),
        ),
        (
            {"type": "enabled", "budget_tokens": 31999},
            ReasoningSpec(enabled=True, budget_tokens=31999),
        ),
        ({"type": "disabled"}, ReasoningSpec(enabled=False)),
        ({"type": "between_tools"}, ReasoningSpec(enabled=True)),
    ],
)
def test_thinking(thinking: JsonObject, expected: ReasoningSpec) -> None:
    assert read(thinking=thinking).reasoning == expected


@each("effort", ["low", "medium", "high", "xhigh", "max"])
def test_effort(effort: str) -> None:
    assert read(output_config={"effort": effort}).reasoning.effort == effort


def test_an_unknown_effort_is_left_out_with_a_notice() -> None:
    request = read(output_config={"effort": "heroic"})
    assert request.reasoning.effort is None
    assert request.notices == [Notice("unknown_effort", "the effort 'heroic' was left out")]


SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}}


@pytest.mark.parametrize(
    "fields",
    [
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        {"output_format": {"type": "json_schema", "schema": SCHEMA}},
    ],
    ids=["output_config", "legacy"],
)
def test_structured_output(fields: JsonObject) -> None:
    assert read(**fields).output == OutputSpec(kind="json_schema", schema=SCHEMA)


def test_an_unknown_output_format_is_left_out_with_a_notice() -> None:
    request = read(output_config={"format": {"type": "grammar"}})
    assert request.output == OutputSpec()
    assert [notice.code for notice in request.notices] == ["unknown_output_format"]


def test_session_from_the_headers_goes_before_the_user_id() -> None:
    headers = {"x-claude-code-session-id": "s-1", "x-claude-code-agent-id": "a-1"}
    session = read(headers, metadata={"user_id": '{"session_id":"s-2"}'}).session
    assert (session.session_id, session.agent_id) == ("s-1", "a-1")


def test_session_and_device_from_the_user_id() -> None:
    user = '{"device_id":"d-1","account_uuid":"","session_id":"s-2"}'
    session = read(metadata={"user_id": user}).session
    assert (session.session_id, session.user) == ("s-2", "d-1")
    assert session.metadata == {"user_id": user}


@pytest.mark.parametrize("user", ["u-1", "{not json", '{"session_id": 5}'])
def test_other_user_ids_are_only_a_user(user: str) -> None:
    session = read(metadata={"user_id": user}).session
    assert (session.session_id, session.user) == (None, user)


def test_service_tier() -> None:
    assert read(service_tier="standard_only").session.service_tier == "standard_only"


def test_fields_for_the_vendors_own_service_are_accepted_quietly() -> None:
    request = read(
        context_management={"edits": []},
        betas=["x"],
        mcp_servers=[],
        container=None,
        cache_control={"type": "ephemeral"},
        inference_geo="eu",
        speed="fast",
        fallbacks=[],
        diagnostics=None,
    )
    assert request.notices == []


def test_a_container_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match=r"^container: .* tool of your own") as caught:
        read(container="container_1")
    assert caught.value.param == "container"


@each(
    "field, value, words",
    [
        ("thread", {"type": "create"}, r"^thread: .* send all of it in `messages`"),
        ("compaction", {"type": "summarize"}, r"^compaction: .* ask for a summary"),
    ],
)
def test_what_nothing_else_can_stand_in_for_is_refused_by_name(
    field: str, value: JsonObject, words: str
) -> None:
    with pytest.raises(Unsupported, match=words) as caught:
        read(**{field: value})
    assert caught.value.param == field


def test_the_tokens_of_a_conversation_to_be_compacted_can_be_counted() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    counted = read_count_request({**body, "compaction": {"type": "summarize"}}, {})
    assert counted == read_count_request(body, {})


def test_edits_of_the_conversation_are_noticed_but_for_the_usual_one() -> None:
    """Claude Code asks for that in every request."""
    usual = {"type": "clear_thinking_20251015", "keep": "all"}
    other = {"type": "clear_tool_uses_20250919"}
    assert read(context_management={"edits": [usual, other]}).notices == [
        Notice(
            "unknown_context_edit",
            "context_management.edits.1: 'clear_tool_uses_20250919' was left out",
        )
    ]


def test_unknown_wishes_for_the_output_are_noticed() -> None:
    wished = {"effort": "low", "task_budget": {"type": "tokens", "total": 9000}}
    assert read(output_config=wished).notices == [
        Notice("unknown_field", "the field 'output_config.task_budget' was left out")
    ]


def test_unknown_fields_are_noticed_in_a_stable_order() -> None:
    assert read(zeta=1, alpha={}).notices == snapshot(
        [
            Notice(code="unknown_field", message="the field 'alpha' is unknown and was left out"),
            Notice(code="unknown_field", message="the field 'zeta' is unknown and was left out"),
        ]
    )


def test_system_messages_stay_where_they_are() -> None:
    request = read(
        messages=[
            {"role": "system", "content": "First."},
            {"role": "user", "content": "Hi"},
            {"role": "system", "content": [{"type": "text", "text": "Then."}]},
        ]
    )
    assert request.messages == [
        Message("system", [Text("First.")]),
        Message("user", [Text("Hi")]),
        Message("system", [Text("Then.")]),
    ]


def test_messages_without_content_are_left_out() -> None:
    request = read(
        messages=[
            {"role": "user", "content": "Hi"},
            {"role": "system", "output_config": {"effort": "low"}},
            {"role": "assistant", "content": []},
            {"role": "assistant", "content": [{"type": "text", "text": ""}]},
            {"role": "user", "content": "Still there?"},
        ]
    )
    assert [message.role for message in request.messages] == ["user", "user"]


def test_results_in_consecutive_messages_become_one_message() -> None:
    def result(call: str) -> JsonObject:
        block = {"type": "tool_result", "tool_use_id": call, "content": "ok"}
        return {"role": "user", "content": [block]}

    request = read(messages=[result("a"), result("b"), {"role": "user", "content": "Go on."}])
    assert [len(message.parts) for message in request.messages] == [2, 1]
