"""The bytes of one answer, in the order of recorded ones.

`perform` turns the steps of a script into frames and acts (pauses, endings). It knows no sockets.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from gateway_core.json import JsonObject
from simulators.kiro import frames
from simulators.kiro.fixtures import stream

__all__ = ["Act", "Answering", "perform"]

_ENDS: Final = frozenset({"exception", "error", "damage", "cut-tool", "drop", "reset", "stall"})
_ABOUT: Final = frozenset({"usage", "context", "meter", "stop", "shape"})
_UNKNOWN: Final[tuple[tuple[str, JsonObject], ...]] = (
    ("aBrandNewEvent", {"anything": [1, 2, 3]}),
    ("followupPromptEvent", {"followupPrompt": {"content": "And now?", "userIntent": "EXPLAIN"}}),
    ("codeReferenceEvent", {"references": [{"licenseName": "MIT"}]}),
    ("intentsEvent", {"intents": {}}),
)


@dataclass(slots=True, frozen=True)
class Act:
    """Something other than bytes: a pause in seconds, or a way to end."""

    kind: Literal["wait", "drop", "reset", "stall"]
    seconds: float = 0.0


@dataclass(slots=True)
class Answering:
    """What an answer depends on besides the steps.

    number: of the request, from which ids are made. sign: makes the signature of a thought. tokens:
    of the request. window: of the model, in tokens. thinks: the form in which the request asks for
    thinking.
    """

    body: JsonObject
    number: int
    model: str
    sign: Callable[[str], str]
    tokens: int
    window: int
    thinks: Literal["native", "sealed", "tags", "not"]
    shapes: frozenset[str] = field(default_factory=frozenset)

    def make_id(self, index: int) -> str:
        """The id of a tool use."""
        return f"tooluse_{self.number:011d}{index:011d}"

    def offered(self, name: str) -> str | None:
        """The name on the wire of a tool, which may have been shortened; None when it is not
        offered.
        """
        user = self.body["conversationState"]["currentMessage"]["userInputMessage"]
        tools = user.get("userInputMessageContext", {}).get("tools", ())
        names: list[str] = [tool["toolSpecification"]["name"] for tool in tools]
        if name in names:
            return name
        return next((wire for wire in names if wire.startswith(name[:40])), None)


Output: TypeAlias = bytes | Act


def perform(steps: list[JsonObject], answering: Answering) -> Iterator[Output]:
    """The frames and acts of an answer."""
    return _Performance(steps, answering).outputs()


@dataclass(slots=True)
class _Performance:
    steps: list[JsonObject]
    answering: Answering
    used: int = 0
    spoke: bool = False

    def outputs(self) -> Iterator[Output]:
        kinds = [step["do"] for step in self.steps]
        if "empty" in kinds:
            return
        if "play" in kinds:
            yield stream(next(step["word"] for step in self.steps if step["do"] == "play"))
            return
        conversation = self.answering.body["conversationState"]["conversationId"]
        utterance = f"00000000-0000-4000-8000-{self.answering.number:012d}"
        yield self._event(
            "messageMetadataEvent", conversationId=conversation, utteranceId=utterance
        )
        groups = [
            (kind, list(group))
            for kind, group in itertools.groupby(
                (step for step in self.steps if step["do"] not in _ABOUT),
                key=lambda step: step["do"],
            )
        ]
        for place, (kind, group) in enumerate(groups):
            last = place == len(groups) - 1
            if "unknown" in self.answering.shapes:
                yield from (self._event(name, **members) for name, members in _UNKNOWN)
            if last and "about-early" in self.answering.shapes:
                yield from self._about()
            if kind == "tool":
                yield from self._tools(group)
                continue
            for step in group:
                yield from self._said(step)
                if kind in _ENDS:
                    return
        if not {"about-early", "no-about"} & self.answering.shapes:
            yield from self._about()

    def _event(self, name: str, /, **members: Any) -> bytes:
        return frames.event(name, members, wrapped="wrapped" in self.answering.shapes)

    def _said(self, step: JsonObject) -> Iterator[Output]:
        match step["do"]:
            case "text":
                yield from self._text(step["text"])
            case "burst":
                yield self._content(" ".join(f"word{number}" for number in range(step["words"])))
            case "code":
                yield self._event("codeEvent", content=step["text"])
            case "think":
                yield from self._thought(step["text"])
            case "sealed":
                sealed = self.answering.sign(step["text"])
                yield self._event("reasoningContentEvent", redactedContent=sealed)
            case "event":
                yield self._event(step["name"], **step["members"])
            case "cut-tool":
                name = self.answering.offered(step["name"]) or step["name"]
                yield from self._fragments(self._next_id(), name, step["arguments"], stop=False)
            case "exception":
                told = {"message": step["message"], "reason": step["reason"]}
                yield frames.exception(step["name"], told)
            case "error":
                yield frames.error(step["name"], step["message"])
            case "damage":
                yield frames.damaged(self._content("Damaged words."), step["word"])
            case "wait":
                yield Act("wait", step["seconds"])
            case "drop" | "reset" | "stall":
                yield Act(step["do"])

    def _content(self, text: str) -> bytes:
        self.spoke = True
        return self._event("assistantResponseEvent", content=text, modelId=self.answering.model)

    def _text(self, text: str) -> Iterator[bytes]:
        """In two pieces, the first of which is the first word."""
        first, blank, rest = text.partition(" ")
        yield self._content(first + blank)
        if rest:
            yield self._content(rest)

    def _thought(self, text: str) -> Iterator[bytes]:
        match self.answering.thinks:
            case "native":
                half = len(text) // 2
                for piece in filter(None, (text[:half], text[half:])):
                    yield self._event("reasoningContentEvent", text=piece)
                yield self._event("reasoningContentEvent", signature=self.answering.sign(text))
            case "sealed":
                sealed = self.answering.sign(text)
                yield self._event("reasoningContentEvent", redactedContent=sealed)
            case "tags" if not self.spoke:
                told = f"<thinking>\n{text}</thinking>\n\n"
                for start in range(0, len(told), 7):  # cuts every tag somewhere
                    yield self._content(told[start : start + 7])
            case _:
                return

    # Tools

    def _next_id(self) -> str:
        self.used += 1
        return self.answering.make_id(self.used)

    def _tools(self, steps: list[JsonObject]) -> Iterator[bytes]:
        calls = []
        for step in steps:
            name = self.answering.offered(step["name"])
            if name is None:
                yield self._content(f"There is no tool {step['name']}.")
                continue
            calls.append(list(self._fragments(self._next_id(), name, step["arguments"])))
        if "interleave" in self.answering.shapes:
            for turn in itertools.zip_longest(*calls):
                yield from filter(None, turn)
        else:
            yield from itertools.chain.from_iterable(calls)

    def _fragments(
        self, id: str, name: str, arguments: str, *, stop: bool = True
    ) -> Iterator[bytes]:
        shapes = self.answering.shapes
        call = {"toolUseId": id, "name": name}
        if "single" in shapes:
            yield self._event("toolUseEvent", **call, input=arguments, stop=True)
            return
        empty: JsonObject = {"input": {}} if "object-start" in shapes else {}
        yield self._event("toolUseEvent", **call, **empty)
        if "id-once" in shapes:
            call = {}
        for piece in self._pieces(arguments):
            yield self._event("toolUseEvent", **call, input=piece)
        if stop and "no-stop" not in shapes:
            yield self._event("toolUseEvent", **call, stop=True)

    def _pieces(self, arguments: str) -> Iterator[Any]:
        """Three pieces of the text, or objects that grow member by member."""
        if "snapshots" in self.answering.shapes:
            whole: JsonObject = json.loads(arguments or "{}")
            for count in range(1, len(whole) + 1):
                yield dict(itertools.islice(whole.items(), count))
            return
        third = len(arguments) // 3 + 1
        for start in range(0, len(arguments), third):
            yield arguments[start : start + third]

    # What the answer says about itself

    def _about(self) -> Iterator[bytes]:
        told = {step["do"]: step for step in self.steps if step["do"] in _ABOUT}
        share = 100 * self.answering.tokens / self.answering.window
        percentage = told["context"]["number"] if "context" in told else round(share, 6)
        yield self._event("contextUsageEvent", contextUsagePercentage=percentage)
        credits = told["meter"]["number"] if "meter" in told else 0.05
        yield self._event("meteringEvent", usage=credits, unit="credit", unitPlural="credits")
        stop = told["stop"]["word"] if "stop" in told else "TOOL_USE" if self.used else "END_TURN"
        members: JsonObject = {"stopReason": stop}
        if given := told.get("usage"):
            counts = {key: given.get(key, 0) for key in ("input", "output", "read", "write")}
            members["tokenUsage"] = {
                "uncachedInputTokens": counts["input"],
                "outputTokens": counts["output"],
                "totalTokens": sum(counts.values()),
                "cacheReadInputTokens": counts["read"],
                "cacheWriteInputTokens": counts["write"],
            }
        yield self._event("metadataEvent", **members)
