"""A conversation as a run carries it: blobs for what was said, an action for what is asked now.

The model's prompt is built from `root_prompt_messages_json`; `turns` tells the same to those who
show it. A blob is named by the SHA-256 of its bytes, and Cursor asks for it when it needs it. The
message that is asked now is in neither: it is the action. Pure.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gateway_core import JsonObject
from gateway_core.json import dumps, dumps_text
from gateway_cursor.conversation import own_uuid
from gateway_cursor.entries import Call, Entry, Picture, reminder
from gateway_cursor.media import MOST_IMAGES, selected_image
from gateway_cursor.proto import agent_pb2 as pb

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["History", "Story", "latest_pictures"]

_NO_SYSTEM: Final = "You are a helpful assistant."
_CONTINUE: Final = "Continue."
_CONTINUE_RESULTS: Final = "Continue with the tool results above."
# What models that are not Cursor's own were seen to take: 192 entries, half a megabyte.
_MOST_ENTRIES: Final = 160
_MOST_KEPT: Final = 300_000  # bytes of these, the rest is told in one
_MOST_TOLD: Final = 200_000
_LEFT_OUT: Final = "[The beginning of the conversation was left out.]"


@dataclass(slots=True)
class Story:
    """What a run begins with. blobs: by id."""

    state: pb.ConversationStateStructure
    action: pb.ConversationAction
    blobs: dict[bytes, bytes] = field(default_factory=dict)

    def keep(self, content: bytes) -> bytes:
        """Keep a blob; its id."""
        id = hashlib.sha256(content).digest()
        self.blobs[id] = content
        return id


@dataclass(slots=True, frozen=True)
class History:
    """A conversation, and how its last message is to be asked.

    system: the instructions. entries: as `read_entries` gives them. pictures: those of its images
    that are to be shown. conversation: makes the ids of messages, which later turns repeat. hint:
    said to the model with the message that is asked now.
    """

    system: str
    entries: Sequence[Entry]
    pictures: Sequence[Picture]
    conversation: str
    mode: "pb.AgentMode"
    environment: pb.RequestContextEnv
    hint: str = ""

    @property
    def current(self) -> Entry | None:
        """What the user says now: the last entry, if it is the user's."""
        return self.entries[-1] if self.entries and self.entries[-1].role == "user" else None

    def structured(self) -> Story:
        """Calls and results as what they are. Where the last message holds nothing but results, the
        action is to resume.

        Raises `Unsupported` and `InvalidRequest` for images that cannot be sent.
        """
        current = self.current
        past = self.entries[:-1] if current else self.entries
        roots = [entry for said in past for entry in _root_messages(said)]
        if current is not None:
            roots += _results(current)
        said = current.text if current else _CONTINUE
        if current and current.results and not said and not self.pictures:
            return self._story(roots, None)
        return self._story(
            roots, said or (_CONTINUE_RESULTS if current and current.results else "")
        )

    def as_text(self) -> Story:
        """Calls and results in words, for models that refuse them in a history; a long beginning is
        put together into one message. The images are the same.
        """
        current = self.current
        past = list(self.entries[:-1] if current else self.entries)
        folded = past[: _beginning(past)]
        roots = [_folded(folded)] if folded else []
        for entry in past[len(folded) :]:
            said = _told(entry)
            if said:
                roots.append(_said(entry.role, said))
        if current is None:
            return self._story(roots, _CONTINUE)
        said = _told(current)
        if current.results and not current.text:
            said = f"{said}\n\n{_CONTINUE_RESULTS}"
        return self._story(roots, said)

    def _story(self, roots: Iterable[JsonObject], said: str | None) -> Story:
        """said: None to resume."""
        story = Story(pb.ConversationStateStructure(), pb.ConversationAction())
        system = {"role": "system", "content": self.system or _NO_SYSTEM}
        for root in (system, *roots):
            story.state.root_prompt_messages_json.append(story.keep(dumps(root)))
        turns = self._turns(story)
        context = pb.RequestContext(env=self.environment)
        if said is None:
            story.action.resume_action.request_context.CopyFrom(context)
            return story
        action = story.action.user_message_action
        action.request_context.CopyFrom(context)
        message = action.user_message
        message.message_id = self._message_id(turns, said)
        message.mode = self.mode
        self._attach(message, story)
        notes = [text for text in (self._attached(), self.hint) if text]
        message.text = "\n\n".join([said or _CONTINUE, *(reminder(text) for text in notes)])
        return story

    def _turns(self, story: Story) -> int:
        """Write down the turns so far; how many there are."""
        current = self.current
        turns: list[tuple[str, list[str]]] = []
        for entry in self.entries:
            if entry.role == "user":
                if entry is not current and (text := entry.text):
                    turns.append((text, []))
            elif turns:
                turns[-1][1].extend(item for item in entry.order if isinstance(item, str))
        for number, (text, steps) in enumerate(turns):
            user = pb.UserMessage(
                text=text, message_id=self._message_id(number, text), mode=pb.AGENT_MODE_AGENT
            )
            turn = pb.AgentConversationTurnStructure(
                user_message=story.keep(_bytes(user)),
                steps=[
                    story.keep(_bytes(pb.ConversationStep(assistant_message={"text": step})))
                    for step in steps
                ],
            )
            whole = pb.ConversationTurnStructure(agent_conversation_turn=turn)
            story.state.turns.append(story.keep(_bytes(whole)))
        return len(turns)

    def _message_id(self, number: int, text: str) -> str:
        return own_uuid("message", self.conversation, str(number), text)

    def _attach(self, message: pb.UserMessage, story: Story) -> None:
        for picture in self.pictures:
            image, data = selected_image(picture.media, picture.path, picture.number)
            story.keep(data)
            message.selected_context.selected_images.append(image)

    def _attached(self) -> str:
        """Which attached images are not of this message, and where they belong."""
        own = self.current.pieces if self.current else []
        earlier = [
            picture for picture in self.pictures if not any(picture is piece for piece in own)
        ]
        if not earlier:
            return ""
        markers = ", ".join(picture.marker for picture in earlier)
        return (
            f"Of the attached images, {markers} belong where these markers stand in the "
            "conversation; the number is in the name of the file."
        )


