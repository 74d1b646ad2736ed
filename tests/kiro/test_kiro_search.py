"""Web search through Kiro's own endpoint: as a turn of its own, and between the rounds of one."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gateway_core import (
    Event,
    GatewayError,
    HostedCall,
    HostedTool,
    Message,
    Overloaded,
    RateLimited,
    Request,
    Text,
    ToolCall,
    UpstreamCall,
)
from gateway_core.grammar import check_stream
from gateway_core.http import Transport
from gateway_core.json import dumps, loads_object
from gateway_core.parts import Collector, Response
from gateway_core.request import FunctionTool, ReasoningSpec
from gateway_kiro.eventstream import encode_message
from gateway_kiro.plugin import KiroProvider
from gateway_kiro.search import direct_query, read_outcome, search_request
from gateway_kiro.settings import KiroSettings
from gateway_kiro.state import SearchPlan
from gateway_kiro.structure import problems
from support.about import each
from support.codex_asking import captured_requests
from support.kiro_asking import answers, document, messages_of, translated
from support.kiro_service import KiroService

MCP = answers("mcp-web-search", "responses")
REQUEST = document("mcp-web-search")["request"]
RUNTIME, MCP_PATH = "/runtime/us-east-1/", "/runtime/us-east-1/mcp"
THROTTLED = next(case for case in document("http-errors") if case["name"] == "suspicious-activity")
ASKED = "Perform a web search for the query: example"
SOURCES = [{"url": "https://example.com/", "title": "Example Domain"}]


def hosted(**options: Any) -> HostedTool:
    return HostedTool("web_search", "web_search", options)


def search(text: str = ASKED, **options: Any) -> Request:
    return Request("m", [Message("user", [Text(text)])], tools=[hosted(**options)])


def event(kind: str, **payload: object) -> bytes:
    return encode_message({":message-type": "event", ":event-type": kind}, dumps(payload))


def text(content: str) -> bytes:
    return event("assistantResponseEvent", content=content)


def call(name: str, id: str, **input: object) -> bytes:
    arguments = dumps(input).decode()
    return event("toolUseEvent", toolUseId=id, name=name, input=arguments, stop=True)


async def answered(
    call: UpstreamCall, transport: Transport, provider: KiroProvider | None = None
) -> Response:
    """The whole answer to a call, opened and decoded as the core does it."""
    provider = provider or KiroProvider()
    events: list[Event] = []
    async with provider.gateway_open(call, transport) as stream:
        assert stream.status == 200
        decoder = provider.gateway_decoder(call)
        async for data in stream:
            events += decoder.feed(data)
        events += decoder.end()
    check_stream(events)
    collector = Collector()
    collector.feed(events)
    return collector.response


# A turn that is one search


def test_the_turn_that_claude_code_makes_of_a_search_is_one() -> None:
    captured = dict(captured_requests())["claude-2.1.197-websearch-inner"]
    assert direct_query(captured) == "gateway protocol news"


@each(
    "request_",
    [
        search("What is new?"),
        search("Perform a web search for the query: "),
        Request("m", [Message("user", [Text(ASKED)])]),
        Request("m", [Message("user", [Text(ASKED)])], tools=[FunctionTool("web_search", "", {})]),
        Request(
            "m",
            [Message("user", [Text(ASKED)])],
            tools=[hosted(), FunctionTool("t", "", {})],
        ),
    ],
)
def test_any_other_turn_is_for_the_model(request_: Request) -> None:
    assert direct_query(request_) is None


def test_without_rounds_no_turn_is_a_search() -> None:
    call = translated(search(), settings=KiroSettings(search_rounds=0))
    assert loads_object(call.body)["conversationState"]
    assert [notice.code for notice in call.state.notices] == ["dropped_hosted_tool"]


def test_a_tool_of_the_clients_with_the_same_name_comes_first_and_it_is_told() -> None:
    request = search("What is new?")
    request.tools.append(FunctionTool("web_search", "Mine", {"type": "object"}))
    call = translated(request)
    (tool,) = messages_of(loads_object(call.body))[0]["userInputMessageContext"]["tools"]
    assert tool["toolSpecification"]["description"] == "Mine"
    assert call.state.search is None
    assert [notice.code for notice in call.state.notices] == ["dropped_hosted_tool"]


def test_a_search_is_asked_for_as_documented() -> None:
    call = translated(search())
    assert call.url == REQUEST["url"]
    for name, value in REQUEST["headers"].items():
        assert call.headers[name] == value
    body = search_request("example")
    assert call.body == body
    recorded = dict(REQUEST["body"])
    id = recorded.pop("id")
    sent = loads_object(body)
    assert [len(part) for part in sent.pop("id").split("_")] == [len(p) for p in id.split("_")]
    assert sent == recorded


async def test_a_search_is_answered_with_its_results(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    service.say(MCP_PATH, MCP["ok"]["body"])
    response = await answered(translated(search(), settings=settings), transport)
    found, told = response.parts
    assert isinstance(found, HostedCall) and isinstance(told, Text)
    assert (found.name, found.arguments) == ("web_search", '{"query":"example"}')
    assert found.result == {"sources": SOURCES}
    assert told.text == (
        'Web search results for "example":\n\n'
        "1. Example Domain\nhttps://example.com/\nAn example page."
    )
    assert response.stop == "stop"
    assert response.usage is not None and response.usage.web_searches == 1
    assert [asked.path for asked in service.requests] == [MCP_PATH]


@pytest.mark.parametrize("name", ["rpc-error", "tool-error", "http-400"])
async def test_a_search_that_does_not_work_is_an_answer_too(
    name: str, transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    service.say(MCP_PATH, MCP[name]["body"], MCP[name]["status"])
    found, told = (await answered(translated(search(), settings=settings), transport)).parts
    assert isinstance(found, HostedCall) and found.result == {"error": "unavailable"}
    assert told == Text("The web search did not work.")


async def test_a_refused_login_is_no_search_that_does_not_work(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    service.say(MCP_PATH, {"message": "Unauthorized"}, 401)
    call = translated(search(), settings=settings)
    async with KiroProvider().gateway_open(call, transport) as stream:
        assert stream.status == 401


def outcome(*urls: str, **plan: Any) -> list[str]:
    results = [{"url": url, "title": None, "snippet": 5} for url in urls]
    told = dumps({"results": results}).decode()
    body = dumps({"result": {"content": [{"type": "text", "text": told}]}})
    return [found.url for found in read_outcome("q", body, SearchPlan(**plan)).results]


def test_results_without_end_are_cut() -> None:
    found = {"results": [{"url": f"https://example.com/{n}", "title": "t"} for n in range(500)]}
    content = [{"type": "text", "text": dumps(found).decode()}]
    body = dumps({"result": {"content": content, "isError": False}})
    assert len(read_outcome("q", body, SearchPlan()).results) == 20


def test_results_are_only_from_where_they_may_be_from() -> None:
    urls = ("https://a.example.org/x", "https://example.org/", "https://evil.com/", "ftp://a.b/")
    assert outcome(*urls) == list(urls[:3])
    assert outcome(*urls, allowed=("example.org",)) == list(urls[:2])
    assert outcome(*urls, blocked=("a.example.org", "evil.com")) == [urls[1]]


@each("body", [b"", b"[]", b"{}", b'{"result":{"content":[{"text":"no"}]}}'])
def test_what_cannot_be_read_is_a_search_that_did_not_work(body: bytes) -> None:
    assert read_outcome("q", body, SearchPlan()).error == "unavailable"


# Searches of the model


def asking(**options: Any) -> Request:
    request = search("What is new?", **options)
    request.tools.append(FunctionTool("do", "Does it", {"type": "object"}))
    return request


async def rounds(
    service: KiroService,
    settings: KiroSettings,
    transport: Transport,
    *answers: Sequence[bytes],
    request: Request | None = None,
) -> Response:
    """The answer whose rounds are these messages."""
    for messages in answers:
        service.say(RUNTIME, b"".join(messages))
    service.say(MCP_PATH, MCP["ok"]["body"])
    return await answered(translated(request or asking(), settings=settings), transport)


async def test_the_turn_goes_on_after_a_search(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    response = await rounds(
        service,
        settings,
        transport,
        [
            text("Let me look. "),
            call("web_search", "s1", query="example"),
            event("metadataEvent", stopReason="TOOL_USE"),
        ],
        [text("It is an example."), event("contextUsageEvent", contextUsagePercentage=1.0)],
    )
    assert response.parts == [
        Text("Let me look. "),
        HostedCall("s1", "web_search", '{"query":"example"}', {"sources": SOURCES}),
        Text("It is an example."),
    ]
    assert response.stop == "stop"
    assert response.usage is not None and response.usage.web_searches == 1

    paths = [asked.path for asked in service.requests]
    assert paths == [RUNTIME, MCP_PATH, RUNTIME]
    first, second = (asked.body for asked in service.asked(RUNTIME))
    assert problems(second) == []
    assert service.asked(MCP_PATH)[0].body["params"]["arguments"] == {"query": "example"}
    messages = messages_of(second)
    assert messages[0]["content"] == messages_of(first)[0]["content"]
    assert messages[1]["content"] == "Let me look. "
    (result,) = messages[2]["userInputMessageContext"]["toolResults"]
    assert "An example page." in result["content"][0]["text"]
    tools = messages_of(first)[0]["userInputMessageContext"]["tools"]
    assert messages[2]["userInputMessageContext"]["tools"] == tools


async def test_where_the_older_host_answers_it_searches_too(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    legacy = "/q/us-east-1/generateAssistantResponse"
    service.say(legacy, call("web_search", "s1", query="a"))
    service.say(legacy, text("Done."))
    service.say("/q/us-east-1/mcp", MCP["ok"]["body"])
    response = await answered(translated(asking(), settings=settings), transport)
    assert isinstance(response.parts[0], HostedCall)
    assert response.parts[0].result == {"sources": SOURCES}
    assert [asked.path for asked in service.requests] == [
        RUNTIME,
        legacy,
        "/q/us-east-1/mcp",
        legacy,
    ]


async def test_a_thought_goes_along_to_the_next_round(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    await rounds(
        service,
        settings,
        transport,
        [
            event("reasoningContentEvent", text="Hm."),
            event("reasoningContentEvent", signature="c2ln"),
            call("web_search", "s1", query="a"),
        ],
        [text("Done.")],
    )
    said = messages_of(service.asked(RUNTIME)[1].body)[1]
    assert said["reasoningContent"] == {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}
    assert said["content"] == " "


async def test_a_thought_between_tags_does_not(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    request = asking()
    request.reasoning = ReasoningSpec(enabled=True)
    await rounds(
        service,
        settings,
        transport,
        [text("<thinking>Hm</thinking>\n\nLooking."), call("web_search", "s1", query="a")],
        [text("Done.")],
        request=request,
    )
    assert messages_of(service.asked(RUNTIME)[1].body)[1]["content"] == "Looking."


async def test_a_search_that_fails_is_told_to_the_model(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    service.say(MCP_PATH, MCP["http-400"]["body"], 400)
    response = await rounds(
        service, settings, transport, [call("web_search", "s1", query="a")], [text("Sorry.")]
    )
    assert isinstance(response.parts[0], HostedCall)
    assert response.parts[0].result == {"error": "unavailable"}
    (result,) = messages_of(service.asked(RUNTIME)[1].body)[2]["userInputMessageContext"][
        "toolResults"
    ]
    assert result["status"] == "error"


async def test_several_searches_of_a_round_are_answered_together(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    response = await rounds(
        service,
        settings,
        transport,
        [call("web_search", "s1", query="a"), call("web_search", "s2", query="b")],
        [text("Done.")],
    )
    assert [part.id for part in response.parts if isinstance(part, HostedCall)] == ["s1", "s2"]
    assert len(service.asked(MCP_PATH)) == 2
    results = messages_of(service.asked(RUNTIME)[1].body)[2]["userInputMessageContext"]
    assert [result["toolUseId"] for result in results["toolResults"]] == ["s1", "s2"]


async def test_a_call_for_the_client_ends_the_turn(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    response = await rounds(
        service, settings, transport, [call("web_search", "s1", query="a"), call("do", "t1", n=1)]
    )
    assert [type(part) for part in response.parts] == [ToolCall, HostedCall]
    assert response.stop == "tool_use"
    assert len(service.asked(RUNTIME)) == 1


async def test_nobody_searches_for_ever(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    again = [
        [text(f"{number} "), call("web_search", f"s{number}", query="a")] for number in range(9)
    ]
    response = await rounds(service, settings, transport, *again, request=asking(max_uses=2))
    found = [part.result for part in response.parts if isinstance(part, HostedCall)]
    refused = {"error": "max_uses_exceeded"}
    assert found == [{"sources": SOURCES}, {"sources": SOURCES}, refused, refused]
    assert len(service.asked(MCP_PATH)) == 2
    assert len(service.asked(RUNTIME)) == 4


async def test_a_model_that_may_search_no_more_answers_with_what_it_has(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    response = await rounds(
        service,
        settings,
        transport,
        [call("web_search", "s1", query="a")],
        [call("web_search", "s2", query="b")],
        [text("So it is.")],
        request=asking(max_uses=1),
    )
    assert response.parts[-1] == Text("So it is.")
    context = messages_of(service.asked(RUNTIME)[2].body)[-1]["userInputMessageContext"]
    assert "no more searches" in context["toolResults"][0]["content"][0]["text"]


async def test_a_search_for_which_the_account_is_throttled_ends_the_turn(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    provider = KiroProvider()
    service.say(RUNTIME, call("web_search", "s1", query="a"))
    service.say(MCP_PATH, THROTTLED["body"], THROTTLED["status"])
    for _ in range(2):
        with pytest.raises(RateLimited):
            await answered(translated(asking(), settings=settings), transport, provider)
    assert [asked.path for asked in service.requests] == [RUNTIME, MCP_PATH]


async def test_a_client_that_leaves_ends_the_search(
    transport: Transport, settings: KiroSettings
) -> None:
    searching, left = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"/mcp" in await reader.readuntil(b"\r\n\r\n"):
            searching.set()
            await reader.read()  # never answers
            left.set()
        else:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + call("web_search", "s1", query="a"))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        here = settings.model_copy(update={"runtime_url": url})
        turn = asyncio.create_task(answered(translated(asking(), settings=here), transport))
        await searching.wait()
        turn.cancel()
        await left.wait()
    assert turn.cancelled()


async def test_a_round_that_is_refused_is_told(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    service.say(RUNTIME, b"".join([text("Wait."), call("web_search", "s1", query="a")]))
    service.say(RUNTIME, {"message": "high traffic", "reason": None}, 429)
    service.say(MCP_PATH, MCP["ok"]["body"])
    with pytest.raises(Overloaded):
        await answered(translated(asking(), settings=settings), transport)


@pytest.mark.parametrize("cut", [1, 5, 40])
async def test_a_round_that_is_cut_off_is_not_followed_by_another(
    cut: int, transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    whole = text("Wait.") + call("web_search", "s1", query="a")
    with pytest.raises(GatewayError, match="cut off"):
        await rounds(service, settings, transport, [whole[:-cut]])
    assert service.asked(MCP_PATH) == []


async def test_a_model_that_does_not_search_costs_one_round(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    response = await rounds(service, settings, transport, [text("I know that.")])
    assert response.parts == [Text("I know that.")]
    assert len(service.requests) == 1
