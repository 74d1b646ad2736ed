"""Where in a conversation a run goes on: at which prompt, and after how many steps of the model.

What is done already is read from what the client sends along, in whichever form that is: as
structured entries, or told in words.
"""

import re
from typing import Any, Final

from gateway_core.json import JsonObject, dumps_text
from simulators.cursor.script import Section

__all__ = ["locate", "words_of"]

_REMINDER: Final = re.compile(r"<system-reminder>.*?</system-reminder>", re.S)


def words_of(entry: JsonObject) -> str:
    """The text of one entry of the history, without what clients slip in."""
    content: Any = entry["content"]
    parts = [{"text": content}] if isinstance(content, str) else content
    return _REMINDER.sub("", "\n".join(part.get("text", "") for part in parts)).strip()


def locate(entries: list[JsonObject], said: str | None, sections: list[Section]) -> tuple[str, int]:
    """The prompt, and the steps that it has had since.

    said: the words of the user that the run begins with; None when it only goes on.
    """
    said = None if said is None else _REMINDER.sub("", said).strip()
    matches = [section.match for section in sections if section.match]
    if not said:
        return _structured(entries)
    users = [words_of(entry) for entry in entries if entry["role"] == "user"]
    if any(match in said for match in matches):
        since = said
        prompt = said
    else:
        old = [text for text in users if any(match in text for match in matches)]
        prompt = old[-1] if old else said
        told = [words_of(one) for one in entries if one["role"] in ("user", "assistant")]
        begin = told.index(old[-1]) if old else 0
        since = "\n".join([*told[begin:], said])
    steps = _told(sections, prompt, since)
    return (prompt, steps) if steps else (said, 0)


def _structured(entries: list[JsonObject]) -> tuple[str, int]:
    steps, answered = 0, False
    for entry in reversed(entries):
        role = entry["role"]
        if role == "user" and (words := words_of(entry)):
            return words, steps
        if role == "assistant" and answered:
            steps += 1
        answered = role == "tool" or (answered and role != "assistant")
    return "", steps


def _told(sections: list[Section], prompt: str, since: str) -> int:
    """How many leading sections for the prompt have calls of which the words tell."""
    match = next((s.match for s in sections if s.match is not None and s.match in prompt), None)
    plain = since.replace("\\", "")
    done = 0
    for section in sections:
        if section.match != match:
            continue
        calls = [step for step in section.steps if step["do"] == "tool"]
        if not calls or not all(_mentioned(call, plain) for call in calls):
            break
        done += 1
    return done


def _mentioned(call: JsonObject, text: str) -> bool:
    values = [
        value if isinstance(value, str) else dumps_text(value) for value in call["members"].values()
    ]
    return call["name"] in text and all(value.replace("\\", "") in text for value in values)
