"""Requests as plans of runs."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from gateway_core import (
    Credential,
    FunctionTool,
    HostedTool,
    InvalidRequest,
    LoginRequired,
    Media,
    Message,
    Model,
    Request,
    Text,
    ToolResult,
    Unsupported,
)
from gateway_core.request import CustomTool, ReasoningSpec, SessionHints, ToolChoice
from gateway_cursor.plan import CallResult, RunLimits, RunPlan
from gateway_cursor.proto import agent_pb2 as pb
from gateway_cursor.settings import CursorSettings
from gateway_cursor.variants import pack_variants, split_id
from support.about import about
from support.cursor_asking import (
    CREDENTIAL,
    asked,
    assistant,
    call_of,
    degraded,
    fixture,
    planned,
    roots,
    translated,
    user,
)
from support.pictures import PNG_BASE64

PICTURE = Media("image", "image/png", data=PNG_BASE64)
READ = FunctionTool("Read", "Reads", {"type": "object", "properties": {"path": {}}})
BASH = FunctionTool("Bash", "Runs", {"type": "object", "properties": {"command": {}}})


def result(id: str, *parts: str | Media, failed: bool = False) -> ToolResult:
    content = [Text(part) if isinstance(part, str) else part for part in parts]
    return ToolResult(id, [*content], failed)


def with_tools(*messages: Message, **choice: Any) -> Request:
    said = messages or (user("Hi"),)
    return asked(*said, system="Be terse.", tools=[READ, BASH], tool_choice=ToolChoice(**choice))


def after(*parts: str | ToolResult | Media) -> RunPlan:
    """The plan for a request that ends with these parts."""
    return planned(with_tools(user("Go"), assistant(call_of("t1"), call_of("t2")), user(*parts)))


def test_a_call_is_a_first_message_to_the_agent_service_in_the_name_of_the_account() -> None:
    call = translated(with_tools())
    assert (call.method, call.url) == (
        "POST",
        "https://api2.cursor.sh/agent.v1.AgentService/Run",
    )
    assert call.headers["authorization"] == "Bearer fake-access-1"
    assert call.headers["content-type"] == "application/connect+proto"
    message = pb.AgentClientMessage.FromString(call.body)
    assert message.run_request == call.state.start.request
    assert call.notices == []


def test_another_host_can_be_asked() -> None:
    settings = CursorSettings(run_url="https://agentn.api5.cursor.sh")
    url = translated(with_tools(), settings=settings).url
    assert url == "https://agentn.api5.cursor.sh/agent.v1.AgentService/Run"


def test_the_first_message_is_that_of_the_fixture() -> None:
    recorded = fixture("c01").run_request
    request = asked(
        user("Say hi"),
        system="You are terse.",
        session=SessionHints(metadata={"cursor_chat_id": recorded.conversation_id}),
    )
    sent = planned(request, "auto", options={"mode": "agent"}).start.request
    for run in (sent, recorded):
        run.action.user_message_action.ClearField("request_context")
        run.action.user_message_action.user_message.message_id = ""
    assert sent == recorded


def test_without_a_login_nothing_can_be_asked() -> None:
    with pytest.raises(LoginRequired, match="gateway login cursor"):
        translated(with_tools(), credential=None)


def test_tools_are_offered_in_both_places() -> None:
    plan = planned(with_tools())
    assert [tool.name for tool in plan.start.request.mcp_tools.mcp_tools] == ["mcp_Read", "Bash"]
    assert plan.context.tools == plan.start.request.mcp_tools.mcp_tools
    assert plan.tools.names == ("mcp_Read", "Bash")
    assert plan.parallel


def test_tools_that_are_too_large_are_shortened_and_told_once() -> None:
    tools = [FunctionTool(f"t{n}", "words " * 500, {}) for n in range(100)]
    call = translated(asked(user("Hi"), tools=[*tools]))
    assert [notice.code for notice in call.notices] == ["trimmed_tools"]
    assert len(call.state.start.request.mcp_tools.mcp_tools) == 100
    assert not call.state.context.tools


@pytest.mark.parametrize(
    "tool", [HostedTool("web_search", "web_search"), CustomTool("patch", "Patches")]
)
def test_other_tools_are_refused_by_name(tool: Any) -> None:
    with pytest.raises(Unsupported, match=r"web_search|custom"):
        translated(asked(user("Hi"), tools=[tool]))


# What the model must heed


def test_instructions_are_a_rule_and_the_system_message() -> None:
    plan = planned(with_tools())
    assert plan.context.cloud_rule == "Be terse."
    assert roots(plan.start)[0] == {"role": "system", "content": "Be terse."}


def asks(plan: RunPlan) -> str:
    return plan.start.request.action.user_message_action.user_message.text


def test_a_call_can_be_asked_for_in_words() -> None:
    call = translated(with_tools(mode="required"))
    assert [notice.code for notice in call.notices] == ["mapped_tool_choice"]
    assert call.state.tools.names == ("mcp_Read", "Bash")
    wish = "Your next answer must call at least one of the user's tools; words are not enough."
    assert call.state.context.cloud_rule == f"Be terse.\n\n{wish}"
    assert asks(call.state) == f"Hi\n\n<system-reminder>\n{wish}\n</system-reminder>"
    assert roots(call.state.start)[0]["content"] == "Be terse."


def test_of_tools_that_are_named_no_others_are_offered() -> None:
    plan = planned(with_tools(mode="tool", names=["Read"]))
    assert plan.tools.names == ("mcp_Read",)
    assert "must call the tool `mcp_Read`;" in plan.context.cloud_rule
    both = planned(with_tools(mode="tool", names=["Read", "Bash"]))
    assert "must call the tool `mcp_Read` or `Bash`;" in both.context.cloud_rule


def test_tools_that_may_be_called_need_not_be() -> None:
    call = translated(with_tools(mode="tool", names=["Bash"], required_among=False))
    assert call.state.tools.names == ("Bash",)
    assert call.state.context.cloud_rule == "Be terse."
    assert call.notices == []


def test_without_tools_to_choose_from_none_are_offered() -> None:
    plan = planned(with_tools(mode="none"))
    assert plan.tools.names == ()
    assert not plan.start.request.HasField("mcp_tools")
    assert not plan.context.mcp_instructions


def test_a_choice_of_a_tool_that_is_not_offered_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="'Write'") as refusal:
        translated(with_tools(mode="tool", names=["Write"]))
    assert refusal.value.param == "tool_choice"


def test_one_call_at_a_time_is_for_the_run_to_see_to() -> None:
    assert not planned(with_tools(parallel=False)).parallel
    assert planned(with_tools(parallel=True)).parallel


def test_the_web_may_be_searched_where_the_settings_allow_it() -> None:
    allowed = planned(with_tools(), settings=CursorSettings(allow_web_search=True))
    assert allowed.allow_search and allowed.context.web_search_enabled
    assert not planned(with_tools()).allow_search


SEARCH = HostedTool("web_search", "web_search")
SEARCHING = CursorSettings(allow_web_search=True)


def test_a_hosted_search_is_no_tool_of_the_client_but_leave_to_search() -> None:
    own = FunctionTool("web_search", "Searches", {})
    plan = planned(asked(user("Hi"), tools=[SEARCH, BASH, own]), settings=SEARCHING)
    assert plan.tools.names == ("Bash", "web_search")
    assert plan.allow_search


@pytest.mark.parametrize(
    "choice", [ToolChoice("required"), ToolChoice("tool", ["web_search"])], ids=lambda c: c.mode
)
def test_a_search_that_must_be_is_asked_for_in_words(choice: ToolChoice) -> None:
    plan = planned(asked(user("Hi"), tools=[SEARCH], tool_choice=choice), settings=SEARCHING)
    assert plan.context.cloud_rule == "Search the web before you answer."


def test_where_no_tool_may_be_called_nothing_is_searched() -> None:
    request = asked(user("Hi"), tools=[SEARCH, BASH], tool_choice=ToolChoice("none"))
    plan = planned(request, settings=SEARCHING)
    assert not plan.allow_search and not plan.context.web_search_enabled


def test_images_beyond_the_most_are_told_of() -> None:
    call = translated(asked(user(*[PICTURE] * 14)))
    assert [notice.code for notice in call.notices] == ["dropped_images"]
    assert "the 2 oldest" in call.notices[0].message


# The model


def test_a_model_is_named_in_both_fields() -> None:
    sent = planned(with_tools(), "claude-sonnet-5-medium").start.request
    assert sent.model_details.model_id == sent.requested_model.model_id
    assert sent.model_details.display_model_id == "claude-sonnet-5-medium"
    assert sent.model_details.display_name and not sent.requested_model.max_mode


def test_the_effort_chooses_the_variant() -> None:
    variants = [split_id(f"m-1-thinking-{effort}")[1] for effort in ("low", "high")]
    info = Model("m-1", private=pack_variants(variants))
    request = asked(user("Hi"), reasoning=ReasoningSpec(effort="max"))
    plan = planned(request, "m-1", info=info)
    assert plan.model == plan.start.request.requested_model.model_id == "m-1-thinking-high"


def test_a_wish_that_a_model_in_no_list_cannot_be_known_to_meet_is_told() -> None:
    for model, options, reasoning, wire, codes in [
        ("claude-opus-5", {}, ReasoningSpec(effort="high"), "claude-opus-5-thinking-high", []),
        ("gpt-5.5", {}, ReasoningSpec(effort="max"), "gpt-5.5-extra-high", ["mapped_effort"]),
        ("gpt-5.5", {}, ReasoningSpec(enabled=True), "gpt-5.5-medium", []),
        ("gpt-5.5", {"effort": "low"}, ReasoningSpec(effort="max"), "gpt-5.5-low", []),
        (
            "gpt-5.2",
            {"variant": "gpt-5.2-fast", "fast": "yes"},
            ReasoningSpec(effort="low"),
            "gpt-5.2-fast",
            ["dropped_reasoning"],
        ),
        ("brand-new", {}, ReasoningSpec(effort="high"), "brand-new", ["dropped_reasoning"]),
        ("brand-new", {}, ReasoningSpec(budget_tokens=9), "brand-new", ["dropped_reasoning"]),
        ("brand-new", {}, ReasoningSpec(enabled=True), "brand-new", ["dropped_reasoning"]),
        ("brand-new", {}, ReasoningSpec(enabled=False), "brand-new", []),
        ("brand-new", {}, ReasoningSpec(), "brand-new", []),
    ]:
        with about(model, reasoning):
            request = degraded(asked(user("Hi"), reasoning=reasoning))
            call = translated(request, model, options=options)
            assert call.state.model == wire
            assert [notice.code for notice in call.notices] == codes


@pytest.mark.parametrize(
    ("ids", "reasoning", "id"),
    [
        (("low", "medium", "high"), ReasoningSpec(enabled=False), "m-1-medium"),
        (("low", "medium", "high"), ReasoningSpec(enabled=False, effort="high"), "m-1-high"),
    ],
)
def test_a_model_that_is_not_to_think_may_be_told_how_much_effort_to_make(
    ids: tuple[str, ...], reasoning: ReasoningSpec, id: str
) -> None:
    thinking = [split_id(f"m-1-thinking-{effort}")[1] for effort in ids]
    info = Model("m-1", private=pack_variants([*thinking, *(split_id(f"m-1-{e}")[1] for e in ids)]))
    request = asked(user("Hi"), reasoning=reasoning)
    assert planned(request, "m-1", info=info).model == id


def test_max_mode_is_sent_as_the_list_says() -> None:
    variants = [replace(split_id("m-1-fast")[1], max_mode=True)]
    sent = planned(with_tools(), "m-1", info=Model("m-1", private=pack_variants(variants)))
    assert sent.start.request.requested_model.max_mode
    assert sent.start.request.model_details.max_mode


def test_what_the_settings_and_the_list_say_is_known_to_the_run() -> None:
    settings = CursorSettings(held_seconds=5, held_runs=2, max_native_calls=3)
    info = Model("m", context_window=272_000)
    plan = planned(with_tools(), settings=settings, info=info)
    assert plan.limits == RunLimits(5, 2, 3)
    assert plan.window == 272_000
    assert planned(with_tools()).window is None


def test_about_how_many_tokens_are_sent_is_known_to_the_run() -> None:
    few, many = planned(asked(user("Hi"))), planned(asked(user("word " * 4_000, PICTURE)))
    assert few.estimate is not None and many.estimate is not None
    assert 0 < few.estimate < 100
    assert 5_000 < many.estimate < 7_000


# Results for a run that is held open


def results(plan: RunPlan) -> dict[str, pb.McpSuccess]:
    assert all(type(result) is CallResult for result in plan.results)
    return {result.call_id: result.result.success for result in plan.results}


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("c12", result("t1", "hello from a.txt")),
        ("c13", result("t1", "screenshot:", PICTURE)),
        ("c14", result("t1", "ENOENT: no such file", failed=True)),
    ],
)
def test_results_are_as_in_the_fixtures(name: str, given: ToolResult) -> None:
    expected = fixture(name).exec_client_message.mcp_result.success
    found = results(after(given))["t1"]
    if name == "c13":
        assert found.content[1].image.mime_type == expected.content[1].image.mime_type
        assert found.content[0] == expected.content[0]
        assert found.content[1].image.data.startswith(b"\x89PNG")
    else:
        assert found == expected


def test_results_are_named_by_the_clients_ids() -> None:
    plan = after(result("t2", "b"), result("t1", "a"))
    assert {id: texts(success) for id, success in results(plan).items()} == {
        "t2": ["b"],
        "t1": ["a"],
    }


def texts(success: pb.McpSuccess) -> list[str]:
    return [item.text.text for item in success.content]


def test_an_empty_result_is_an_empty_text() -> None:
    success = results(after(result("t1")))["t1"]
    assert texts(success) == [""]
    assert success.content[0].HasField("text")


def test_what_the_user_says_beside_results_is_told_at_the_end_of_the_last() -> None:
    plan = after("One", result("t1", "a"), result("t2", "b"), "Two")
    found = results(plan)
    assert texts(found["t1"]) == ["a"]
    assert texts(found["t2"]) == ["b", "<user_message>\nOne\n\nTwo\n</user_message>"]


def test_images_beside_results_go_with_the_last() -> None:
    last = results(after(result("t1", "a"), result("t2", "b"), PICTURE, "See?"))["t2"]
    assert texts(last)[:2] == ["b", "<user_message>\nSee?\n</user_message>"]
    assert last.content[2].image.mime_type == "image/png"


def test_of_several_results_for_one_call_the_last_is_given() -> None:
    assert texts(results(after(result("t1", "a"), result("t1", "b")))["t1"]) == ["b"]


def test_results_whose_calls_the_history_lost_are_given_all_the_same() -> None:
    assert texts(results(planned(with_tools(user(result("t9", "x")))))["t9"]) == ["x"]


@pytest.mark.parametrize(
    "messages",
    [
        [user("Hi")],
        [user("Go"), assistant(call_of("t1")), user(result("t1", "a")), assistant("Done.")],
        [
            user("Go"),
            assistant(call_of("t1")),
            user(result("t1", "a")),
            assistant("Done."),
            user("More"),
        ],
    ],
)
def test_a_request_that_does_not_end_with_results_has_none(messages: list[Message]) -> None:
    assert planned(with_tools(*messages)).results == ()


# What a held run cannot change


def other_account() -> Credential:
    return CREDENTIAL.model_copy(update={"account": "other"})


def test_the_fingerprint_is_the_same_in_all_turns() -> None:
    first = planned(with_tools())
    later = with_tools(user("Hi"), assistant(call_of("t1")), user(result("t1", "x"), "More"))
    assert planned(later).fingerprint == first.fingerprint


def test_the_fingerprint_tells_what_a_held_run_cannot_change() -> None:
    found = [
        planned(with_tools()),
        planned(with_tools(), "gpt-5.5-high"),
        planned(with_tools(), credential=other_account()),
        planned(with_tools(), options={"mode": "plan"}),
        planned(with_tools(mode="required")),
        planned(with_tools(mode="none")),
        planned(with_tools(parallel=False)),
        planned(asked(user("Hi"), system="Be verbose.", tools=[READ, BASH])),
        planned(asked(user("Hi"), system="Be terse.", tools=[READ])),
        planned(asked(user("Hi"), system="Be terse.", tools=[BASH, READ])),
    ]
    assert len({plan.fingerprint for plan in found}) == len(found)


def test_translation_leaves_the_request_untouched_and_is_always_the_same() -> None:
    request = with_tools(
        user("Go", PICTURE), assistant(call_of("t1")), user(result("t1", "a"), "More")
    )
    before = deepcopy(request)
    call = translated(request)
    assert request == before
    again = translated(deepcopy(request))
    assert again == call and again.body == call.body and again.state == call.state


def test_no_secret_is_in_a_plan() -> None:
    call = translated(with_tools())
    assert b"fake-" not in call.body
    assert "fake-" not in f"{call!r} {call.state!r} {call.url}"
