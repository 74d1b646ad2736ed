"""Conversations in which tools were called: results, failures, orphans, odd arguments and ids."""

from gateway_core.content import HostedCall, Media, Text, ToolCall, ToolResult
from gateway_core.json import JsonObject
from gateway_core.request import CustomTool, FunctionTool, HostedTool, Request
from gateway_core.testing.conversations.builders import (
    CONVERSATIONS,
    after_call,
    ask,
    assistant,
    result,
    user,
    weather,
    weather_call,
)
from gateway_core.testing.conversations.pictures import GIF_BASE64, PDF_BASE64, PNG_BASE64

_NOTHING: JsonObject = {"type": "object", "properties": {}}
_ANYTHING: JsonObject = {"type": "object"}


def _image() -> Media:
    return Media("image", "image/png", data=PNG_BASE64)


@CONVERSATIONS
def calls_parallel_with_results() -> Request:
    calls = [weather_call("call_1", "Paris"), weather_call("call_2", "Oslo")]
    results = [result("call_2", "snow"), result("call_1", "sun")]
    return ask("Weather?", assistant(*calls), user(*results), tools=[weather()])


@CONVERSATIONS
def calls_parallel_of_which_some_failed() -> Request:
    cities = {"call_1": "Paris", "call_2": "Atlantis", "call_3": "Oslo"}
    calls = [weather_call(id, city) for id, city in cities.items()]
    results = [
        result("call_1", "sun"),
        result("call_2", "no such city", failed=True),
        result("call_3", "the service is down", failed=True),
    ]
    return ask("Weather?", assistant(*calls), user(*results), tools=[weather()])


@CONVERSATIONS
def calls_one_after_another() -> Request:
    return ask(
        "Weather?",
        assistant("First Paris.", weather_call("call_1", "Paris")),
        user(result("call_1", "sun")),
        assistant("Now Oslo.", weather_call("call_2", "Oslo")),
        user(result("call_2", "snow")),
        tools=[weather()],
    )


@CONVERSATIONS
def calls_with_ids_of_another_service() -> Request:
    ids = ["toolu_01" + "aBcD1234" * 10, "functions.get_weather:0|x/y+z=="]
    calls = [weather_call(ids[0], "Paris"), weather_call(ids[1], "Oslo")]
    results = [result(ids[0], "sun"), result(ids[1], "snow")]
    return ask("Weather?", assistant(*calls), user(*results), tools=[weather()])


@CONVERSATIONS
def calls_with_ids_counted_anew_in_each_turn() -> Request:
    return ask(
        "Weather?",
        assistant(weather_call("call_0", "Paris")),
        user(result("call_0", "sun")),
        assistant(weather_call("call_0", "Oslo")),
        user(result("call_0", "snow")),
        tools=[weather()],
    )


@CONVERSATIONS
def call_without_arguments() -> Request:
    tool = FunctionTool("now", "The time", dict(_NOTHING))
    call = ToolCall("call_1", "now", "{}")
    return ask("Time?", assistant(call), user(result("call_1", "noon")), tools=[tool])


@CONVERSATIONS
def call_with_rich_arguments() -> Request:
    tool = FunctionTool("store", "Stores anything", dict(_ANYTHING))
    arguments = (
        '{ "z": "Grüße \\"世界\\" \\u00e9\\n👩‍👧", "a": [1, 2.5, -3e2, 9007199254740993],'
        ' "nested": {"deep": {"er": [null, true, "last"]}}, "empty": "" }'
    )
    call = ToolCall("call_1", "store", arguments)
    return ask("Keep it", assistant(call), user(result("call_1", "kept")), tools=[tool])


@CONVERSATIONS
def call_with_broken_arguments() -> Request:
    tool = FunctionTool("store", "Stores anything", dict(_ANYTHING))
    call = ToolCall("call_1", "store", '{"text": "cut off in the mid')
    answer = result("call_1", "the arguments are no JSON", failed=True)
    return ask("Keep it", assistant(call), user(answer), tools=[tool])


