"""What a request becomes on the wire: knobs, headers, sessions, and what is left out."""

from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot

from gateway_core import FunctionTool, JsonObject, LoginRequired, Message, Request, Text
from gateway_core.content import Media
from gateway_core.errors import InvalidRequest, Unsupported
from gateway_core.formats import anthropic, chat, responses
from gateway_core.json import dumps, loads_object
from gateway_core.request import OutputSpec, ReasoningSpec, Sampling, SessionHints, Source
from gateway_grok.plugin import GrokProvider
from gateway_grok.settings import FamilyModels, GrokSettings
from support.about import each
from support.grok_asking import asked, body_of, degraded, hello, route_to, translated

UUID = "6a5c1b1e-0000-4000-8000-000000000001"
WEATHER = FunctionTool("get_weather", "Current weather", {"type": "object", "properties": {}})


def read(body: JsonObject, **headers: str) -> Request:
    return responses.read_request({"model": "grok-4.5", "input": "Hello", **body}, headers)


def test_the_whole_request() -> None:
    request = hello(
        instructions=[Text("You are terse.")],
        tools=[WEATHER],
        reasoning=ReasoningSpec(effort="low", summary="concise"),
        sampling=Sampling(max_output_tokens=4096),
        session=SessionHints(cache_key=UUID),
    )
    assert asked(request) == snapshot(
        {
            "model": "grok-4.5",
            "input": [
                {
                    "type": "message",
                    "role": "system",
                    "content": [{"type": "input_text", "text": "You are terse."}],
                },
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "Hello"}],
                },
            ],
            "tools": [
                {
                    "type": "function",
                    "name": "get_weather",
                    "description": "Current weather",
                    "parameters": {"type": "object", "properties": {}},
                }
            ],
            "tool_choice": "auto",
            "reasoning": {"effort": "low", "summary": "concise"},
            "max_output_tokens": 4096,
            "store": False,
            "stream": True,
            "include": ["reasoning.encrypted_content"],
            "prompt_cache_key": "6a5c1b1e-0000-4000-8000-000000000001",
        }
    )


def test_the_headers_of_the_proxy() -> None:
    settings = GrokSettings(client_version="1.2.3", user_agent="test/1")
    call = translated(hello(session=SessionHints(session_id=UUID)), settings=settings)
    assert call.headers == {
        "authorization": "Bearer access-token-of-ann",
        "user-agent": "test/1",
        "x-xai-token-auth": "xai-grok-cli",
        "x-grok-client-version": "1.2.3",
        "x-grok-client-identifier": "grok-shell",
        "x-authenticateresponse": "authenticate-response",
        "x-grok-model-override": "grok-4.5",
        "x-grok-conv-id": UUID,
        "accept": "text/event-stream",
        "content-type": "application/json",
    }


def test_the_headers_of_the_public_api() -> None:
    call = translated(hello(session=SessionHints(store=True, session_id=UUID)))
    assert call.headers.keys() == {
        "authorization",
        "user-agent",
        "x-grok-conv-id",
        "accept",
        "content-type",
    }
    assert call.headers["user-agent"].startswith("grok-shell/1.0.6 (")


def test_no_secret_is_in_body_or_repr() -> None:
    call = translated(hello())
    assert b"access-token-of-ann" not in call.body
    assert "access-token-of-ann" not in f"{call!r} {call.state!r}"


def test_without_a_login_the_command_is_named() -> None:
    with pytest.raises(LoginRequired, match="gateway login grok"):
        GrokProvider().gateway_translate(hello(), route_to("grok-4.5"), None, GrokSettings())


@each(
    "session, format, rail, store",
    [
        (SessionHints(), "chat", "auto", False),
        (SessionHints(), "responses", "auto", False),
        (SessionHints(store=True), "responses", "auto", True),
        (SessionHints(store=False), "responses", "api", False),
        (SessionHints(), "responses", "api", True),
        (SessionHints(), "chat", "api", False),
        (SessionHints(store=True), "responses", "proxy", False),
        (SessionHints(previous_response_id="r"), "responses", "auto", True),
        (SessionHints(previous_response_id="r", store=False), "responses", "auto", False),
    ],
)
def test_what_is_stored(session: SessionHints, format: str, rail: Any, store: bool) -> None:
    request = hello(session=session, source=Source(format, {}))
    call = translated(request, settings=GrokSettings(rail=rail))
    assert body_of(call)["store"] is store
    assert call.state.stored is store


def test_a_wish_to_store_that_cannot_be_met_is_told() -> None:
    call = translated(hello(session=SessionHints(store=True)), settings=GrokSettings(rail="proxy"))
    assert [notice.code for notice in call.notices] == ["not_stored"]


def test_a_conversation_goes_on_from_a_stored_response() -> None:
    request = read({"previous_response_id": "resp_01", "instructions": "Be brief."})
    body = asked(request)
    assert body["previous_response_id"] == "resp_01"
    assert "instructions" not in body
    assert [item["role"] for item in body["input"]] == ["system", "user"]


