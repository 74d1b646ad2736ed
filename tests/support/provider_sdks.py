"""What the vendors' own SDKs get from a gateway, whichever provider is behind it.

`class TestSdks(ProviderSdks)` beside a fixture `served` gives a provider all of these checks; its
`sdks` say in the words of the provider's simulator what is answered, and its methods where in a
request to find what was sent. `ProviderRepairs` is for those that mend histories, `ProviderSeals`
for those that seal reasoning for an account. The simulators refuse whatever the providers would.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, product
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import pytest

from gateway_core.json import JsonObject, loads_object
from support.about import about
from support.conversations import AnthropicTalk, ChatTalk, ResponsesTalk, Spent, Turn
from support.dialects import ANTHROPIC, CHAT
from support.pictures import PNG_BASE64
from support.served import KINDS, LONG_NAME, Kind, Served, pieces_of, results_for

__all__ = [
    "FILTERED",
    "TOO_LONG",
    "UP_TO_HERE",
    "ProviderRepairs",
    "ProviderSdks",
    "ProviderSeals",
    "Sdks",
    "Stop",
]

P = TypeVar("P", bound=Served[Any])
TURNS = 5
SHAPED = """\
shape: {shape}
think: Hm.
text: Größer ≥ 10 — 🚀 ok
tool: lookup {{"topic": "täglich ☕ and a little more"}}
tool: clock {{}}
---
shape: {shape}
text: Done.
"""


class Stop(NamedTuple):
    """Why an answer is incomplete, in the words of Messages, Chat Completions and Responses."""

    anthropic: str
    chat: str
    responses: str


UP_TO_HERE = Stop("max_tokens", "length", "incomplete")
FILTERED = Stop("refusal", "content_filter", "incomplete")
TOO_LONG = Stop("model_context_window_exceeded", "length", "incomplete")


@dataclass(slots=True, frozen=True, kw_only=True)
class Sdks:
    """Answers, each a script for the simulator.

    shapes: of streams that mean the same; the last is the hardest. usages: lines of a script, and
    what is to be told. without_usage: lines of answers that do not tell any. stops: lines that end
    an answer early, and what is to be told. huge: a long answer of the words word0, word1 and on,
    and how many they are. patch: a call of a tool without a schema. said: the verb of what is said
    before calls. models: those that think each in its own way; by default the usual one. names:
    names of models, each with an effort that is asked for or None, and what `chosen` then is.
    listed, unlisted: ids of models that the account has, and has not.
    """

    shapes: Sequence[str]
    usages: Mapping[str, Spent]
    without_usage: Sequence[str] = ()
    stops: Mapping[str, Stop]
    huge: tuple[str, int]
    patch: str = 'tool: patch {"input": "*** Begin\\n*** End"}'
    said: str = "text"
    models: Sequence[str | None] = (None,)
    names: Sequence[tuple[str, str | None, object]]
    listed: frozenset[str]
    unlisted: frozenset[str] = frozenset()


class ProviderSdks(Generic[P]):
    """Checks for every provider."""

    sdks: ClassVar[Sdks]

    # Where to find what was sent

    def chosen(self, served: P) -> object:
        """What the last request was sent for: the model, and with it whatever its name chooses."""
        raise NotImplementedError

    def check_turns(self, served: P, last: Turn) -> None:
        """That the turns of a conversation with tools were sent as the provider wishes."""
        raise NotImplementedError

    # Conversations

    @pytest.mark.parametrize("kind", KINDS)
    def test_turns_with_parallel_tools(self, served: P, kind: Kind) -> None:
        """Whether a turn is streamed makes no difference to what is sent in the next."""
        step = (
            "think: Thinking {n}.\\n\\nWith a second part.\n" + self.sdks.said + ": Step {n}.\n"
            'tool: lookup {{"topic": "number {n}"}}\ntool: ' + LONG_NAME + ' {{"city": "Riga"}}\n'
        )
        steps = [step.format(n=number) for number in range(1, TURNS + 1)]
        for model in self.sdks.models:
            with about(model):
                served.play("---\n".join([*steps, "think: So.\ntext: All of it is done.\n"]))
                talk = served.talk(kind, True, model)
                turn = talk.say(f"Look things up, {kind} {model}")
                for number in range(1, TURNS + 1):
                    talk.stream = not talk.stream
                    assert turn.text.strip() == f"Step {number}."
                    assert turn.thoughts == f"Thinking {number}.\n\nWith a second part."
                    assert [(call.name, call.arguments) for call in turn.calls] == [
                        ("lookup", {"topic": f"number {number}"}),
                        (LONG_NAME, {"city": "Riga"}),
                    ]
                    assert all(re.fullmatch("[a-zA-Z0-9_-]+", call.id) for call in turn.calls)
                    given = results_for(turn)
                    if number % 2:
                        given = dict(reversed(given.items()))
                    turn = talk.give(given)
                assert (turn.text, turn.calls) == ("All of it is done.", [])
                self.check_turns(served, turn)

    def test_streams_of_any_shape_mean_the_same(self, served: P) -> None:
        """Each shape in one manner, by turns; the hardest in all dialects and ways of thinking."""
        manners = cycle(product(KINDS, (True, False), self.sdks.models))
        cases = [(shape, *next(manners)) for shape in self.sdks.shapes]
        cases += product(self.sdks.shapes[-1:], KINDS, (True,), self.sdks.models)
        for shape, kind, stream, model in cases:
            with about(shape, kind, stream, model):
                served.play(SHAPED.format(shape=shape))
                talk = served.talk(kind, stream, model)
                turn = talk.say(f"Go on, {shape}")
                assert (turn.text, turn.thoughts) == ("Größer ≥ 10 — 🚀 ok", "Hm.")
                assert [(call.name, call.arguments) for call in turn.calls] == [
                    ("lookup", {"topic": "täglich ☕ and a little more"}),
                    ("clock", {}),
                ]
                assert len({call.id for call in turn.calls}) == 2
                assert talk.give(results_for(turn)).text == "Done."

    def test_a_conversation_with_tools_goes_on_without_them(self, served: P) -> None:
        """As compactions do it: the whole history, and no tool."""
        for kind in KINDS:
            with about(kind):
                served.play(
                    "tool: clock\n---\ntext: It is late.\n---\nmatch: Summarise\ntext: Compacted."
                )
                talk = served.talk(kind)
                talk.give(results_for(talk.say("What time is it?")))
                talk.more["tools"] = []
                assert talk.say("Summarise").text == "Compacted."

    def test_reasoning_of_another_vendor_stays_away(self, served: P) -> None:
        """It would be refused; so would what anybody made up."""
        served.play("text: Fine.")
        thought = {"type": "reasoning", "id": "rs_9", "summary": []}
        talk: Any = served.talk(ResponsesTalk)
        talk.items = [
            {"role": "user", "content": "Hello"},
            {**thought, "encrypted_content": "gAAAAforeign"},
            {"type": "message", "role": "assistant", "content": "Hi", "id": "msg_of_openai"},
        ]
        assert talk.say("And now?").text == "Fine."
        assert "gAAAAforeign" not in served.sent()

    # Answers

    def test_a_text_and_what_it_cost(self, served: P) -> None:
        manners = product(self.sdks.usages.items(), KINDS, (True, False))
        for (line, spent), kind, stream in manners:
            with about(line, kind, stream):
                served.play(f"text: Größer ≥ 10 — 🚀\n{line}")
                turn = served.talk(kind, stream).say("Hello")
                assert (turn.text, turn.spent) == ("Größer ≥ 10 — 🚀", spent)

    def test_missing_usage_does_no_harm(self, served: P) -> None:
        for line, kind, stream in product(self.sdks.without_usage, KINDS, (True, False)):
            with about(line, kind, stream):
                served.play(f"text: Hi\n{line}")
                assert served.talk(kind, stream).say("Hello").text == "Hi"

    def test_incomplete_answers(self, served: P) -> None:
        for (line, stop), stream in product(self.sdks.stops.items(), (True, False)):
            for kind, expected in zip(KINDS, stop, strict=True):
                with about(line, kind, stream):
                    served.play(f"text: Only half\n{line}")
                    turn = served.talk(kind, stream).say("Hello")
                    assert (turn.text, turn.stop) == ("Only half", expected)

    def test_a_huge_answer(self, served: P) -> None:
        """Without SDKs, which take their time."""
        script, count = self.sdks.huge
        served.play(script)
        said = "".join(pieces_of(served.ask(CHAT)))
        assert said.strip() == " ".join(map("word{}".format, range(count)))

    def test_a_custom_tool(self, served: P) -> None:
        served.play(f"{self.sdks.patch}\n---\ntext: Applied.")
        tools: Any = [{"type": "custom", "name": "patch", "description": "Apply a patch"}]
        more: Any = {"model": served.model, "tools": tools, "store": False}
        with served.gateway.openai() as client:
            items: Any = [{"role": "user", "content": "Patch it"}]
            (call,) = client.responses.create(input=items, **more).output
            assert call.type == "custom_tool_call"
            assert call.input == "*** Begin\n*** End"
            kind = "custom_tool_call_output"
            items += [call, {"type": kind, "call_id": call.call_id, "output": "ok"}]
            assert client.responses.create(input=items, **more).output_text == "Applied."

    def test_structured_output(self, served: P) -> None:
        served.play('text: {"city": "Riga"}')
        schema = {"type": "object", "properties": {"city": {"type": "string"}}}
        form: Any = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema}}
        messages: Any = [{"role": "user", "content": "Where?"}]
        with served.gateway.openai() as client:
            completion = client.chat.completions.create(
                model=served.model, messages=messages, response_format=form
            )
        assert loads_object(completion.choices[0].message.content or "") == {"city": "Riga"}
        assert "city" in served.sent()

    def test_pictures(self, served: P) -> None:
        """In what the user says, and in what a tool finds."""
        source = {"type": "base64", "media_type": "image/png", "data": PNG_BASE64}
        picture: JsonObject = {"type": "image", "source": source}
        call = {"type": "tool_use", "id": "t1", "name": "shot", "input": {}}
        result = {"type": "tool_result", "tool_use_id": "t1", "content": [picture]}
        messages: Any = [
            {"role": "user", "content": [{"type": "text", "text": "See?"}, picture]},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ]
        served.play("text: A dot.")
        with served.gateway.anthropic() as client:
            client.messages.create(model=served.model, max_tokens=100, messages=messages)
        assert served.sent().count(PNG_BASE64) == 2

    # Models

    def test_names_choose_the_model(self, served: P) -> None:
        for name, effort, chosen in self.sdks.names:
            with about(name, effort):
                served.play("text: Here I am.")
                more = {} if effort is None else {"reasoning_effort": effort}
                answer = served.ask(CHAT, model=name, stream=False, **more).json()
                assert answer["choices"][0]["message"]["content"].strip() == "Here I am."
                assert self.chosen(served) == chosen

    def test_models_are_those_of_the_account(self, served: P) -> None:
        with served.gateway.openai() as client:
            listed = {model.id for model in client.models.list()}
        assert self.sdks.listed <= listed
        assert not self.sdks.unlisted & listed

    def test_tokens_are_counted_without_asking(self, served: P) -> None:
        with served.gateway.openai() as openai, served.gateway.anthropic() as anthropic:
            counted = openai.responses.input_tokens.count(model=served.model, input="Hello there")
            messages: Any = ANTHROPIC.body(served.model, "Hello there")["messages"]
            again = anthropic.messages.count_tokens(model=served.model, messages=messages)
        assert counted.input_tokens > 0
        assert again.input_tokens > 0
        assert list(served.requests) == []


class ProviderRepairs(ProviderSdks[P]):
    """Checks for a provider whose plugin repairs histories that the provider would refuse."""

    def test_broken_pairs_are_mended(self, served: P) -> None:
        """What a client's own compaction leaves behind: a lonely result, and a lonely call."""
        function = {"name": "clock", "arguments": "{}"}
        calls = [{"id": "call_lonely", "type": "function", "function": function}]
        served.play("text: Mended.")
        talk: Any = served.talk(ChatTalk, False)
        talk.messages += [
            {"role": "tool", "tool_call_id": "call_gone", "content": "half past nine"},
            {"role": "assistant", "content": None, "tool_calls": calls},
        ]
        assert talk.say("Go on").text == "Mended."
        assert "half past nine" in served.sent()


