"""One name for a conversation."""

from gateway_core import Message, Request, Text
from gateway_core.request import SessionHints
from gateway_core.session_key import conversation_uuid

UUID = "7d3c0000-0000-4000-8000-000000000000"


def request(*texts: str, session: SessionHints | None = None) -> Request:
    messages = [Message("user", [Text(text)]) for text in texts]
    return Request("m", messages, [Text("Be brief.")], session=session or SessionHints())


def test_a_uuid_of_the_client_is_kept() -> None:
    assert conversation_uuid(request("a", session=SessionHints(cache_key=UUID))) == UUID


def test_names_agents_and_beginnings_tell_conversations_apart() -> None:
    keys = {
        conversation_uuid(asked)
        for asked in (
            request("a"),
            request("b"),
            request("a", session=SessionHints(session_id="s")),
            request("a", session=SessionHints(session_id=UUID, agent_id="helper")),
            Request("m", []),
        )
    }
    assert len(keys) == 5


def test_a_conversation_that_grows_keeps_its_name() -> None:
    assert conversation_uuid(request("a", "b")) == conversation_uuid(request("a"))