def test_results_may_follow_a_stored_call() -> None:
    output = {"type": "function_call_output", "call_id": "call_77", "output": "sun"}
    body = asked(read({"previous_response_id": "resp_01", "input": [output]}))
    assert body["input"] == [output]


def test_the_proxy_goes_on_from_nothing() -> None:
    with pytest.raises(InvalidRequest, match="public API") as caught:
        asked(read({"previous_response_id": "resp_01"}), settings=GrokSettings(rail="proxy"))
    assert caught.value.code == "previous_response_not_found"
    assert caught.value.param == "previous_response_id"


# --- knobs --------------------------------------------------------------------------------------


@each(
    "model, effort, sent",
    [
        ("grok-4.5", "low", "low"),
        ("grok-4.5", "minimal", "low"),
        ("grok-4.5", "xhigh", "high"),
        ("grok-4.5", "max", "high"),
        ("grok-4.5", "none", "low"),
        ("grok-4.6", "max", "xhigh"),
        ("grok-4.3", "none", "none"),
        ("grok-build-0.1", "high", None),
        ("grok-unknown", "high", None),
    ],
)
def test_the_effort_is_the_nearest_that_the_model_has(
    model: str, effort: str, sent: str | None
) -> None:
    body = asked(hello(reasoning=ReasoningSpec(effort=effort)), model)
    assert body.get("reasoning", {}).get("effort") == sent


def test_the_effort_in_a_name_wins_over_the_request_and_that_over_the_settings() -> None:
    settings = GrokSettings(effort="medium")
    request = hello(reasoning=ReasoningSpec(effort="low"))
    assert asked(request, settings=settings, options={"effort": "high"})["reasoning"]["effort"] == (
        "high"
    )
    assert asked(request, settings=settings)["reasoning"]["effort"] == "low"
    assert asked(hello(), settings=settings)["reasoning"]["effort"] == "medium"


@each(
    "format, spec, settings, summary",
    [
        ("chat", ReasoningSpec(), {}, "auto"),
        ("anthropic", ReasoningSpec(), {}, None),
        ("anthropic", ReasoningSpec(enabled=True), {}, "auto"),
        ("anthropic", ReasoningSpec(enabled=False), {"summary": "auto"}, None),
        ("responses", ReasoningSpec(), {}, None),
        ("responses", ReasoningSpec(summary="detailed"), {}, "detailed"),
        ("responses", ReasoningSpec(), {"summary": "concise"}, "concise"),
        ("chat", ReasoningSpec(), {"summary": "none"}, None),
    ],
)
def test_a_summary_is_asked_for_where_it_is_shown(
    format: str, spec: ReasoningSpec, settings: Any, summary: str | None
) -> None:
    request = hello(reasoning=spec, source=Source(format, {}))
    body = asked(request, settings=GrokSettings(**settings))
    assert body.get("reasoning", {}).get("summary") == summary


def test_sampling_that_xai_takes_goes_along() -> None:
    sampling = Sampling(max_output_tokens=99_999, temperature=0.0, top_p=0.9, stop=["END"])
    body = asked(hello(sampling=sampling))
    assert (body["temperature"], body["top_p"]) == (0.0, 0.9)
    assert body["max_output_tokens"] == 65_536
    assert "stop" not in body


def test_stop_sequences_are_honoured_here_and_sent_when_wanted() -> None:
    request = hello(sampling=Sampling(stop=["END"]), session=SessionHints(store=True))
    call = translated(request, settings=GrokSettings(forward_stop=True))
    assert body_of(call)["stop"] == ["END"]
    assert call.state.stop == ("END",)
    on_proxy = hello(sampling=Sampling(stop=["END"]))
    assert "stop" not in asked(on_proxy, settings=GrokSettings(forward_stop=True))


@each(
    "output, text",
    [
        (OutputSpec(), None),
        (OutputSpec("json"), {"format": {"type": "json_object"}}),
        (
            OutputSpec("json_schema", "city", "A city", {"type": "object"}, strict=True),
            {
                "format": {
                    "type": "json_schema",
                    "name": "city",
                    "schema": {"type": "object"},
                    "strict": True,
                }
            },
        ),
        (
            OutputSpec("json_schema"),
            {"format": {"type": "json_schema", "name": "answer", "schema": {}}},
        ),
    ],
)
def test_structured_output(output: OutputSpec, text: JsonObject | None) -> None:
    assert asked(hello(output=output)).get("text") == text


def test_fields_of_the_responses_format_that_xai_knows_go_along() -> None:
    body = asked(
        read(
            {
                "include": ["no_inline_citations", "computer_call_output.output.image_url"],
                "top_logprobs": 3,
                "user": "ann",
                "parallel_tool_calls": False,
                "tools": [{"type": "function", "name": "f"}],
            }
        )
    )
    assert body["include"] == ["reasoning.encrypted_content", "no_inline_citations"]
    assert (body["top_logprobs"], body["user"]) == (3, "ann")
    assert body["parallel_tool_calls"] is False