def latest_pictures(entries: Iterable[Entry]) -> tuple[list[Picture], int]:
    """The images that can be shown, and how many older ones cannot.

    Cursor shows a model no images but those that come with the message that is asked now.
    """
    found = [picture for entry in entries for picture in entry.pictures()]
    return found[-MOST_IMAGES:], max(0, len(found) - MOST_IMAGES)


def _root_messages(entry: Entry) -> Iterator[JsonObject]:
    if entry.role == "user":
        yield from _results(entry)
        if text := entry.text:
            yield _said("user", text)
        return
    yield {
        "role": "assistant",
        "content": [
            {
                "type": "tool-call",
                "toolCallId": item.id,
                "toolName": item.name,
                "args": item.arguments,
            }
            if isinstance(item, Call)
            else {"type": "text", "text": item}
            for item in entry.order
        ],
    }


def _results(entry: Entry) -> Iterator[JsonObject]:
    for result in entry.results:
        told: JsonObject = {
            "type": "tool-result",
            "toolCallId": result.id,
            "toolName": result.name,
            "result": result.text,
        }
        if result.failed:
            told["isError"] = True
        yield {"role": "tool", "id": result.id, "content": [told]}


def _said(role: str, text: str) -> JsonObject:
    return {"role": role, "content": [{"type": "text", "text": text}]}


def _told(entry: Entry) -> str:
    """An entry in words alone."""
    if entry.role == "user":
        texts = [
            f"[{'Error' if result.failed else 'Result'} of the tool {result.name}]\n{result.text}"
            for result in entry.results
        ]
        return "\n\n".join([*texts, *([entry.text] if entry.text else [])])
    return "\n\n".join(
        f"[Called the tool {item.name} with {dumps_text(item.arguments)}]"
        if isinstance(item, Call)
        else item
        for item in entry.order
    )


def _beginning(entries: Sequence[Entry]) -> int:
    """How many entries are too many, or too large, to be told one by one."""
    size = 0
    for count, entry in enumerate(reversed(entries)):
        size += len(_told(entry).encode())
        if count == _MOST_ENTRIES or size > _MOST_KEPT:
            return len(entries) - count
    return 0


def _folded(entries: Iterable[Entry]) -> JsonObject:
    told = "\n\n".join(f"{entry.role.capitalize()}: {_told(entry)}" for entry in entries)
    if len(data := told.encode()) > _MOST_TOLD:
        told = f"{_LEFT_OUT}\n\n{data[-_MOST_TOLD:].decode(errors='ignore')}"
    return _said("user", reminder(f"The conversation so far:\n\n{told}"))


def _bytes(message: "Message") -> bytes:
    return message.SerializeToString(deterministic=True)
