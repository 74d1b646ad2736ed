"""How requests are asked of the Codex backend: fields, knobs, lanes, headers."""

from copy import deepcopy
from dataclasses import replace

import pytest
from inline_snapshot import snapshot

from gateway_codex.settings import CodexSettings
from gateway_core import (
    FunctionTool,
    HostedTool,
    JsonObject,
    Media,
    Message,
    Request,
    Text,
    Unsupported,
)
from gateway_core.request import SessionHints, Source
from gateway_core.testing.conversations import obliged
from support.about import each
from support.codex_asking import (
    ACCOUNT,
    asked,
    body_of,
    capabilities,
    captured_requests,
    degraded,
    translated,
)
from support.corpus import CONVERSATIONS

CAPTURED = dict(captured_requests())
FIELDS = {
    "model",
    "instructions",
    "input",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "text",
    "service_tier",
    "store",
    "stream",
    "include",
    "prompt_cache_key",
}
SESSION = "6a5c1b1e-0000-4000-8000-000000000001"


def hello(text: str = "Hello") -> Request:
    return Request("gpt-5.5", [Message("user", [Text(text)])])


def from_client(format: str, **body: object) -> Request:
    """A request that a client sent in this format; `body` is what only the provider reads."""
    return replace(hello(), source=Source(format, body))


def weather(strict: bool | None = None, **schema: object) -> FunctionTool:
    parameters: JsonObject = {"type": "object", "properties": {"city": {"type": "string"}}}
    return FunctionTool("get_weather", "The weather", {**parameters, **schema}, strict)


@each("model", ["gpt-5.5", "gpt-5.6-sol", "gpt-5.4-mini"])
@each("name", CAPTURED)
def test_everything_that_real_clients_send_is_welcome(name: str, model: str) -> None:
    body = asked(degraded(CAPTURED[name], model), model)
    assert body.keys() <= FIELDS
    assert body["model"] == model


@pytest.mark.parametrize("model", ["gpt-5.5", "gpt-5.6-terra"])
def test_every_common_conversation_is_welcome(model: str) -> None:
    welcome = [name for name in CONVERSATIONS if obliged(CONVERSATIONS[name], capabilities(model))]
    assert len(welcome) > 100
    for name in welcome:
        assert asked(degraded(CONVERSATIONS[name], model), model).keys() <= FIELDS


@each("name", CAPTURED)
def test_translation_is_deterministic_and_leaves_the_request_untouched(name: str) -> None:
    request = CAPTURED[name]
    before = deepcopy(request)
    call = translated(request)
    assert call == translated(before)
    assert request == before


def test_a_plain_question() -> None:
    request = hello()
    request.instructions = [Text("Be brief."), Text("Be kind.")]
    request.session = SessionHints(session_id=SESSION)
    call = translated(request)
    assert (call.method, call.url) == ("POST", "https://chatgpt.com/backend-api/codex/responses")
    assert body_of(call) == snapshot(
        {
            "model": "gpt-5.5",
            "instructions": "Be brief.\n\nBe kind.",
            "input": [
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "Hello"}],
                }
            ],
            "reasoning": {"summary": "auto"},
            "store": False,
            "stream": True,
            "include": ["reasoning.encrypted_content"],
            "prompt_cache_key": "6a5c1b1e-0000-4000-8000-000000000001",
        }
    )


def test_headers_name_the_account_the_session_and_ourselves() -> None:
    settings = CodexSettings(user_agent="mine/1.0 (Linux)")
    request = replace(hello(), session=SessionHints(session_id=SESSION))
    assert translated(request, settings=settings).headers == {
        "authorization": "Bearer access-token-of-ann",
        "chatgpt-account-id": ACCOUNT,
        "originator": "gateway",
        "user-agent": "mine/1.0 (Linux)",
        "accept": "text/event-stream",
        "content-type": "application/json",
        "session-id": SESSION,
        "x-client-request-id": SESSION,
    }


def test_the_call_does_not_show_the_token() -> None:
    assert "access-token-of-ann" not in repr(translated(hello()))


def test_sampling_never_reaches_the_backend() -> None:
    body = asked(CONVERSATIONS["sampling"])
    assert body.keys().isdisjoint({"temperature", "top_p", "max_output_tokens"})


def test_a_conversation_without_words_gets_some() -> None:
    (item,) = asked(Request("gpt-5.5", []))["input"]
    assert (item["role"], item["content"][0]["type"]) == ("user", "input_text")


# Sessions.


