"""Requests held against capabilities: what is mapped, what is dropped, what is refused."""

from copy import deepcopy
from dataclasses import replace

import pytest

from gateway_core.content import Media, Message, Part, Text, ToolCall, ToolResult
from gateway_core.degrade import degrade, nearest_effort
from gateway_core.errors import Unsupported
from gateway_core.provider import Capabilities
from gateway_core.request import (
    EFFORTS,
    CustomTool,
    FunctionTool,
    HostedTool,
    OutputSpec,
    ReasoningSpec,
    Request,
    Sampling,
    Tool,
    ToolChoice,
)
from support.about import each

WEATHER = FunctionTool("weather", "Tells the weather.", {"type": "object", "properties": {}})
SEARCH = HostedTool("web_search", "web_search")
PATCH = CustomTool(
    "apply_patch",
    "Edits files.",
    {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"},
)


def ask(**changes: object) -> Request:
    """A plain question, with changes."""
    plain = Request(model="m", messages=[Message("user", [Text("Hi")])])
    return replace(plain, **changes)  # type: ignore[arg-type]  # names of fields


def codes(request: Request, capabilities: Capabilities) -> tuple[Request, list[str]]:
    """The degraded request and the notice codes."""
    degraded, notices = degrade(request, capabilities, "Model X")
    return degraded, [notice.code for notice in notices]


@pytest.fixture
def basic() -> Capabilities:
    """A provider with the default capabilities."""
    return Capabilities()


@pytest.fixture
def bare() -> Capabilities:
    """A provider that takes text and tools and has no knob at all."""
    return Capabilities(
        input=frozenset({"text"}),
        media_urls=False,
        tool_choice=frozenset({"auto"}),
        parallel_tools=False,
        output=frozenset({"text"}),
        sampling=frozenset(),
        efforts=(),
    )


def test_a_request_that_fits_comes_back_as_the_same_object(basic: Capabilities) -> None:
    request = ask(
        tools=[WEATHER], sampling=Sampling(temperature=0.5), reasoning=ReasoningSpec(effort="low")
    )
    degraded, notices = degrade(request, basic, "Model X")
    assert degraded is request
    assert notices == []


def test_a_request_without_knobs_fits_even_the_barest_provider(bare: Capabilities) -> None:
    request = ask(tools=[WEATHER])
    assert degrade(request, bare, "Model X")[0] is request


def test_the_given_request_is_never_changed(bare: Capabilities) -> None:
    request = ask(
        messages=[
            Message("user", [Text("Hi")]),
            Message("assistant", [ToolCall("c1", "apply_patch", "*** text", custom=True)]),
            Message("user", [ToolResult("c1", [Text("done")], custom=True)]),
        ],
        tools=[PATCH, SEARCH, WEATHER],
        tool_choice=ToolChoice("required", parallel=False),
        output=OutputSpec("json_schema", schema={"type": "object"}, verbosity="low"),
        sampling=Sampling(temperature=1.0, stop=["END"], seed=4),
        reasoning=ReasoningSpec(effort="max", budget_tokens=9),
    )
    before = deepcopy(request)
    degraded, notices = degrade(request, bare, "Model X")
    assert degraded != before
    assert len(notices) >= 8
    assert request == before


def test_sampling_knobs_that_the_provider_lacks_are_dropped_with_a_notice_each() -> None:
    capabilities = Capabilities(sampling=frozenset({"top_p"}))
    sampling = Sampling(temperature=0.2, top_p=0.9, stop=["END"], seed=7)
    degraded, seen = codes(ask(sampling=sampling), capabilities)
    assert degraded.sampling == Sampling(top_p=0.9)
    assert seen == ["dropped_temperature", "dropped_stop", "dropped_seed"]


def test_a_notice_names_the_model_and_the_field(bare: Capabilities) -> None:
    _, (notice,) = degrade(ask(sampling=Sampling(top_k=3)), bare, "Model X")
    assert notice.message == "Model X has no `top_k`: it was left out"


@each(
    "wanted, supported, nearest",
    [
        ("max", ("low", "medium", "high"), "high"),
        ("minimal", ("none", "low", "high"), "low"),
        ("medium", ("low", "high"), "low"),
        ("none", ("minimal", "low"), "minimal"),
        ("high", ("none",), "none"),
        ("xhigh", EFFORTS, "xhigh"),
        ("galactic", ("low", "high"), None),
        ("low", (), None),
    ],
)
def test_an_effort_goes_to_the_nearest_supported_one(
    wanted: str, supported: tuple[str, ...], nearest: str | None
) -> None:
    assert nearest_effort(wanted, supported) == nearest


def test_a_mapped_effort_is_told(basic: Capabilities) -> None:
    degraded, seen = codes(ask(reasoning=ReasoningSpec(effort="max", summary="auto")), basic)
    assert degraded.reasoning == ReasoningSpec(effort="high", summary="auto")
    assert seen == ["mapped_effort"]


def test_disabled_thinking_becomes_the_lowest_effort_where_it_cannot_be_switched_off(
    basic: Capabilities,
) -> None:
    degraded, seen = codes(ask(reasoning=ReasoningSpec(enabled=False)), basic)
    assert degraded.reasoning.effective_effort == "low"
    assert seen == ["mapped_effort"]


def test_a_token_budget_is_mapped_by_the_effort_it_means() -> None:
    reasoning = ReasoningSpec(enabled=True, budget_tokens=31999)
    degraded, seen = codes(ask(reasoning=reasoning), Capabilities(efforts=("low", "medium")))
    assert degraded.reasoning == ReasoningSpec(enabled=True, effort="medium")
    assert seen == ["mapped_effort"]


def test_an_unknown_effort_leaves_the_default_to_the_provider(basic: Capabilities) -> None:
    degraded, seen = codes(ask(reasoning=ReasoningSpec(effort="galactic")), basic)
    assert degraded.reasoning.effort is None
    assert seen == ["dropped_effort"]


def test_reasoning_is_dropped_where_it_cannot_be_asked_for(bare: Capabilities) -> None:
    degraded, seen = codes(ask(reasoning=ReasoningSpec(enabled=True, effort="high")), bare)
    assert degraded.reasoning == ReasoningSpec()
    assert seen == ["dropped_reasoning"]


def test_asking_a_model_without_reasoning_not_to_reason_loses_nothing(bare: Capabilities) -> None:
    assert codes(ask(reasoning=ReasoningSpec(enabled=False)), bare)[1] == []


def test_verbosity_and_parallel_calls_are_dropped(bare: Capabilities) -> None:
    request = ask(output=OutputSpec(verbosity="low"), tool_choice=ToolChoice(parallel=False))
    degraded, seen = codes(request, bare)
    assert degraded.output == OutputSpec()
    assert degraded.tool_choice == ToolChoice()
    assert seen == ["dropped_verbosity", "dropped_parallel_tool_calls"]


def test_a_schema_becomes_any_json_where_json_is_all_there_is() -> None:
    capabilities = Capabilities(output=frozenset({"text", "json"}), verbosity=True)
    output = OutputSpec("json_schema", "answer", schema={"type": "object"}, verbosity="high")
    degraded, seen = codes(ask(output=output), capabilities)
    assert degraded.output == OutputSpec("json", verbosity="high")
    assert seen == ["mapped_output_format"]


def test_structured_output_becomes_text_where_nothing_else_is_left(bare: Capabilities) -> None:
    degraded, seen = codes(ask(output=OutputSpec("json")), bare)
    assert degraded.output == OutputSpec()
    assert seen == ["dropped_output_format"]


SCHEMA = OutputSpec(
    "json_schema",
    "city",
    "the city asked for",
    {"type": "object", "properties": {"b": {}, "a": {}}},
)


def test_a_schema_that_cannot_be_enforced_is_asked_for_in_words(bare: Capabilities) -> None:
    request = ask(output=SCHEMA, instructions=[Text("Be brief.")])
    degraded, _ = codes(request, bare)
    assert degraded.instructions == [
        Text("Be brief."),
        Text(
            "Your final answer must be a single JSON value that is valid under the JSON Schema "
            "below, and nothing else: no other text around it, no code fence.\n"
            "It is for: the city asked for\n"
            'JSON Schema: {"type":"object","properties":{"b":{},"a":{}}}'
        ),
    ]
    assert request.instructions == [Text("Be brief.")]
    assert degrade(request, bare, "Model X")[0] == degraded


@pytest.mark.parametrize("output", [OutputSpec("json"), OutputSpec("json_schema", "city")])
def test_any_json_that_cannot_be_enforced_is_asked_for_in_words(
    bare: Capabilities, output: OutputSpec
) -> None:
    degraded, _ = codes(ask(output=output), bare)
    assert [text.text for text in degraded.instructions] == [
        "Your final answer must be a single JSON object and nothing else: no other text around it, "
        "no code fence."
    ]


def test_where_only_json_can_be_enforced_the_schema_is_asked_for_in_words() -> None:
    degraded, _ = codes(ask(output=SCHEMA), Capabilities(output=frozenset({"text", "json"})))
    assert '"properties":{"b":{},"a":{}}' in degraded.instructions[0].text


def test_what_is_enforced_or_not_asked_for_needs_no_words(
    basic: Capabilities, bare: Capabilities
) -> None:
    assert degrade(ask(output=SCHEMA), basic, "Model X")[0].instructions == []
    assert degrade(ask(output=OutputSpec(verbosity="low")), bare, "Model X")[0].instructions == []


@pytest.mark.parametrize(
    "choice", [ToolChoice("required"), ToolChoice("tool", ["weather"])], ids=lambda c: c.mode
)
def test_a_forced_call_becomes_auto(bare: Capabilities, choice: ToolChoice) -> None:
    degraded, seen = codes(ask(tools=[WEATHER], tool_choice=choice), bare)
    assert degraded.tool_choice == ToolChoice("auto")
    assert degraded.tools == [WEATHER]
    assert seen == ["mapped_tool_choice"]


def test_a_choice_of_none_is_met_by_sending_no_tools(bare: Capabilities) -> None:
    degraded, seen = codes(ask(tools=[WEATHER], tool_choice=ToolChoice("none")), bare)
    assert degraded.tools == []
    assert degraded.tool_choice == ToolChoice()
    assert seen == []


def test_tools_are_refused_where_no_tool_can_be_called() -> None:
    with pytest.raises(Unsupported, match="Model X cannot call tools") as refused:
        degrade(ask(tools=[WEATHER]), Capabilities(tools=False), "Model X")
    assert refused.value.param == "tools"


def test_tools_that_must_not_be_called_are_no_reason_to_refuse() -> None:
    request = ask(tools=[WEATHER], tool_choice=ToolChoice("none"))
    degraded, _ = degrade(request, Capabilities(tools=False), "Model X")
    assert degraded.tools == []


def test_a_hosted_tool_beside_others_is_dropped(basic: Capabilities) -> None:
    degraded, seen = codes(ask(tools=[SEARCH, WEATHER]), basic)
    assert degraded.tools == [WEATHER]
    assert seen == ["dropped_hosted_tool"]


def test_a_hosted_tool_that_the_provider_has_stays() -> None:
    request = ask(tools=[SEARCH, WEATHER])
    capabilities = Capabilities(hosted_tools=frozenset({"web_search"}))
    assert degrade(request, capabilities, "Model X")[0] is request


@pytest.mark.parametrize(
    ("tools", "choice", "param"),
    [
        ([SEARCH], ToolChoice(), "tools"),
        ([SEARCH, WEATHER], ToolChoice("tool", ["web_search"]), "tool_choice"),
    ],
    ids=["only tool", "forced"],
)
def test_a_hosted_tool_that_the_answer_hangs_on_is_refused(
    basic: Capabilities, tools: list[Tool], choice: ToolChoice, param: str
) -> None:
    with pytest.raises(Unsupported, match="cannot run the tool 'web_search'") as refused:
        degrade(ask(tools=tools, tool_choice=choice), basic, "Model X")
    assert refused.value.param == param


def test_a_choice_among_several_tools_goes_on_without_the_dropped_one(basic: Capabilities) -> None:
    choice = ToolChoice("tool", ["web_search", "weather"])
    degraded, _ = degrade(ask(tools=[SEARCH, WEATHER], tool_choice=choice), basic, "Model X")
    assert degraded.tool_choice.names == ["weather"]


@pytest.mark.parametrize("kind", ["image", "document", "audio", "video"])
def test_media_that_the_model_cannot_take_is_refused_by_name(bare: Capabilities, kind: str) -> None:
    media = Media(kind, data="AAAA")  # type: ignore[arg-type]  # parametrized
    request = ask(messages=[Message("user", [Text("what is this?"), media])])
    with pytest.raises(Unsupported, match=f"does not take {kind} input") as refused:
        degrade(request, bare, "Model X")
    assert refused.value.param == "messages[0].content[1]"


def test_media_of_tools_and_earlier_turns_are_told_of_in_words(bare: Capabilities) -> None:
    picture = Media("image", data="AAAA")
    result = ToolResult("c1", [Text("screenshot:"), picture])
    request = ask(
        messages=[
            Message("user", [picture, Text("what is this?")]),
            Message("assistant", [Text("I look.")]),
            Message("user", [result]),
        ]
    )
    before = deepcopy(request)
    degraded, notices = degrade(request, bare, "Model X")
    words = Text("[image omitted: this model takes no image input]")
    assert degraded.messages[0].parts == [words, Text("what is this?")]
    assert degraded.messages[2].parts == [replace(result, content=[Text("screenshot:"), words])]
    assert [(notice.code, "2 in tool results" in notice.message) for notice in notices] == [
        ("omitted_image", True)
    ]
    assert request == before


def test_a_picture_of_the_present_question_is_refused_beside_tool_results(
    bare: Capabilities,
) -> None:
    picture = Media("image", data="AAAA")
    asked = Message("user", [ToolResult("c1", [picture]), picture])
    request = ask(messages=[Message("assistant", [Text("Hm.")]), asked, Message("user", [])])
    with pytest.raises(Unsupported) as refused:
        degrade(request, bare, "Model X")
    assert refused.value.param == "messages[1].content[1]"


def test_media_by_url_is_refused_where_it_must_be_inline() -> None:
    request = ask(messages=[Message("user", [Media("image", url="https://a.example/i.png")])])
    with pytest.raises(Unsupported, match="takes no image by URL"):
        degrade(request, Capabilities(media_urls=False), "Model X")


def test_inline_media_passes_where_urls_do_not() -> None:
    request = ask(messages=[Message("user", [Media("image", data="AAAA")])])
    assert degrade(request, Capabilities(media_urls=False), "Model X")[0] is request


def test_custom_tools_become_functions_with_their_grammar_described(basic: Capabilities) -> None:
    degraded, seen = codes(ask(tools=[PATCH, WEATHER]), basic)
    function, weather = degraded.tools
    assert isinstance(function, FunctionTool)
    assert function.name == "apply_patch"
    assert list(function.parameters["properties"]) == ["input"]
    assert "Edits files." in (function.description or "")
    assert "start: /.+/" in (function.description or "")
    assert weather is WEATHER
    assert seen == ["dropped_tool_grammar"]


def test_a_custom_tool_without_a_grammar_loses_nothing(basic: Capabilities) -> None:
    assert codes(ask(tools=[CustomTool("note", None)]), basic)[1] == []


def test_custom_calls_of_the_history_become_calls_of_functions(basic: Capabilities) -> None:
    history = [
        Message("user", [Text("Hi")]),
        Message("assistant", [ToolCall("c1", "apply_patch", 'say "é"\n', custom=True)]),
        Message("user", [ToolResult("c1", [Text("done")], custom=True)]),
    ]
    degraded, _ = degrade(ask(messages=history), basic, "Model X")
    assert degraded.messages[0] is history[0]
    assert degraded.messages[1].parts == [
        ToolCall("c1", "apply_patch", '{"input":"say \\"é\\"\\n"}')
    ]
    assert degraded.messages[2].parts == [ToolResult("c1", [Text("done")])]


def test_what_stands_beside_a_custom_call_stays_as_it_is(basic: Capabilities) -> None:
    plain: list[Part] = [Text("I will edit."), ToolCall("c2", "weather", "{}")]
    mixed = Message("assistant", [*plain, ToolCall("c1", "apply_patch", "x", custom=True)])
    degraded, _ = degrade(ask(messages=[mixed]), basic, "Model X")
    assert degraded.messages[0].parts[:2] == plain


def test_custom_tools_stay_where_the_provider_takes_them() -> None:
    request = ask(tools=[PATCH])
    assert degrade(request, Capabilities(custom_tools=True), "Model X")[0] is request
