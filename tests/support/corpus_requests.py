"""Canonical conversations: one request per thing that clients ask.

The last word of each belongs to the user, as in a request. Shapes are those that format readers
build: tool results in user messages, consecutive ones in one message, arguments as raw text.
"""

from gateway_core.content import (
    HostedCall,
    Media,
    Message,
    Part,
    Reasoning,
    ResultPart,
    Seal,
    Text,
    ToolCall,
    ToolResult,
)
from gateway_core.json import JsonObject
from gateway_core.request import (
    EFFORTS,
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
from support.fresh import Fresh
from support.pictures import GIF_BASE64, PDF_BASE64, PNG_BASE64

CONVERSATIONS: Fresh[Request] = Fresh()

MODEL = "test-model"
CITY_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Its name"}},
    "required": ["city"],
    "additionalProperties": False,
}


def _user(*parts: Part | str) -> Message:
    return Message("user", [Text(part) if isinstance(part, str) else part for part in parts])


def _assistant(*parts: Part | str) -> Message:
    return Message("assistant", [Text(part) if isinstance(part, str) else part for part in parts])


def _system(text: str) -> Message:
    return Message("system", [Text(text)])


def _ask(*messages: Message | str) -> Request:
    turns = [_user(message) if isinstance(message, str) else message for message in messages]
    return Request(MODEL, turns)


def _weather(strict: bool | None = None) -> FunctionTool:
    return FunctionTool("get_weather", "The weather of a city", dict(CITY_SCHEMA), strict)


def _weather_call(id: str = "call_1", city: str = "Paris") -> ToolCall:
    return ToolCall(id, "get_weather", f'{{"city":"{city}"}}')


def _result(id: str, *content: ResultPart | str, failed: bool = False) -> ToolResult:
    parts = [Text(item) if isinstance(item, str) else item for item in content]
    return ToolResult(id, parts, failed)


def _after_call(result: ToolResult) -> Request:
    """A request that brings the result of one call."""
    request = _ask("Weather?", _assistant(_weather_call()), _user(result))
    request.tools = [_weather()]
    return request


@CONVERSATIONS
def text() -> Request:
    return _ask("Hello")


@CONVERSATIONS
def text_streamed() -> Request:
    request = _ask("Hello")
    request.stream = True
    return request


@CONVERSATIONS
def text_unicode() -> Request:
    return _ask("Grüße, 世界 👩‍👩‍👧‍👦 e\u0301 \u2028 \x00 שלום")


@CONVERSATIONS
def text_in_several_parts() -> Request:
    return _ask(_user("First part.", "Second part."))


@CONVERSATIONS
def text_of_several_turns() -> Request:
    return _ask("Hello", _assistant("Hello, who are you?"), "A test.")


@CONVERSATIONS
def system_instructions() -> Request:
    request = _ask("Hello")
    request.instructions = [Text("Be brief.")]
    return request


@CONVERSATIONS
def system_instructions_in_parts() -> Request:
    request = _ask("Hello")
    request.instructions = [Text("Be brief."), Text("Be kind.")]
    return request


@CONVERSATIONS
def system_message_in_the_middle() -> Request:
    request = _ask("Hello", _assistant("Hello."), _system("Answer in French now."), "And you?")
    request.instructions = [Text("Be brief.")]
    return request


@CONVERSATIONS
def tools_function() -> Request:
    request = _ask("Weather?")
    request.tools = [_weather(), FunctionTool("now", None, {"type": "object", "properties": {}})]
    return request


@CONVERSATIONS
def tools_function_strict() -> Request:
    request = _ask("Weather?")
    request.tools = [_weather(strict=True)]
    return request


@CONVERSATIONS
def tools_function_with_rich_schema() -> Request:
    request = _ask("Fetch it")
    schema: JsonObject = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "url": {"type": "string", "format": "uri"},
            "limit": {"type": "integer", "exclusiveMinimum": 0, "maximum": 9007199254740991},
            "mode": {"const": "fast"},
            "what": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "labels": {"type": "object", "propertyNames": {"minLength": 1}},
            "any": {},
        },
        "additionalProperties": {},
    }
    request.tools = [FunctionTool("mcp__server__" + "long_" * 12 + "name", "Fetches", schema)]
    return request


