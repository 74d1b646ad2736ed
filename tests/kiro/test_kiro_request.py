"""Requests as they are sent."""

import base64
from base64 import b64encode
from typing import Any

import pytest

from gateway_core import (
    Credential,
    FunctionTool,
    HostedCall,
    HostedTool,
    JsonObject,
    LoginRequired,
    Media,
    Message,
    Reasoning,
    Request,
    Route,
    Seal,
    Text,
    ToolCall,
    ToolResult,
    Unsupported,
)
from gateway_core.content import Foreign, Part
from gateway_core.request import OutputSpec, ReasoningSpec, SessionHints, ToolChoice
from gateway_kiro.plugin import KiroProvider
from gateway_kiro.settings import KiroSettings
from support.about import each
from support.kiro_asking import ARN, CREDENTIAL, asked, body_of, document, messages_of, translated
from support.pictures import PDF_BASE64, PNG_BASE64

SESSION = "6f1c2d3e-4a5b-4c6d-8e7f-901122334455"
READ_FILE: JsonObject = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "limit": {"type": "integer"}},
    "required": ["path"],
}


def user(*parts: Part | str) -> Message:
    return Message("user", [Text(part) if isinstance(part, str) else part for part in parts])


def assistant(*parts: Part | str) -> Message:
    return Message("assistant", [Text(part) if isinstance(part, str) else part for part in parts])


def request(*messages: Message, **more: Any) -> Request:
    return Request("m", [*messages], session=SessionHints(session_id=SESSION), **more)


def expected(name: str) -> tuple[str, dict[str, str], JsonObject]:
    """A documented request without what is new in each call."""
    recorded = document(name)
    headers = {key: value for key, value in recorded["headers"].items() if "agent" not in key}
    del headers["amz-sdk-invocation-id"]
    body = recorded["body"]
    del body["conversationState"]["agentContinuationId"]
    return recorded["url"], headers, body


def sent(
    request: Request, model: str = "claude-sonnet-4.5", **settings: Any
) -> tuple[str, dict[str, str], JsonObject]:
    """The same of what we send."""
    call = translated(request, model, KiroSettings(**settings))
    headers = {key: value for key, value in call.headers.items() if "agent" not in key}
    del headers["amz-sdk-invocation-id"]
    body = body_of(call)
    assert len(body["conversationState"].pop("agentContinuationId")) == 36
    return call.url, headers, body


def basic() -> Request:
    return request(user("Hello"), instructions=[Text("Be terse.")])


def with_tools() -> Request:
    calls = (
        ToolCall("tooluse_q1W2e3R4t5Y6u7I8o9P0aA", "read_file", '{"path":"a.txt"}'),
        ToolCall("tooluse_z9X8c7V6b5N4m3L2k1J0hH", "list_windows", "{}"),
    )
    return request(
        user("Read a.txt and list the windows"),
        assistant("I will do both.", *calls),
        user(
            ToolResult(calls[0].id, [Text("line 1\nline 2")]),
            ToolResult(calls[1].id, [Text("no such window")], failed=True),
        ),
        instructions=[Text("System text here.")],
        tools=[
            FunctionTool("read_file", "Read a text file", READ_FILE),
            FunctionTool("list_windows", "List open windows", {"type": "object"}),
        ],
    )


def with_media() -> Request:
    notes = base64.b64encode(b"# Notes\n").decode()
    picture = document("request-media")["body"]["conversationState"]["currentMessage"]
    png = picture["userInputMessage"]["images"][0]["source"]["bytes"]
    return request(
        user(
            "Inspect both.",
            Media("image", "image/png", data=png),
            Media("document", "text/markdown", name="notes.md", data=notes),
        )
    )


def with_reasoning() -> Request:
    scope = translated(basic(), "claude-opus-4.8").state.scope
    seal = Seal("kiro", "ZmFrZS1zaWduYXR1cmUtZm9yLXRlc3Rz", scope=scope)
    return request(
        user("Plan it"),
        assistant(Reasoning("First I look.", seal), "Here is the plan."),
        user("Go on"),
        reasoning=ReasoningSpec(enabled=True, effort="high"),
    )


@each(
    "name, asks, model",
    [
        ("request-basic", basic, "claude-sonnet-4.5"),
        ("request-tools", with_tools, "claude-sonnet-4.5"),
        ("request-media", with_media, "claude-sonnet-4.5"),
        ("request-reasoning", with_reasoning, "claude-opus-4.8"),
    ],
)
def test_a_documented_request_is_sent_as_documented(name: str, asks: Any, model: str) -> None:
    url, headers, body = expected(name)
    if name == "request-tools":
        # Either filler is documented; this one says what is there.
        current = body["conversationState"]["currentMessage"]["userInputMessage"]
        current["content"] = "Tool results attached."
    assert sent(asks(), model) == (url, headers, body)


