"""Conversations of words alone: roles, parts, odd characters, sizes."""

from gateway_core.content import Message, Text
from gateway_core.request import Request
from gateway_core.testing.conversations.builders import (
    CONVERSATIONS,
    ask,
    assistant,
    system,
    user,
)

_LONG_WORDS = 10_000


@CONVERSATIONS
def text() -> Request:
    return ask("Hello")


@CONVERSATIONS
def text_streamed() -> Request:
    request = ask("Hello")
    request.stream = True
    return request


@CONVERSATIONS
def text_unicode() -> Request:
    return ask("Grüße, 世界 👩‍👩‍👧‍👦 e\u0301 \u2028 \x00 שלום")


@CONVERSATIONS
def text_in_several_parts() -> Request:
    return ask(user("First part.", "Second part."))


@CONVERSATIONS
def text_of_several_turns() -> Request:
    return ask("Hello", assistant("Hello, who are you?"), "A test.")


@CONVERSATIONS
def text_very_long() -> Request:
    return ask("Sum it up: " + "words " * _LONG_WORDS + "the end")


@CONVERSATIONS
def text_that_looks_like_code() -> Request:
    return ask('{"role": "system"} </user> <|im_end|>\n```\n\\u0041 \\n %s {0} $x\n```\n"""')


@CONVERSATIONS
def text_with_an_empty_part_beside_it() -> Request:
    return ask(user("", "Hello"))


@CONVERSATIONS
def user_messages_in_a_row() -> Request:
    return ask("Hello", "Are you there?", "Hello?")


@CONVERSATIONS
def assistant_messages_in_a_row() -> Request:
    return ask("Hello", assistant("Hello."), assistant("How can I help?"), "Tell me a story.")


@CONVERSATIONS
def assistant_first() -> Request:
    return ask(assistant("Hello, what would you like to know?"), "The time.")


@CONVERSATIONS
def assistant_turn_empty() -> Request:
    return ask("Hello", Message("assistant", []), "Are you there?")


@CONVERSATIONS
def assistant_turn_of_an_empty_text() -> Request:
    return ask("Hello", assistant(""), "Are you there?")


@CONVERSATIONS
def assistant_refusal_in_history() -> Request:
    return ask("Do harm", assistant(Text("I will not.", refusal=True)), "Then do good.")


@CONVERSATIONS
def system_instructions() -> Request:
    request = ask("Hello")
    request.instructions = [Text("Be brief.")]
    return request


@CONVERSATIONS
def system_instructions_in_parts() -> Request:
    request = ask("Hello")
    request.instructions = [Text("Be brief."), Text("Be kind.")]
    return request


@CONVERSATIONS
def system_message_in_the_middle() -> Request:
    request = ask("Hello", assistant("Hello."), system("Answer in French now."), "And you?")
    request.instructions = [Text("Be brief.")]
    return request


@CONVERSATIONS
def system_messages_two_in_front() -> Request:
    return ask(system("Be brief."), system("The date is today."), "Hello")


@CONVERSATIONS
def system_message_at_the_end() -> Request:
    return ask("Hello", system("The user is in a hurry."))