def test_a_session_that_is_no_uuid_becomes_one() -> None:
    keys = {
        name: asked(replace(hello(), session=SessionHints(session_id=name)))["prompt_cache_key"]
        for name in ("mine", "other", "long" * 40)
    }
    assert len(set(keys.values())) == 3
    assert {len(key) for key in keys.values()} == {36}


def test_a_helper_agent_has_its_own_cache() -> None:
    def key(agent: str | None) -> str:
        session = SessionHints(session_id=SESSION, agent_id=agent)
        found = asked(replace(hello(), session=session))["prompt_cache_key"]
        assert isinstance(found, str)
        return found

    assert key(None) == SESSION
    assert key("a1") == key("a1")
    assert len({key(None), key("a1"), key("a2")}) == 3


def test_without_a_session_the_beginning_of_the_conversation_is_one() -> None:
    longer = hello()
    longer.messages += [Message("assistant", [Text("Hi.")]), Message("user", [Text("And?")])]
    first, later, other = (
        asked(request)["prompt_cache_key"] for request in (hello(), longer, hello("Bye"))
    )
    assert first == later != other


# Lanes.


def test_the_newest_models_are_asked_in_the_lite_lane() -> None:
    request = replace(hello(), tools=[weather()], instructions=[Text("Be brief.")])
    call = translated(request, "gpt-5.6-sol")
    body = body_of(call)
    assert call.headers["x-openai-internal-codex-responses-lite"] == "true"
    assert body.keys().isdisjoint({"tools", "instructions"})
    assert body["parallel_tool_calls"] is False
    assert body["reasoning"]["context"] == "all_turns"
    tools, instructions, question = body["input"]
    assert (tools["type"], tools["role"]) == ("additional_tools", "developer")
    assert [tool["name"] for tool in tools["tools"]] == ["get_weather"]
    assert instructions["role"] == "developer"
    assert instructions["content"] == [{"type": "input_text", "text": "Be brief."}]
    assert question["role"] == "user"


def test_hosted_tools_are_asked_in_the_full_lane() -> None:
    request = replace(hello(), tools=[weather(), HostedTool("web_search", "web_search")])
    call = translated(request, "gpt-5.6-sol")
    assert "x-openai-internal-codex-responses-lite" not in call.headers
    assert [tool["type"] for tool in body_of(call)["tools"]] == ["function", "web_search"]


def test_a_model_of_the_lite_lane_alone_runs_no_hosted_tools() -> None:
    request = replace(hello(), tools=[HostedTool("web_search", "web_search")])
    with pytest.raises(Unsupported, match="runs no hosted tools"):
        asked(request, "gpt-5.6-luna")


def test_a_model_set_in_the_settings_answers_everything() -> None:
    body = asked(hello(), "gpt-5.4", CodexSettings(model="gpt-5.5-fast-high"))
    assert (body["model"], body["service_tier"]) == ("gpt-5.5", "priority")
    assert body["reasoning"]["effort"] == "high"


def test_compaction_in_band_is_asked_for_by_its_feature() -> None:
    call = translated(CAPTURED["codex-0.169-chatgpt-compaction-trigger"])
    assert body_of(call)["input"][-1] == {"type": "compaction_trigger"}
    assert call.headers["x-codex-beta-features"] == "remote_compaction_v2"


# Media.


def test_a_document_of_text_becomes_text() -> None:
    plain = Media("document", "text/plain", "a.txt", data="Grüße")
    markdown = Media("document", "text/markdown", data="IyBIaQ==")
    (item,) = asked(Request("gpt-5.5", [Message("user", [plain, markdown])]))["input"]
    assert [part["text"] for part in item["content"]] == ["a.txt:\nGrüße", "# Hi"]


def test_a_document_gets_a_name() -> None:
    document = Media("document", "application/pdf", data="JVBERi0=")
    (item,) = asked(Request("gpt-5.5", [Message("user", [document])]))["input"]
    assert item["content"] == [
        {
            "type": "input_file",
            "filename": "document.pdf",
            "file_data": "data:application/pdf;base64,JVBERi0=",
        }
    ]


@pytest.mark.parametrize(
    ("media", "words"),
    [
        (Media("image", file="file-1"), "not a file id"),
        (Media("audio", "audio/wav", data="UklGRg=="), "no 'input_audio' content"),
    ],
    ids=["file id", "audio"],
)
def test_media_that_cannot_be_sent_are_refused_by_name(media: Media, words: str) -> None:
    with pytest.raises(Unsupported, match=words):
        asked(Request("gpt-5.5", [Message("user", [media])]))
