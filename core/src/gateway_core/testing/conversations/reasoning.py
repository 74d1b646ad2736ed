"""Conversations with thoughts in their history, and how thinking is asked for."""

from dataclasses import replace

from gateway_core.content import Reasoning, Seal
from gateway_core.request import EFFORTS, ReasoningSpec, Request, Sampling
from gateway_core.testing.conversations.builders import (
    CONVERSATIONS,
    ask,
    assistant,
    result,
    user,
    weather,
    weather_call,
)


@CONVERSATIONS
def reasoning_sealed_in_history() -> Request:
    seal = Seal("replay", "c2VhbGVk", id="rs_1", scope="acc0")
    thought = Reasoning("They greet me.", seal)
    return ask("Hello", assistant(thought, "Hello."), "How are you?")


@CONVERSATIONS
def reasoning_of_another_issuer_in_history() -> Request:
    thought = Reasoning("They greet me.", Seal("someone-else", "c2VhbGVk"))
    return ask("Hello", assistant(thought, "Hello."), "How are you?")


@CONVERSATIONS
def reasoning_redacted_in_history() -> Request:
    thought = Reasoning("", Seal("replay", "c2VhbGVk"), redacted=True)
    return ask("Hello", assistant(thought, "Hello."), "How are you?")


@CONVERSATIONS
def reasoning_without_a_seal_in_history() -> Request:
    return ask("Hello", assistant(Reasoning("They greet me."), "Hello."), "How are you?")


@CONVERSATIONS
def reasoning_alone_in_a_turn() -> Request:
    thought = Reasoning("They greet me.", Seal("replay", "c2VhbGVk"))
    return ask("Hello", assistant(thought), "Go on.")


@CONVERSATIONS
def reasoning_before_calls_in_history() -> Request:
    thought = Reasoning("I need the weather.", Seal("replay", "c2VhbGVk"))
    turn = assistant(thought, weather_call())
    return ask("Weather?", turn, user(result("call_1", "sun")), tools=[weather()])


@CONVERSATIONS
def reasoning_between_calls_in_history() -> Request:
    thoughts = [Reasoning(f"Step {n}.", Seal("replay", f"c2VhbGVk{n}")) for n in (1, 2)]
    turn = assistant(
        thoughts[0],
        weather_call("call_1", "Paris"),
        thoughts[1],
        weather_call("call_2", "Oslo"),
    )
    results = user(result("call_1", "sun"), result("call_2", "snow"))
    return ask("Weather?", turn, results, tools=[weather()])


def _thinking(name: str, spec: ReasoningSpec, most_tokens: int | None = None) -> None:
    def build() -> Request:
        request = ask("Think")
        request.reasoning = replace(spec)
        request.sampling = Sampling(max_output_tokens=most_tokens)
        return request

    CONVERSATIONS.add(name, build)


for _word in EFFORTS:
    _thinking(f"effort-{_word}", ReasoningSpec(enabled=_word != "none", effort=_word))
    _thinking(f"effort-{_word}-by-its-name-alone", ReasoningSpec(effort=_word))
_thinking("effort-as-budget", ReasoningSpec(enabled=True, budget_tokens=8000), 16000)
_thinking("effort-as-small-budget", ReasoningSpec(enabled=True, budget_tokens=1024), 16000)
_thinking("effort-as-large-budget", ReasoningSpec(enabled=True, budget_tokens=60000), 64000)
_thinking("reasoning-switched-on", ReasoningSpec(enabled=True))
_thinking("reasoning-switched-off", ReasoningSpec(enabled=False))
_thinking("reasoning-summary", ReasoningSpec(enabled=True, effort="high", summary="detailed"))
_thinking("reasoning-not-shown", ReasoningSpec(enabled=True, effort="high", summary="none"))