def test_without_tools_there_is_no_choice_among_them() -> None:
    body = asked(read({"tool_choice": "auto", "parallel_tool_calls": True}))
    assert body.keys().isdisjoint({"tools", "tool_choice", "parallel_tool_calls"})


def test_what_xai_refuses_is_left_out_and_told() -> None:
    request = read(
        {
            "metadata": {"a": "b"},
            "service_tier": "priority",
            "background": True,
            "prompt_cache_retention": "24h",
            "safety_identifier": "s",
            "truncation": "auto",
            "stream_options": {"include_obfuscation": False},
            "max_tool_calls": 3,
            "text": {"verbosity": "low"},
        }
    )
    call = translated(degraded(request))
    assert body_of(call).keys() == {
        "model",
        "input",
        "user",
        "store",
        "stream",
        "include",
        "prompt_cache_key",
    }
    assert [notice.code for notice in call.notices] == [
        "dropped_service_tier",
        "dropped_metadata",
    ]


@pytest.mark.parametrize("tier", ["auto", "default", "standard_only"])
def test_the_standard_tier_needs_no_words(tier: str) -> None:
    assert translated(hello(session=SessionHints(service_tier=tier))).notices == []


def test_a_model_in_the_settings_answers_everything() -> None:
    settings = GrokSettings(model="grok-4.3-low")
    body = asked(hello(), "grok-4.6", settings)
    assert (body["model"], body["reasoning"]["effort"]) == ("grok-4.3", "low")


# --- sessions -----------------------------------------------------------------------------------


def test_a_session_is_a_uuid_everywhere() -> None:
    call = translated(read({"prompt_cache_key": "my-cache"}))
    session = body_of(call)["prompt_cache_key"]
    assert call.headers["x-grok-conv-id"] == session
    assert len(session) == 36


def test_a_helper_agent_and_the_composer_have_conversations_of_their_own() -> None:
    main = asked(hello(session=SessionHints(session_id=UUID)))
    helper = asked(hello(session=SessionHints(session_id=UUID, agent_id="a1")))
    composer = asked(hello(session=SessionHints(session_id=UUID)), "grok-composer-2.5-fast")
    assert main["prompt_cache_key"] == UUID
    assert len({body["prompt_cache_key"] for body in (main, helper, composer)}) == 3


def test_a_conversation_without_a_name_is_known_by_its_beginning() -> None:
    longer = hello()
    longer.messages += [Message("assistant", [Text("Hi")]), Message("user", [Text("More")])]
    assert asked(hello())["prompt_cache_key"] == asked(longer)["prompt_cache_key"]
    assert asked(Request("m", []))["input"][0]["content"][0]["text"] == "Go ahead."


# --- what real clients send ---------------------------------------------------------------------

CAPTURES = Path(__file__).parents[1] / "captures"
WITH_A_PDF = {"openai-python-3.52-responses-tools"}
FORMATS = {
    "/v1/messages": anthropic.FORMAT,
    "/v1/chat/completions": chat.FORMAT,
    "/v1/responses": responses.FORMAT,
}


def captured(path: Path) -> Request | None:
    sent = loads_object(path.read_bytes())["request"]
    format = FORMATS.get(sent["path"])
    if format is None or sent["body"] is None:
        return None
    headers = {name.lower(): value for name, value in sent["headers"]}
    return format.read_request(sent["body"], headers)


@each("path", [path for path in sorted(CAPTURES.glob("*.json")) if captured(path)])
def test_what_real_clients_send_is_translated_or_refused_by_name(path: Path) -> None:
    request = captured(path)
    assert request is not None
    if path.stem in WITH_A_PDF:
        with pytest.raises(Unsupported, match="files by URL"):
            asked(degraded(request))
        return
    body = asked(degraded(request))
    assert b"x-anthropic-billing-header" not in dumps(body)
    assert body["input"]
    known = {"model", "input", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text"}
    known |= {"max_output_tokens", "temperature", "top_p", "user", "store", "stream", "include"}
    assert body.keys() <= known | {"prompt_cache_key"}


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="plain version"):
        GrokSettings(client_version="latest")
    with pytest.raises(ValueError, match="https://"):
        GrokSettings(api_url="ftp://x")
    with pytest.raises(ValueError, match="printable"):
        GrokSettings(referrer="a\nb")
    assert GrokSettings(api_url="https://a.example/v1/").api_url == "https://a.example/v1"
    assert FamilyModels().haiku == "grok-build-0.1"


def test_a_text_document_is_told_as_text() -> None:
    document = Media("document", "text/markdown", "a.md", data="IyBIaQ==")
    request = Request("m", [Message("user", [document])])
    (item,) = asked(request)["input"]
    assert item["content"] == [{"type": "input_text", "text": "a.md:\n# Hi"}]