def test_the_older_host_is_asked_in_its_own_form() -> None:
    url, headers, body = expected("request-rest-legacy")
    body["profileArn"] = ARN  # of a social login, which names it here too
    assert sent(request(user("Hello")), endpoint="legacy") == (url, headers, body)


def test_the_current_host_has_a_form_without_a_target() -> None:
    url, headers, _ = sent(basic(), endpoint="runtime-rest")
    assert url == "https://runtime.us-east-1.kiro.dev/generateAssistantResponse"
    assert headers["content-type"] == "application/json"
    assert "x-amz-target" not in headers


def test_we_go_by_our_own_name_unless_settings_change_it() -> None:
    headers = translated(basic()).headers
    assert headers["user-agent"].startswith("gateway-kiro/")
    assert headers["x-amz-user-agent"] == headers["user-agent"]
    named = translated(basic(), settings=KiroSettings(user_agent="mine/1")).headers
    assert (named["user-agent"], named["x-amz-user-agent"]) == ("mine/1", "mine/1")


def test_a_call_has_one_id_however_often_it_is_tried() -> None:
    ids = {translated(basic()).headers["amz-sdk-invocation-id"] for _ in range(3)}
    other = translated(request(user("Bye"))).headers["amz-sdk-invocation-id"]
    assert len(ids) == 1 and other not in ids


def test_without_a_login_the_command_is_named() -> None:
    with pytest.raises(LoginRequired, match="gateway login kiro"):
        KiroProvider().gateway_translate(
            basic(), Route("kiro", "auto", "auto"), None, KiroSettings()
        )


# Profiles and regions


def credential(kind: str, **extra: str) -> Credential:
    return CREDENTIAL.model_copy(update={"extra": {"kind": kind, **extra}})


EU_ARN = ARN.replace("us-east-1", "eu-central-1")
BUILDER = credential("idc", provider="BuilderId", sso_region="us-east-1")


@each(
    "login, settings, host, profile",
    [
        (CREDENTIAL, {}, "runtime.us-east-1.kiro.dev", ARN),
        (credential("idc", profile_arn=EU_ARN), {}, "runtime.eu-central-1.kiro.dev", EU_ARN),
        (BUILDER, {}, "runtime.us-east-1.kiro.dev", "builder"),
        (BUILDER, {"endpoint": "legacy"}, "q.us-east-1.amazonaws.com", None),
        (credential("social"), {}, "runtime.us-east-1.kiro.dev", "social"),
        (credential("api_key"), {}, "runtime.us-east-1.kiro.dev", None),
        (credential("idc", sso_region="eu-west-1"), {}, "runtime.eu-central-1.kiro.dev", None),
        (credential("idc", sso_region="ap-southeast-1"), {}, "runtime.us-east-1.kiro.dev", None),
        (credential("idc", sso_region="evil.example/"), {}, "runtime.us-east-1.kiro.dev", None),
        (credential("idc", api_region="s3"), {}, "runtime.us-east-1.kiro.dev", None),
        (credential("idc", api_region="us-gov-west-1"), {}, "runtime.us-gov-west-1.kiro.dev", None),
        (credential("idc", api_region="eu-central-1"), {}, "runtime.eu-central-1.kiro.dev", None),
        (CREDENTIAL, {"region": "eu-central-1"}, "runtime.eu-central-1.kiro.dev", ARN),
        (CREDENTIAL, {"profile_arn": EU_ARN}, "runtime.eu-central-1.kiro.dev", EU_ARN),
    ],
)
def test_region_and_profile_follow_from_login_and_settings(
    login: Credential, settings: Any, host: str, profile: str | None
) -> None:
    call = translated(basic(), credential=login, settings=KiroSettings(**settings))
    assert call.url.split("/")[2] == host
    arn = body_of(call).get("profileArn")
    services = {"builder": "638616132270", "social": "699475941385"}
    if profile is not None and profile in services:
        assert arn is not None and services[profile] in arn
    else:
        assert arn == profile
    in_header = None if settings.get("endpoint") == "legacy" else arn
    assert call.headers.get("x-amzn-kiro-profile-arn") == in_header


