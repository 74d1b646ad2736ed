"""Which conversation it is, and in which mode."""

from typing import Any
from uuid import UUID

import pytest

from gateway_core import FunctionTool
from gateway_core.request import SessionHints, ToolChoice
from gateway_cursor.proto import agent_pb2 as pb
from gateway_cursor.settings import CursorSettings
from support.about import about
from support.cursor_asking import CREDENTIAL, asked, assistant, planned, translated, user

SESSION = "6f1c2d3e-4a5b-4c6d-8e7f-901122334455"
CHAT = "11111111-2222-4333-8444-555555555555"
TOOL = FunctionTool("run", "d", {})


def id_of(
    *, text: str = "Hi", model: str = "claude-opus-5", account: str = "", **hints: Any
) -> str:
    credential = CREDENTIAL.model_copy(update={"account": account or CREDENTIAL.account})
    request = asked(user(text), system="Be terse.", session=SessionHints(**hints))
    plan = planned(request, model, credential=credential)
    assert plan.start.request.conversation_id == plan.conversation
    return plan.conversation


def test_a_session_has_one_id_in_all_of_its_turns() -> None:
    id = id_of(session_id=SESSION)
    assert UUID(id)
    assert id_of(session_id=SESSION, text="Something else") == id


def test_another_account_model_session_or_helper_agent_has_another() -> None:
    ids = [
        id_of(session_id=SESSION),
        id_of(session_id=SESSION, model="gpt-5.5-high"),
        id_of(session_id=SESSION, account="other"),
        id_of(session_id=CHAT),
        id_of(session_id=SESSION, agent_id="a1"),
        id_of(session_id=SESSION, agent_id="a2"),
        id_of(cache_key="thread-1"),
        id_of(),
        id_of(text="Another beginning"),
    ]
    assert len(set(ids)) == len(ids)


def test_what_is_asked_beside_an_agent_is_another_conversation() -> None:
    hints = SessionHints(session_id=SESSION)
    agent = planned(asked(user("Hi"), tools=[TOOL], session=hints)).conversation
    last = asked(user("Hi"), tools=[TOOL], tool_choice=ToolChoice("none"), session=hints)
    title = asked(user("Write a title"), session=hints)
    assert planned(last).conversation == agent
    assert planned(title).conversation != agent


def test_a_client_without_sessions_is_told_by_how_the_conversation_begins() -> None:
    later = asked(user("Hi"), assistant("Hello."), user("More"), system="Be terse.")
    assert planned(later).conversation == id_of()


def test_metadata_names_the_conversation_to_go_on_with() -> None:
    for name in ["cursor_chat_id", "cursorChatId", "cursor_resume", "cursorResume"]:
        with about(name):
            assert id_of(session_id=SESSION, metadata={name: f" {CHAT.upper()} "}) == CHAT


def test_a_name_that_is_no_uuid_becomes_one() -> None:
    id = id_of(session_id=SESSION, metadata={"cursor_chat_id": "my chat"})
    assert UUID(id)
    assert id == id_of(metadata={"cursorResume": "my chat"}, model="gpt-5.5-high")
    assert id != id_of(metadata={"cursorResume": "my chat"}, account="other")


def test_metadata_that_names_nothing_is_passed_over() -> None:
    for value in ["", " ", True, 5, None, ["x"]]:
        with about(value):
            expected = id_of(session_id=SESSION)
            assert id_of(session_id=SESSION, metadata={"cursor_chat_id": value}) == expected


def mode(
    tools: bool = False, option: str = "", default: Any = "auto", wanted: object = None
) -> "pb.AgentMode":
    metadata = {"cursor_mode": wanted} if wanted is not None else None
    request = asked(
        user("Hi"), tools=[TOOL] if tools else [], session=SessionHints(metadata=metadata)
    )
    options = {"mode": option} if option else {}
    plan = planned(request, options=options, settings=CursorSettings(default_mode=default))
    return plan.start.request.action.user_message_action.user_message.mode


def test_a_request_with_tools_is_for_an_agent_and_one_without_only_asks() -> None:
    assert mode(tools=True) == pb.AGENT_MODE_AGENT
    assert mode(tools=False) == pb.AGENT_MODE_ASK


def test_asking_leaves_the_workspace_out() -> None:
    plans = [planned(asked(user("Hi"), tools=tools)) for tools in ([], [TOOL])]
    assert [plan.start.request.exclude_workspace_context for plan in plans] == [True, False]


@pytest.mark.parametrize("tools", [True, False])
def test_the_name_of_the_model_says_the_mode_then_metadata_then_the_settings(tools: bool) -> None:
    assert mode(tools, "plan", "agent", "ask") == pb.AGENT_MODE_PLAN
    assert mode(tools, "", "agent", " Plan ") == pb.AGENT_MODE_PLAN
    assert mode(tools, "", "agent") == pb.AGENT_MODE_AGENT
    assert mode(tools, "", "ask") == pb.AGENT_MODE_ASK
    assert mode(tools, "", "ask", 5) == pb.AGENT_MODE_ASK


def test_a_mode_that_there_is_not_is_told() -> None:
    hints = SessionHints(metadata={"cursor_mode": "turbo"})
    call = translated(asked(user("Hi"), session=hints))
    assert [notice.code for notice in call.notices] == ["unknown_cursor_mode"]
    assert "'turbo'" in call.notices[0].message