@CONVERSATIONS
def tools_custom() -> Request:
    request = _ask("Patch it")
    grammar = {"type": "grammar", "syntax": "lark", "definition": 'start: "x"+'}
    request.tools = [
        CustomTool("apply_patch", "Applies a patch", grammar),
        CustomTool("note", "Takes a note"),
    ]
    return request


@CONVERSATIONS
def tools_hosted_web_search() -> Request:
    request = _ask("News?")
    options: JsonObject = {"allowed_domains": ["example.org"]}
    request.tools = [HostedTool("web_search", "web_search", options)]
    return request


@CONVERSATIONS
def tools_hosted_image_generation() -> Request:
    request = _ask("Draw a dot")
    options: JsonObject = {"size": "1024x1024", "quality": "low", "output_format": "png"}
    request.tools = [HostedTool("image_generation", "image_generation", options)]
    return request


def _tool_choice(name: str, choice: ToolChoice) -> None:
    def build() -> Request:
        request = _ask("Weather?")
        request.tools = [_weather()]
        request.tool_choice = choice
        return request

    build.__name__ = name
    CONVERSATIONS(build)


_tool_choice("tool_choice_none", ToolChoice("none"))
_tool_choice("tool_choice_required", ToolChoice("required"))
_tool_choice("tool_choice_one", ToolChoice("tool", ["get_weather"]))
_tool_choice("tool_choice_not_parallel", ToolChoice("auto", parallel=False))


@CONVERSATIONS
def calls_parallel_with_results() -> Request:
    calls = [_weather_call("call_1", "Paris"), _weather_call("call_2", "Oslo")]
    results = [_result("call_2", "snow"), _result("call_1", "sun")]
    request = _ask("Weather?", _assistant(*calls), _user(*results))
    request.tools = [_weather()]
    return request


@CONVERSATIONS
def calls_one_after_another() -> Request:
    request = _ask(
        "Weather?",
        _assistant("First Paris.", _weather_call("call_1", "Paris")),
        _user(_result("call_1", "sun")),
        _assistant("Now Oslo.", _weather_call("call_2", "Oslo")),
        _user(_result("call_2", "snow")),
    )
    request.tools = [_weather()]
    return request


@CONVERSATIONS
def call_without_arguments() -> Request:
    request = _ask("Time?", _assistant(ToolCall("call_1", "now", "{}")))
    request.messages.append(_user(_result("call_1", "noon")))
    request.tools = [FunctionTool("now", "The time", {"type": "object", "properties": {}})]
    return request


@CONVERSATIONS
def call_of_custom_tool() -> Request:
    call = ToolCall("call_1", "note", "free text,\n not JSON {", custom=True)
    request = _ask("Note it", _assistant(call))
    request.messages.append(_user(ToolResult("call_1", [Text("noted")], custom=True)))
    request.tools = [CustomTool("note", "Takes a note")]
    return request


@CONVERSATIONS
def result_with_text_after_it() -> Request:
    request = _after_call(_result("call_1", "sun"))
    request.messages[-1].parts.append(Text("And tomorrow?"))
    return request


@CONVERSATIONS
def result_empty() -> Request:
    return _after_call(_result("call_1"))


@CONVERSATIONS
def result_failed() -> Request:
    return _after_call(_result("call_1", "no such city", failed=True))


@CONVERSATIONS
def result_with_image() -> Request:
    image = Media("image", "image/png", data=PNG_BASE64)
    return _after_call(_result("call_1", "as seen from space:", image))


@CONVERSATIONS
def reasoning_sealed_in_history() -> Request:
    seal = Seal("replay", "c2VhbGVk", id="rs_1", scope="acc0")
    thought = Reasoning("They greet me.", seal)
    return _ask("Hello", _assistant(thought, "Hello."), "How are you?")


@CONVERSATIONS
def reasoning_of_another_issuer_in_history() -> Request:
    thought = Reasoning("They greet me.", Seal("someone-else", "c2VhbGVk"))
    return _ask("Hello", _assistant(thought, "Hello."), "How are you?")