@pytest.mark.parametrize(
    ("login", "header"),
    [
        (credential("api_key"), ("tokentype", "API_KEY")),
        (credential("external_idp"), ("tokentype", "EXTERNAL_IDP")),
        (credential("social", provider="Internal"), ("redirect-for-internal", "true")),
    ],
)
def test_some_logins_are_told_apart_by_a_header(login: Credential, header: tuple[str, str]) -> None:
    assert header in translated(basic(), credential=login).headers.items()


# Conversations


def test_instructions_stand_before_the_first_words() -> None:
    asks = request(
        Message("system", [Text("The date is today.")]),
        user("Hello"),
        instructions=[Text("Be brief."), Text("Be kind.")],
    )
    assert messages_of(asked(asks))[0]["content"] == (
        "Be brief.\n\nBe kind.\n\nThe date is today.\n\nHello"
    )


def test_a_system_message_in_the_middle_stays_where_it_is() -> None:
    asks = request(
        user("Hello"), assistant("Hi."), Message("system", [Text("Be brief.")]), user("And you?")
    )
    assert messages_of(asked(asks))[-1]["content"] == (
        "<system-reminder>\nBe brief.\n</system-reminder>\nAnd you?"
    )


def test_a_result_brings_its_pictures_and_files_along() -> None:
    asks = request(
        user("Look"),
        assistant(ToolCall("c1", "look", "{}"), ToolCall("c2", "read", "{}")),
        user(
            ToolResult("c1", [Media("image", "image/jpg", data=PNG_BASE64)]),
            ToolResult("c2", [Text("Two:"), Media("document", "application/pdf", data=PDF_BASE64)]),
        ),
    )
    message = messages_of(asked(asks))[-1]
    assert [image["format"] for image in message["images"]] == ["png"]  # as the bytes say
    assert [(file["name"], file["format"]) for file in message["documents"]] == [
        ("document", "pdf")
    ]
    texts = [
        result["content"][0]["text"] for result in message["userInputMessageContext"]["toolResults"]
    ]
    assert texts == ["(the image is attached)", "Two:\n(the document is attached)"]


def test_documents_of_one_message_have_names_of_their_own() -> None:
    files = [
        Media("document", "application/pdf", name=name, data=PDF_BASE64)
        for name in ("a/b.pdf", "a  b.pdf", "Été?.pdf", None)
    ]
    named = messages_of(asked(request(user(*files, "Compare"))))[0]["documents"]
    assert [file["name"] for file in named] == ["a b", "a b 2", "t", "document"]


def test_a_document_of_plain_text_is_a_text() -> None:
    note = Media("document", "text/plain", name="note.txt", data="Buy milk.")
    message = messages_of(asked(request(user(note, "What?"))))[0]
    assert message["content"] == "note.txt:\nBuy milk.\nWhat?"


def test_so_is_one_that_reads_as_text_and_that_the_service_has_no_form_for() -> None:
    code = Media("document", "application/json", name="a.json", data=b64encode(b'{"a":1}').decode())
    known = Media("document", "text/markdown", name="b.md", data=b64encode(b"# B").decode())
    message = messages_of(asked(request(user(code, known, "What?"))))[0]
    assert message["content"] == 'a.json:\n{"a":1}\nWhat?'
    assert [file["format"] for file in message["documents"]] == ["md"]


@each(
    "part, word",
    [
        (Media("image", "image/tiff", data="SUkqAA=="), "image/tiff"),
        (Media("image", url="https://example.org/a.png"), "by URL"),
        (Media("document", file="file-1"), "by file id"),
        (Media("document", "application/zip", data="UEsDBBQAAAAI"), "application/zip"),
        (Media("audio", "audio/wav", data="UklGRg=="), "'audio'"),
        (Foreign("responses", "computer_call", {}), "'computer_call'"),
    ],
)
def test_what_cannot_be_sent_is_refused_by_name(part: Part, word: str) -> None:
    with pytest.raises(Unsupported, match=word) as caught:
        asked(request(user("See", part)))
    assert caught.value.param == "messages[0].content[1]"


def test_the_local_shell_of_the_responses_format_is_a_tool_like_others() -> None:
    action = {"type": "exec", "command": ["ls"]}
    call = {"type": "local_shell_call", "call_id": "s1", "action": action}
    output = {"type": "local_shell_call_output", "call_id": "s1", "output": "a.txt"}
    asks = request(
        user("List"),
        assistant(Foreign("responses", "local_shell_call", call)),
        user(Foreign("responses", "local_shell_call_output", output)),
    )
    messages = messages_of(asked(asks))
    assert messages[1]["toolUses"] == [{"toolUseId": "s1", "name": "local_shell", "input": action}]
    results = messages[2]["userInputMessageContext"]["toolResults"]
    assert results[0]["content"] == [{"text": "a.txt"}]


