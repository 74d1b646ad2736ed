"""What the clients of a gateway see when something goes wrong at a provider, whichever it is.

`class TestFaults(ProviderFaults)` beside a fixture `served` gives a provider all of these checks;
its `faults` say in the words of the provider's simulator what goes wrong, and what is to be told.
`ProviderRenewals` is for those whose logins are renewed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import httpx
import pytest

from support.about import about
from support.dialects import ANTHROPIC, CHAT, DIALECTS, RESPONSES, Dialect
from support.served import Served, pieces_of

__all__ = ["Faults", "ProviderFaults", "ProviderRenewals", "Told", "Wait", "assert_answered"]

Pair = Served[Any]


class Told(NamedTuple):
    """What a client is told: the status for Messages, words of the text, the `type` of Messages and
    the `code` of OpenAI where it matters; and how often the provider was asked.
    """

    status: int
    words: str = ""
    asked: int = 1
    type: str | None = None
    code: str | None = None


class Wait(NamedTuple):
    """For how many seconds a client is to wait, if that is told, and whether it then may try again
    by itself.
    """

    least: float | None = None
    most: float = 0
    again: bool = True


@dataclass(slots=True, frozen=True, kw_only=True)
class Faults:
    """Faults, each a script for the simulator; to those that pass, ` times=1` is added.

    refused: errors, and what is told of them in each dialect. refused_by_turns: more of them, of
    which each dialect gets a part. overflows: errors that mean that the conversation is too long.
    limits: what is over after some time. passing: what is gone at another try. breaks: ways for an
    answer to break off. early_breaks: those that happen before any output. wordless: answers that
    end well but say nothing, with the status and how often the provider is asked. cut_call: a call
    that is cut. unspoken: what no message may hold.
    """

    refused: Mapping[str, Told]
    refused_by_turns: Mapping[str, Told] = field(default_factory=dict)
    overflows: Sequence[str]
    limits: Mapping[str, Wait]
    passing: Sequence[str]
    breaks: Sequence[str]
    early_breaks: Sequence[str]
    wordless: Mapping[str, tuple[int, int]]
    cut_call: str = 'tool: lookup {"topic": "all of it"}\ncut:'
    unspoken: Sequence[str] = ("<",)


class ProviderFaults:
    """Checks for every provider."""

    faults: ClassVar[Faults]
    renewals: ClassVar[int] = 0
    """How often a dead login is tried to be renewed."""

    def test_errors_are_told_in_each_dialect(self, served: Pair) -> None:
        for fault, told in self.faults.refused.items():
            for dialect in DIALECTS:
                self.check_told(served, dialect, fault, told)
        turns = cycle(DIALECTS)
        for fault, told in self.faults.refused_by_turns.items():
            self.check_told(served, next(turns), fault, told)

    def check_told(self, served: Pair, dialect: Dialect, fault: str, told: Told) -> None:
        with about(fault, dialect):
            served.play(fault)
            response = served.ask(dialect)
            error = dialect.error(response.content)
            expected = dialect.overloaded if told.status == 529 else told.status
            assert (response.status_code, len(served.requests)) == (expected, told.asked), error
            assert told.words in error["message"]
            assert not [word for word in self.faults.unspoken if word in error["message"]]
            name, value = ("type", told.type) if dialect is ANTHROPIC else ("code", told.code)
            assert value is None or error[name] == value

    def test_a_conversation_that_is_too_long_makes_clients_compact(self, served: Pair) -> None:
        """Claude Code does so when it reads these words, others when they see the code."""
        for fault in self.faults.overflows:
            for dialect in DIALECTS:
                with about(fault, dialect):
                    served.play(fault)
                    response = served.ask(dialect)
                    assert (response.status_code, len(served.requests)) == (400, 1)
                    error = dialect.error(response.content)
                    if dialect is ANTHROPIC:
                        assert error["message"].startswith("prompt is too long")
                    else:
                        assert error["code"] == "context_length_exceeded"

    def test_a_limit_is_for_the_client_to_wait_for(self, served: Pair) -> None:
        for fault, wait in self.faults.limits.items():
            for dialect in DIALECTS:
                with about(fault, dialect):
                    served.play(f"{fault} times=1\ntext: Here at last.")
                    response = served.ask(dialect)
                    assert (response.status_code, len(served.requests)) == (429, 1)
                    if wait.least is None:
                        assert "retry-after" not in response.headers
                    else:
                        assert wait.least <= float(response.headers["retry-after"]) <= wait.most
                    again = response.headers.get("x-should-retry")
                    assert again == (None if wait.again else "false")
                    assert_answered(served.ask(dialect), dialect)

    def test_what_may_pass_is_tried_again(self, served: Pair) -> None:
        turns = cycle(DIALECTS)
        for fault in self.faults.passing:
            dialect = next(turns)
            with about(fault, dialect):
                served.play(f"{fault} times=1\ntext: Here at last.")
                assert_answered(served.ask(dialect), dialect)
                assert len(served.requests) == 2

    def test_two_failures_are_not_too_many_but_three_are(self, served: Pair) -> None:
        fault = self.faults.passing[0]
        served.play(f"{fault} times=2\ntext: Here at last.")
        assert_answered(served.ask(RESPONSES), RESPONSES)
        assert len(served.requests) == 3
        served.play(f"{fault} times=3\ntext: Here at last.")
        assert served.ask(RESPONSES).status_code >= 500
        assert len(served.requests) == 3

    def test_a_break_after_some_output_is_told_in_the_stream(self, served: Pair) -> None:
        for end in self.faults.breaks:
            for dialect in DIALECTS:
                with about(end, dialect):
                    served.play(f"text: Only half\n{end}")
                    response = served.ask(dialect)
                    assert response.status_code == 200
                    assert "half" in response.text
                    assert dialect.failure in response.content
                    assert dialect.success not in response.content
                    assert len(served.requests) == 1

    def test_half_an_answer_is_no_answer_for_who_wants_the_whole(self, served: Pair) -> None:
        turns = cycle(DIALECTS)
        for end in self.faults.breaks:
            dialect = next(turns)
            with about(end, dialect):
                served.play(f"text: Only half\n{end}")
                response = served.ask(dialect, stream=False)
                assert response.status_code >= 500
                assert dialect.error(response.content)

    def test_a_break_before_any_output_is_mended_by_asking_again(self, served: Pair) -> None:
        turns = cycle(DIALECTS)
        for end in self.faults.early_breaks:
            dialect = next(turns)
            with about(end, dialect):
                served.play(f"{end} times=1\ntext: Here at last.")
                assert_answered(served.ask(dialect), dialect)
                assert len(served.requests) == 2

    def test_an_answer_without_a_word_is_an_error_in_the_end(self, served: Pair) -> None:
        for script, expected in self.faults.wordless.items():
            for dialect in DIALECTS:
                with about(script, dialect):
                    served.play(script)
                    response = served.ask(dialect)
                    assert (response.status_code, len(served.requests)) == expected
                    assert "empty answer" in response.text
                    assert dialect.success not in response.content
                    if response.status_code == 200:
                        assert dialect.failure in response.content

    def test_a_call_that_was_cut_never_looks_complete(self, served: Pair) -> None:
        for dialect in DIALECTS:
            with about(dialect):
                served.play(self.faults.cut_call)
                content = served.ask(dialect).content
                assert b'"error"' in content
                for sign in (b'"stop_reason":"tool_use"', b'"finish_reason":"tool_calls"'):
                    assert sign not in content
                assert dialect.success not in content

    def test_a_slow_beginning_is_waited_for(self, served: Pair) -> None:
        for dialect in DIALECTS:
            with about(dialect):
                served.play("wait: 100ms\ntext: Here \nwait: 50ms\ntext: at last.")
                assert_answered(served.ask(dialect), dialect)

    def test_a_client_that_leaves_takes_the_upstream_request_along(self, served: Pair) -> None:
        for dialect in DIALECTS:
            with about(dialect):
                served.play("text: Only half\nstall:")
                body = dialect.body(served.model, stream=True)
                with served.http.stream("POST", dialect.path, json=body) as response:
                    assert any("half" in text for text in response.iter_text())
                served.wait_until_left()

    @pytest.fixture
    def impatient(self, served: Pair, tmp_path: Path) -> Iterator[Pair]:
        """A pair whose gateway waits for half a second at most."""
        settings = {"timeouts.idle": 0.5, served.idle_setting: 0.5}
        with type(served).running(tmp_path, settings) as pair, pair.fresh():
            yield pair

    async def test_silence_ends_in_an_error(self, impatient: Pair) -> None:
        """Before and after some output, all of them in the same half second."""
        scripts = {"silent": "stall:", "half": "text: Only half\nstall:"}
        asked = [(dialect, prompt) for dialect in DIALECTS for prompt in scripts]
        sections = [f"match: {prompt}\n{script}" for prompt, script in scripts.items()]
        impatient.play("\n---\n".join(sections))
        answers = await impatient.ask_at_once(asked)
        for (dialect, prompt), response in zip(asked, answers, strict=True):
            with about(prompt, dialect):
                if prompt == "silent":
                    assert response.status_code == 504
                    assert dialect.error(response.content)
                else:
                    assert response.status_code == 200
                    assert dialect.failure in response.content
                    assert dialect.success not in response.content

    def test_a_login_that_is_over_asks_for_a_new_one(self, served: Pair, tmp_path: Path) -> None:
        """Each time; but the login service is asked no more."""
        with type(served).running(tmp_path) as pair, pair.fresh():
            pair.play("text: Hello")
            pair.end_login()
            before = self.renewed(pair)
            for dialect in (*DIALECTS, ANTHROPIC):
                response = pair.ask(dialect)
                # Claude Code would log itself out at a 401.
                assert response.status_code == (403 if dialect is ANTHROPIC else 401)
                message = dialect.error(response.content)["message"]
                assert f"gateway login {pair.provider}" in message
            assert self.renewed(pair) == before + self.renewals

    def renewed(self, served: Pair) -> int:
        """How often the provider's login service was asked."""
        return 0

    def test_no_log_and_no_answer_holds_a_secret(
        self, served: Pair, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("DEBUG")
        secrets = served.secrets()
        answers = ""
        for fault in [
            *list(self.faults.refused)[:2],
            f"{self.faults.passing[0]} times=1\ntext: Here at last.",
        ]:
            served.play(fault)
            answers += served.ask(CHAT).text
        answers += served.http.get("/v1/status").text
        assert_untold(secrets | served.secrets(), answers, caplog)


class ProviderRenewals(ProviderFaults):
    """Checks for a provider whose tokens are renewed."""

    renewals = 1

    def renewed(self, served: Pair) -> int:
        return served.refreshes

    def test_a_token_that_ends_in_mid_life_is_renewed_once(self, served: Pair) -> None:
        for dialect in DIALECTS:
            with about(dialect):
                served.play("text: Here at last.")
                assert_answered(served.ask(dialect), dialect)
                before, renewed = served.credential(), served.refreshes
                served.end_tokens()
                assert_answered(served.ask(dialect, "And now?"), dialect)
                assert (served.refreshes, len(served.requests)) == (renewed + 1, 3)
                stored = served.credential().access_token
                assert stored != before.access_token
                used = served.requests[-1].headers["authorization"]
                assert used == f"Bearer {stored.get_secret_value()}"

    async def test_many_requests_share_one_renewal(self, served: Pair) -> None:
        served.play("text: Hello")
        served.end_tokens()
        before = served.refreshes
        answers = await served.ask_at_once([(dialect, "Hello") for dialect in DIALECTS * 2])
        assert [response.status_code for response in answers] == [200] * 6
        assert served.refreshes == before + 1

    def test_no_renewed_token_is_told(self, served: Pair, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("DEBUG")
        secrets = served.secrets()
        served.play("text: Hello")
        served.end_tokens()
        answer = served.ask(CHAT)
        assert answer.status_code == 200
        answers = answer.text + served.http.get("/v1/status").text
        assert_untold(secrets | served.secrets(), answers, caplog)


def assert_answered(response: httpx.Response, dialect: Dialect) -> None:
    """The whole answer came, in whatever pieces."""
    assert response.status_code == 200, response.text
    assert dialect.success in response.content
    assert "".join(pieces_of(response)).replace(" ", "") == "Hereatlast."


def assert_untold(secrets: set[str], answers: str, caplog: pytest.LogCaptureFixture) -> None:
    """No secret is in an answer or in a log, other than of what a simulator does as a server."""
    records = [record for record in caplog.records if record.name != "hpack.hpack"]
    logged = "\n".join(record.getMessage() for record in records)
    assert answers and records and secrets
    assert not [secret for secret in secrets if secret in answers + logged]
