"""What the stream cases look for in an answer: expectations, declared features, usable calls."""

from collections.abc import Mapping
from itertools import zip_longest

from gateway_core.json import loads
from gateway_core.testing.answers import Answer
from gateway_core.testing.case import NotApplicable
from gateway_core.testing.subject import Subject
from gateway_core.testing.transcripts import Expectation

__all__ = ["bad_arguments", "missing_features", "repeated_ids", "unmet"]

_COMPLETE = ("stop", "stop_sequence", "tool_use")


def missing_features(subject: Subject, answers: Mapping[str, Answer]) -> list[str]:
    """What the provider declares and no answer shows, each with what to add."""
    capabilities = [subject.info.capabilities]
    try:
        models = subject.models
    except NotApplicable:
        models = ()
    capabilities += [model.capabilities for model in models if model.capabilities]
    efforts = any(declared.efforts for declared in capabilities) or any(m.efforts for m in models)
    tools = any(declared.tools for declared in capabilities)
    parallel = tools and any(declared.parallel_tools for declared in capabilities)
    found = answers.values()
    wanted = (
        (True, any(answer.texts("Text") for answer in found), "a text", "a plain answer"),
        (tools, any(answer.calls for answer in found), "a tool call", "one call of a tool"),
        (
            parallel,
            any(len(answer.calls) > 1 for answer in found),
            "parallel tool calls",
            "an answer with two calls, or say parallel_tools=False",
        ),
        (
            efforts,
            any(part.kind == "Reasoning" for answer in found for part in answer.parts),
            "reasoning",
            "an answer with thinking, or say efforts=()",
        ),
    )
    return [
        f"no transcript shows {feature}: add {advice}"
        for needed, shown, feature, advice in wanted
        if needed and not shown
    ]


def unmet(expect: Expectation, answer: Answer) -> str | None:
    """The first expectation that does not hold, in words."""
    if expect.error is not None:
        if answer.error is None or answer.error.kind != expect.error:
            return f"it ends in {answer.ending} instead of a Fail of kind {expect.error}"
    elif answer.end is None:
        words = "" if answer.error is None else f" ({answer.error.message})"
        return f"it ends in {answer.ending}{words} instead of End"
    elif expect.end is not None and answer.end.reason != expect.end:
        return f"it ends in {answer.ending} instead of End({expect.end!r})"
    for name, wanted, kind in (
        ("text", expect.text, "Text"),
        ("reasoning", expect.reasoning, "Reasoning"),
    ):
        if wanted is not None and (seen := answer.texts(kind)) != wanted:
            return f"the {name} is {seen!r} instead of {wanted!r}"
    if expect.tools is not None:
        seen_calls = [
            {"id": call.facts["id"], "name": call.facts["name"], "arguments": call.text}
            for call in answer.calls
        ]
        for wanted_call, call in zip_longest(expect.tools, seen_calls):
            if wanted_call is None or call is None:
                count = len(expect.tools)
                return f"there are {len(seen_calls)} tool calls instead of {count}: {seen_calls}"
            for fact, value in wanted_call.items():
                if call.get(fact) != value:
                    return f"the {fact} of a tool call is {call.get(fact)!r} instead of {value!r}"
    for name, count in (expect.usage or {}).items():
        seen_count = getattr(answer.usage, name, None)
        if seen_count != count:
            return f"the usage says {name} = {seen_count} instead of {count}"
    return None


def repeated_ids(answer: Answer) -> str | None:
    """The id that two calls of an answer share, in words."""
    ids = [call.facts["id"] for call in answer.calls]
    repeated = next((id for id in ids if ids.count(id) > 1), None)
    return None if repeated is None else f"two tool calls have the id {repeated!r}"


def bad_arguments(answer: Answer) -> str | None:
    """Arguments of a function call that are no JSON object although the answer is complete."""
    if answer.end is None or answer.end.reason not in _COMPLETE:
        return None
    for call in answer.calls:
        if call.text and not call.facts["custom"]:
            name, text = call.facts["name"], call.text
            try:
                value = loads(text)
            except ValueError:
                return f"the arguments of the call of {name} are no JSON: {text[:80]!r}"
            if not isinstance(value, dict):
                return f"the arguments of the call of {name} are no JSON object: {text[:80]!r}"
    return None