@CONVERSATIONS
def call_without_a_result() -> Request:
    return ask("Weather?", assistant(weather_call()), "Never mind. Hello!", tools=[weather()])


@CONVERSATIONS
def call_of_a_tool_that_is_no_longer_offered() -> Request:
    return ask("Weather?", assistant(weather_call()), user(result("call_1", "sun"), "Thanks."))


@CONVERSATIONS
def call_of_custom_tool() -> Request:
    call = ToolCall("call_1", "note", "free text,\n not JSON {", custom=True)
    answer = ToolResult("call_1", [Text("noted")], custom=True)
    return ask("Note it", assistant(call), user(answer), tools=[CustomTool("note", "Takes a note")])


@CONVERSATIONS
def call_of_custom_tool_that_failed() -> Request:
    patch = "*** Begin Patch\n*** Update File: ä.py\n@@\n-1\n+2\n*** End Patch"
    call = ToolCall("call_1", "apply_patch", patch, custom=True)
    answer = ToolResult("call_1", [Text("no such file")], failed=True, custom=True)
    tools = [CustomTool("apply_patch", "Applies a patch")]
    return ask("Patch it", assistant(call), user(answer), tools=tools)


@CONVERSATIONS
def result_with_text_after_it() -> Request:
    request = after_call(result("call_1", "sun"))
    request.messages[-1].parts.append(Text("And tomorrow?"))
    return request


@CONVERSATIONS
def result_with_text_before_it() -> Request:
    request = after_call(result("call_1", "sun"))
    request.messages[-1].parts.insert(0, Text("Here is what I found:"))
    return request


@CONVERSATIONS
def result_empty() -> Request:
    return after_call(result("call_1"))


@CONVERSATIONS
def result_failed() -> Request:
    return after_call(result("call_1", "no such city", failed=True))


@CONVERSATIONS
def result_without_a_call() -> Request:
    return ask("Weather?", user(result("call_9", "sun")), tools=[weather()])


@CONVERSATIONS
def result_long() -> Request:
    return after_call(result("call_1", "sun and rain, " * 2_000 + "then snow"))


@CONVERSATIONS
def result_in_several_texts() -> Request:
    return after_call(result("call_1", "morning: sun", "evening: rain"))


@CONVERSATIONS
def result_with_image() -> Request:
    return after_call(result("call_1", "as seen from space:", _image()))


@CONVERSATIONS
def result_with_several_images() -> Request:
    gif = Media("image", "image/gif", data=GIF_BASE64)
    return after_call(result("call_1", _image(), "and moving:", gif))


@CONVERSATIONS
def result_with_document() -> Request:
    document = Media("document", "application/pdf", name="a.pdf", data=PDF_BASE64)
    return after_call(result("call_1", document))


@CONVERSATIONS
def web_search_in_history() -> Request:
    sources = [{"url": "https://example.org/a", "title": "A"}]
    search = HostedCall("ws_1", "web_search", '{"query":"news"}', {"sources": sources})
    tools = [HostedTool("web_search", "web_search")]
    return ask("News?", assistant(search, "All is well."), "And elsewhere?", tools=tools)


@CONVERSATIONS
def web_search_that_failed_in_history() -> Request:
    search = HostedCall("ws_1", "web_search", '{"query":"news"}', {"error": "unavailable"})
    tools = [HostedTool("web_search", "web_search")]
    return ask("News?", assistant(search, "I cannot search."), "Try again.", tools=tools)


@CONVERSATIONS
def image_generation_in_history() -> Request:
    picture: JsonObject = {"media_type": "image/png", "data": PNG_BASE64}
    drawn = HostedCall("ig_1", "image_generation", '{"prompt":"a dot"}', picture)
    tools = [HostedTool("image_generation", "image_generation")]
    return ask("Draw a dot", assistant(drawn, "There it is."), "Make it red.", tools=tools)
