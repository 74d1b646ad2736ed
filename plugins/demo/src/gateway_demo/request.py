"""From a canonical request to what the demo upstream is sent: pure and deterministic.

That is the conversation, which `messages` writes, and the steps that the upstream is to perform in
answer to it, which this module picks: from the script in the prompt, else from the script file,
else a friendly answer. A vendor with a model behind it needs the conversation alone.
"""

from itertools import count

from gateway_core import (
    CustomTool,
    HostedTool,
    InvalidRequest,
    JsonObject,
    Message,
    Request,
    Route,
    Text,
)
from gateway_demo.messages import count_seals, write_conversation
from gateway_demo.script import ScriptError, Section, is_script, parse_script, turn_of

__all__ = ["find_prompt", "write_program"]

_CHARACTERS_PER_TOKEN = 4
_QUOTED = 80
_MOST_PARTIALS = 3


def write_program(
    request: Request, route: Route, sections: list[Section], delay_ms: int
) -> JsonObject:
    """What the upstream is to perform; `sections` are those of the script file.

    Raises `InvalidRequest` when the prompt starts like a script but is none, and `Unsupported` for
    what the upstream's messages have no place for.
    """
    conversation = write_conversation(request)
    prompt, turn = find_prompt(request.messages)
    if is_script(prompt):
        try:
            sections = parse_script(prompt)
        except ScriptError as error:
            raise InvalidRequest(str(error), param="messages") from error
    steps = turn_of(sections, prompt, turn)
    if steps is None:
        seals = count_seals(conversation)
        steps = _friendly_steps(prompt, turn, seals, thinks=route.model == "demo-thinking")
    return {
        "model": route.model,
        "session": request.session.session_id,
        **conversation,
        "prompt": prompt,
        "turn": turn,
        "delay_ms": delay_ms,
        "steps": _complete_steps(steps, request),
    }


def find_prompt(messages: list[Message]) -> tuple[str, int]:
    """What the user said last, and how many turns the assistant has answered it since.

    The last text of the message counts, because clients put their own texts before it. What is in
    tool results is no prompt, nor are `<system-reminder>` blocks; a text beside results is one: so
    Claude Code asks for a summary in the middle of a task.
    """
    turn = 0
    last_role = "user"
    for message in reversed(messages):
        if message.role == "user" and (prompt := _prompt_in(message)):
            return prompt, turn
        if message.role == "assistant" and last_role == "user":
            turn += 1
        if message.role != "system":
            last_role = message.role
    return "", turn


def _prompt_in(message: Message) -> str:
    for part in reversed(message.parts):
        if isinstance(part, Text):
            text = part.text.strip()
            if text and not text.startswith("<system-reminder>"):
                return text
    return ""


def _complete_steps(steps: list[JsonObject], request: Request) -> list[JsonObject]:
    """Add what depends on the request: ids and kinds of calls, and token counts if none are set."""
    custom = {tool.name for tool in request.tools if isinstance(tool, CustomTool)}
    hosted = {tool.kind: tool for tool in request.tools if isinstance(tool, HostedTool)}
    numbers = count(1)
    complete = []
    for step in steps:
        match step["do"]:
            case "tool":
                # Ids repeat neither within an answer nor within a conversation, which only grows.
                id = f"call_{len(request.messages)}_{next(numbers)}"
                step = {**step, "id": id, "custom": step["name"] in custom}
            case "image":
                tool = hosted.get("image_generation")
                step = {**step, "hosted": tool is not None, "partials": _partial_images(tool)}
        complete.append(step)
    if not any(step["do"] == "usage" for step in steps):
        complete.append({"do": "usage", **_estimated_usage(steps, request)})
    return complete


def _partial_images(tool: HostedTool | None) -> int:
    wanted = tool.options.get("partial_images") if tool is not None else 0
    return min(wanted, _MOST_PARTIALS) if isinstance(wanted, int) else 0


def _estimated_usage(steps: list[JsonObject], request: Request) -> JsonObject:
    texts = [text.text for text in request.instructions]
    texts += [p.text for m in request.messages for p in m.parts if isinstance(p, Text)]
    written = sum(len(step.get("text") or step.get("arguments") or "") for step in steps)
    usage = {
        "input": 1 + sum(map(len, texts)) // _CHARACTERS_PER_TOKEN,
        "output": 1 + written // _CHARACTERS_PER_TOKEN,
    }
    searches = sum(step["do"] == "search" for step in steps)
    return usage | {"web_searches": searches} if searches else usage


def _friendly_steps(prompt: str, turn: int, seals: int, *, thinks: bool) -> list[JsonObject]:
    if turn:
        return [{"do": "text", "text": "That was the whole script."}]
    quoted = prompt if len(prompt) <= _QUOTED else prompt[:_QUOTED].rstrip() + "…"
    text = f"Hello from the demo provider! You said: “{quoted}”.\n\n" if quoted else "Hello!\n\n"
    text += (
        "I am no model, I only play scripts. Start a message with lines such as `text: hi`, "
        "`think: hm` or `wait: 1s`, and I do what they say; the README of gateway-demo has all of "
        "them."
    )
    if seals:
        text += f"\n\nThank you for bringing back {seals} of my sealed thoughts."
    thoughts = [{"do": "think", "text": "Nobody scripted this one. I will be friendly."}]
    return [*(thoughts if thinks else []), {"do": "text", "text": text}]
