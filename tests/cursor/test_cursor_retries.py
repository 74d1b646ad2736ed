"""What a run is tried again with, and the ids of conversations."""

import pytest

from gateway_cursor.connect import EndOfStream
from gateway_cursor.plan import RunStart
from gateway_cursor.proto import agent_pb2 as pb
from gateway_cursor.retries import Attempts, Conversations, under_id
from support.about import about
from support.cursor_runs import plan_for

REFUSED = EndOfStream("invalid_argument", "Error")
LOST_BLOB = EndOfStream("internal", "Blob not found")
BARE = EndOfStream("resource_exhausted", "Error")
TEXT = RunStart(pb.AgentRunRequest(conversation_id="in words"), {})


@pytest.fixture
def conversations() -> Conversations:
    """They get the ids `fresh-1`, `fresh-2`, ..."""
    numbers = iter(range(1, 10_000))
    return Conversations(lambda: f"fresh-{next(numbers)}")


class TestConversations:
    def test_one_keeps_its_id_from_run_to_run(self, conversations: Conversations) -> None:
        for _ in range(2):
            assert conversations.claim("chat") == "chat"
            conversations.release("chat")

    def test_a_second_run_at_once_gets_another(self, conversations: Conversations) -> None:
        assert [conversations.claim("chat") for _ in range(3)] == ["chat", "fresh-1", "fresh-2"]
        conversations.release("chat")
        assert conversations.claim("chat") == "chat"

    def test_a_new_id_stays(self, conversations: Conversations) -> None:
        conversations.replace("chat")
        assert conversations.claim("chat") == "fresh-1"
        assert conversations.claim("other") == "other"

    def test_what_is_remembered_is_bounded(self, conversations: Conversations) -> None:
        for number in range(1025):
            conversations.replace(f"chat {number}")
        assert conversations.current("chat 0") == "chat 0"
        assert conversations.current("chat 1") == "fresh-2"


class TestAttempts:
    def test_each_failure_is_mended_so_often(self, conversations: Conversations) -> None:
        for failure, times in [
            (REFUSED, 1),
            (EndOfStream("failed_precondition", number=36, name="BAD_REQUEST"), 1),
            (LOST_BLOB, 1),
            (BARE, 3),
            (EndOfStream("resource_exhausted", number=50, name="RATE_LIMITED"), 0),
            (EndOfStream("resource_exhausted", retryable=False), 0),
            (EndOfStream("invalid_argument", retryable=False), 0),
            (EndOfStream("internal", "Error"), 0),
            (EndOfStream("unavailable"), 0),
            (EndOfStream("unauthenticated"), 0),
        ]:
            with about(failure):
                attempts = Attempts(plan_for(as_text=lambda: TEXT), conversations)
                mended = [attempts.mend(failure) for _ in range(times + 1)]
                assert mended == [True] * times + [False]

    def test_the_conversation_gets_a_new_id_each_time(self, conversations: Conversations) -> None:
        attempts = Attempts(plan_for(conversation="chat"), conversations)
        ids = []
        while attempts.mend(BARE):
            ids.append(conversations.current("chat"))
        assert ids == ["fresh-1", "fresh-2", "fresh-3"]

    def test_a_refused_form_is_replaced_by_words(self, conversations: Conversations) -> None:
        plan = plan_for(as_text=lambda: TEXT)
        attempts = Attempts(plan, conversations)
        assert attempts.start is plan.start
        assert attempts.mend(REFUSED)
        assert attempts.start is TEXT
        assert attempts.mend(LOST_BLOB)
        assert attempts.start is TEXT

    def test_without_another_form_it_is_final(self, conversations: Conversations) -> None:
        assert not Attempts(plan_for(), conversations).mend(REFUSED)

    def test_a_long_prompt_is_taken_for_what_is_too_much(
        self, conversations: Conversations
    ) -> None:
        for estimate, window, again in [
            (99_999, None, True),
            (100_000, None, False),
            (100_000, 1_000_000, True),
            (None, 100, True),
        ]:
            with about(estimate):
                plan = plan_for(estimate=estimate, window=window)
                assert Attempts(plan, conversations).mend(BARE) is again


class TestId:
    @pytest.fixture
    def starts(self) -> RunStart:
        request = pb.AgentRunRequest(conversation_id="own", conversation_group_id="own")
        return RunStart(request, {b"id": b"blob"})

    def test_another_id_is_put_into_a_copy(self, starts: RunStart) -> None:
        changed = under_id(starts, "other")
        assert changed.request.conversation_id == "other"
        assert changed.request.conversation_group_id == "other"
        assert changed.blobs == starts.blobs
        assert starts.request.conversation_id == "own"

    def test_its_own_leaves_it_as_it_is(self, starts: RunStart) -> None:
        assert under_id(starts, "own") is starts
