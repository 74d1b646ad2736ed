"""Conversations with pictures, documents, sound and film, and with items of other namespaces."""

from gateway_core.content import Foreign, Media
from gateway_core.request import Request
from gateway_core.testing.conversations.builders import CONVERSATIONS, ask, assistant, user
from gateway_core.testing.conversations.pictures import (
    GIF_BASE64,
    MP4_BASE64,
    PDF_BASE64,
    PNG_BASE64,
    WAV_BASE64,
)


@CONVERSATIONS
def image_inline() -> Request:
    return ask(user("What is it?", Media("image", "image/png", data=PNG_BASE64)))


@CONVERSATIONS
def image_alone() -> Request:
    return ask(user(Media("image", "image/png", data=PNG_BASE64)))


@CONVERSATIONS
def images_of_two_kinds() -> Request:
    png = Media("image", "image/png", data=PNG_BASE64)
    gif = Media("image", "image/gif", data=GIF_BASE64)
    return ask(user(png, gif, "Compare them."))


@CONVERSATIONS
def image_earlier_in_the_conversation() -> Request:
    picture = Media("image", "image/png", data=PNG_BASE64)
    return ask(user("What is it?", picture), assistant("A dot."), "Of which colour?")


@CONVERSATIONS
def image_by_url() -> Request:
    return ask(user("What is it?", Media("image", url="https://example.org/dot.png")))


@CONVERSATIONS
def image_by_file_id() -> Request:
    return ask(user("What is it?", Media("image", file="file-0123456789")))


@CONVERSATIONS
def document_inline() -> Request:
    document = Media("document", "application/pdf", name="a.pdf", data=PDF_BASE64)
    return ask(user(document, "Summarise it."))


@CONVERSATIONS
def document_without_a_name() -> Request:
    document = Media("document", "application/pdf", data=PDF_BASE64)
    return ask(user(document, "Summarise it."))


@CONVERSATIONS
def document_with_an_odd_name() -> Request:
    document = Media("document", "application/pdf", name="Übersicht (1)/2.PDF", data=PDF_BASE64)
    return ask(user(document, "Summarise it."))


@CONVERSATIONS
def document_of_plain_text() -> Request:
    document = Media("document", "text/plain", name="notes.txt", data="Buy milk.\nCall Ann.")
    return ask(user(document, "What must I buy?"))


@CONVERSATIONS
def document_by_url() -> Request:
    document = Media("document", url="https://example.org/a.pdf")
    return ask(user(document, "Summarise it."))


@CONVERSATIONS
def document_by_file_id() -> Request:
    return ask(user(Media("document", name="a.pdf", file="file-0123456789"), "Summarise it."))


@CONVERSATIONS
def audio_inline() -> Request:
    return ask(user("What is said?", Media("audio", "audio/wav", data=WAV_BASE64)))


@CONVERSATIONS
def video_inline() -> Request:
    return ask(user("What happens?", Media("video", "video/mp4", data=MP4_BASE64)))


@CONVERSATIONS
def foreign_item_of_the_user() -> Request:
    item = Foreign("someone-else", "shared_screen", {"type": "shared_screen", "screen": "s1"})
    return ask(user(item, "What do you see?"))


@CONVERSATIONS
def foreign_item_of_the_assistant() -> Request:
    item = Foreign("someone-else", "moon_landing", {"type": "moon_landing", "id": "m1"})
    return ask("Go", assistant(item, "Landed."), "And back?")