@each(
    "arguments, input",
    [
        ('{"a":1}', {"a": 1}),
        ("", {}),
        ("[1]", {"value": [1]}),
        ('{"a":', {"_raw": '{"a":'}),
    ],
)
def test_the_input_of_a_tool_is_an_object(arguments: str, input: JsonObject) -> None:
    asks = request(user("Do"), assistant(ToolCall("c", "do", arguments)))
    assert messages_of(asked(asks))[1]["toolUses"][0]["input"] == input


def test_a_search_of_the_history_is_told_in_words() -> None:
    sources = [{"url": "https://example.org/a", "title": "A"}, {"title": "nowhere"}]
    search = HostedCall("s", "web_search", '{"query":"news"}', {"sources": sources})
    asks = request(user("News?"), assistant(search, "All is well."), user("Sure?"))
    assert messages_of(asked(asks))[1]["content"] == (
        "[Searched the web for 'news']\n- A: https://example.org/a\nAll is well."
    )


def test_characters_that_break_requests_are_replaced() -> None:
    arguments = '{"text":"a\\u0000b"}'
    asks = request(user("one\0two"), assistant(ToolCall("c", "do", arguments)), user("\ud800"))
    body = asked(asks)
    assert b"\\u0000" not in translated(asks).body
    assert messages_of(body)[0]["content"] == "one\ufffdtwo"
    assert messages_of(body)[2]["content"] == "\ufffd"


# Knobs


def test_json_is_asked_for_in_words_and_that_is_told() -> None:
    asks = request(user("Paris"), output=OutputSpec("json_schema", schema={"type": "object"}))
    call = translated(asks)
    content = messages_of(body_of(call))[0]["content"]
    assert content.startswith("Answer with one JSON value")
    assert content.endswith('{"type":"object"}\n\nParis')
    assert [notice.code for notice in call.state.notices] == ["mapped_output_format"]


def test_that_calls_may_be_parallel_is_told_where_they_should_not_be() -> None:
    asks = with_tools()
    asks.tool_choice = ToolChoice(parallel=False)
    assert [notice.code for notice in translated(asks).state.notices] == [
        "dropped_parallel_tool_calls"
    ]


def test_a_turn_without_tools_tells_earlier_calls_as_text() -> None:
    asks = with_tools()
    asks.tool_choice = ToolChoice("none")
    messages = messages_of(asked(asks))
    assert messages[1]["content"].endswith(
        '[Tool call read_file {"path":"a.txt"}]\n[Tool call list_windows {}]'
    )
    assert messages[2]["content"] == (
        "[Tool result: line 1\nline 2]\n[Tool result: no such window]"
    )
    assert "userInputMessageContext" not in messages[2]


@each(
    "hints, id",
    [
        (SessionHints(session_id=SESSION), SESSION),
        (SessionHints(session_id="s", cache_key=SESSION), SESSION),
        (SessionHints(session_id="a name"), None),
        (SessionHints(session_id=SESSION, agent_id="helper"), None),
        (SessionHints(), None),
    ],
)
def test_the_conversation_keeps_its_id(hints: SessionHints, id: str | None) -> None:
    def conversation(*messages: Message) -> str:
        asks = Request("m", [user("Hello"), *messages], session=hints)
        found: str = asked(asks)["conversationState"]["conversationId"]
        return found

    found = conversation()
    assert found == conversation(assistant("Hi."), user("And you?"))
    assert found == id or (id is None and found != SESSION)


def test_a_hosted_search_beside_other_tools_is_a_function_of_the_model() -> None:
    asks = with_tools()
    options = {"allowed_domains": ["example.org"], "max_uses": 2}
    asks.tools.append(HostedTool("web_search", "web_search", options))
    call = translated(asks)
    tools = messages_of(body_of(call))[-1]["userInputMessageContext"]["tools"]
    assert tools[-1]["toolSpecification"]["name"] == "web_search"
    plan = call.state.search
    assert (plan.tool, plan.rounds, plan.allowed) == ("web_search", 2, ("example.org",))


def test_the_search_can_be_switched_off() -> None:
    asks = with_tools()
    asks.tools.append(HostedTool("web_search", "web_search"))
    call = translated(asks, settings=KiroSettings(search_rounds=0))
    assert call.state.search is None
    assert [notice.code for notice in call.state.notices] == ["dropped_hosted_tool"]


def test_no_secret_shows_in_what_a_call_prints() -> None:
    call = translated(basic())
    assert "fake-access-1" not in repr(call) + repr(call.state) + call.body.decode()