class ProviderSeals(ProviderRepairs[P]):
    """Checks for a provider that seals reasoning for the account that it was made for."""

    sealing: ClassVar[Sequence[str | None]] = (None,)
    """Models that do so; by default the usual one."""

    def reasoning(self, served: P) -> Sequence[object]:
        """The seals in the last request."""
        raise NotImplementedError

    def forget_seals(self, served: P) -> None:
        """All that was sealed so far is of no use any more."""
        raise NotImplementedError

    def another_account(self, served: P) -> object:
        """An account that is new at the provider."""
        raise NotImplementedError

    def test_reasoning_comes_back_to_its_account(self, served: P) -> None:
        kinds: tuple[Kind, ...] = (AnthropicTalk, ResponsesTalk)
        manners = product(kinds, (True, False), self.sealing)
        for kind, stream, model in manners:
            with about(kind, stream, model):
                served.play("think: Deep.\ntool: clock\n---\ntext: It is late.")
                talk = served.talk(kind, stream, model)
                assert talk.give(results_for(talk.say("What time is it?"))).text == "It is late."
                assert len(self.reasoning(served)) == 1

    def test_lost_reasoning_is_cured_by_one_more_request(self, served: P) -> None:
        served.play("think: Hm.\ntool: clock\n---\ntext: It is late.")
        talk = served.talk(AnthropicTalk, True, self.sealing[0])
        turn = talk.say("What time is it?")
        self.forget_seals(served)
        assert talk.give(results_for(turn)).text == "It is late."
        assert [request.status for request in served.requests] == [200, 400, 200]
        assert self.reasoning(served) == []

    def test_reasoning_of_one_account_never_reaches_another(
        self, served: P, tmp_path: Path
    ) -> None:
        served.play("think: Hm.\ntool: clock\n---\ntext: It is late.")
        talk: Any = served.talk(AnthropicTalk, True, self.sealing[0])
        turn = talk.say("What time is it?")
        other = self.another_account(served)
        with served.started(served.simulator, tmp_path, account=other) as talk.gateway:
            assert talk.give(results_for(turn)).text == "It is late."
        first, last = served.requests
        assert first.headers["authorization"] != last.headers["authorization"]
        assert self.reasoning(served) == []