@CONVERSATIONS
def reasoning_redacted_in_history() -> Request:
    thought = Reasoning("", Seal("replay", "c2VhbGVk"), redacted=True)
    return _ask("Hello", _assistant(thought, "Hello."), "How are you?")


@CONVERSATIONS
def reasoning_before_calls_in_history() -> Request:
    thought = Reasoning("I need the weather.", Seal("replay", "c2VhbGVk"))
    request = _ask("Weather?", _assistant(thought, _weather_call()))
    request.messages.append(_user(_result("call_1", "sun")))
    request.tools = [_weather()]
    return request


@CONVERSATIONS
def image_inline() -> Request:
    return _ask(_user("What is it?", Media("image", "image/png", data=PNG_BASE64)))


@CONVERSATIONS
def images_of_two_kinds() -> Request:
    png = Media("image", "image/png", data=PNG_BASE64)
    gif = Media("image", "image/gif", data=GIF_BASE64)
    return _ask(_user(png, gif, "Compare them."))


@CONVERSATIONS
def image_by_url() -> Request:
    return _ask(_user("What is it?", Media("image", url="https://example.org/dot.png")))


@CONVERSATIONS
def document_inline() -> Request:
    document = Media("document", "application/pdf", name="a.pdf", data=PDF_BASE64)
    return _ask(_user(document, "Summarise it."))


@CONVERSATIONS
def document_by_url() -> Request:
    document = Media("document", url="https://example.org/a.pdf")
    return _ask(_user(document, "Summarise it."))


@CONVERSATIONS
def web_search_in_history() -> Request:
    sources = [{"url": "https://example.org/a", "title": "A"}]
    search = HostedCall("ws_1", "web_search", '{"query":"news"}', {"sources": sources})
    request = _ask("News?", _assistant(search, "All is well."), "And elsewhere?")
    request.tools = [HostedTool("web_search", "web_search")]
    return request


@CONVERSATIONS
def output_json_schema() -> Request:
    request = _ask("Paris as JSON")
    request.output = OutputSpec("json_schema", "city", schema=dict(CITY_SCHEMA), strict=True)
    return request


@CONVERSATIONS
def output_any_json() -> Request:
    request = _ask("Paris as JSON")
    request.output = OutputSpec("json")
    return request


@CONVERSATIONS
def output_verbosity() -> Request:
    request = _ask("Hello")
    request.output = OutputSpec(verbosity="low")
    return request


def _effort(effort: str) -> None:
    def build() -> Request:
        request = _ask("Think")
        request.reasoning = ReasoningSpec(enabled=effort != "none", effort=effort)
        return request

    build.__name__ = f"effort_{effort}"
    CONVERSATIONS(build)


for _word in EFFORTS:
    _effort(_word)


@CONVERSATIONS
def effort_as_budget() -> Request:
    request = _ask("Think")
    request.reasoning = ReasoningSpec(enabled=True, budget_tokens=8000)
    request.sampling = Sampling(max_output_tokens=16000)
    return request


@CONVERSATIONS
def reasoning_summary() -> Request:
    request = _ask("Think")
    request.reasoning = ReasoningSpec(enabled=True, effort="high", summary="detailed")
    return request


@CONVERSATIONS
def sampling() -> Request:
    request = _ask("Hello")
    request.sampling = Sampling(max_output_tokens=900, temperature=0.5, top_p=0.9)
    return request


@CONVERSATIONS
def sampling_rare_knobs() -> Request:
    request = _ask("Hello")
    request.sampling = Sampling(top_k=40, seed=7, presence_penalty=0.5, frequency_penalty=-0.5)
    return request


@CONVERSATIONS
def stop_sequences() -> Request:
    request = _ask("Count")
    request.sampling = Sampling(max_output_tokens=100, stop=["END", "\n\n"])
    return request


@CONVERSATIONS
def session_hints() -> Request:
    request = _ask("Hello")
    request.session = SessionHints(
        session_id="6a5c1b1e-0000-4000-8000-000000000001",
        user="someone",
        cache_key="key-1",
        service_tier="priority",
        metadata={"k": "v"},
    )
    return request
