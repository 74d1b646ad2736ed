"""Documents that are texts, for providers that take no documents."""

from base64 import b64encode
from dataclasses import replace

import pytest

from gateway_core import Capabilities, Media, Message, Request, Text, ToolResult, Unsupported
from gateway_core.degrade import degrade
from gateway_core.text_documents import text_document
from support.pictures import PDF_BASE64

WORDS = Media("document", "text/plain", name="a.txt", data="Words.")


def encoded(type_: str | None, data: bytes, name: str | None = None) -> Media:
    return Media("document", type_, name, b64encode(data).decode())


CAN = Capabilities(input=frozenset({"text"}))


@pytest.mark.parametrize(
    ("media", "text"),
    [
        (WORDS, "a.txt:\nWords."),
        (replace(WORDS, name=None), "Words."),
        (Media("document", "text/markdown; charset=utf-8", data=b64encode(b"# A").decode()), "# A"),
        (encoded("application/json", b'{"a":1}', "a.json"), 'a.json:\n{"a":1}'),
        (encoded("application/x-python-code", b"print()", "a.py"), "a.py:\nprint()"),
        (encoded("application/octet-stream", "é".encode()), "é"),
        (encoded(None, b"a = 1", "a.toml"), "a.toml:\na = 1"),
        (encoded("application/octet-stream", b"PK\3\4\0\0"), None),
        (encoded("application/octet-stream", b"%PDF-1.4 in ASCII"), None),
        (encoded("application/octet-stream", b"\n%PDF-1.4 in ASCII"), None),
        (encoded("application/rtf", b"{\\rtf1 A}"), None),
        (encoded("application/msword", b"{\\rtf1 A}"), None),
        (encoded(None, b"%!PS-Adobe-3.0"), None),
        (encoded("TEXT/PLAIN", b"Words."), "Words."),
        (Media("document", "text/csv", data="no base64!"), None),
        (Media("document", "text/csv", data=b64encode(b"\xff").decode()), None),
        (Media("document", "application/pdf", data=PDF_BASE64), None),
        (Media("document", "text/plain", url="https://example.com/a.txt"), None),
        (Media("image", "text/plain", data="Words."), None),
    ],
    ids=str,
)
def test_documents_that_are_texts(media: Media, text: str | None) -> None:
    assert text_document(media) == (None if text is None else Text(text))


def test_a_provider_without_documents_gets_the_words() -> None:
    result = ToolResult("t1", [WORDS])
    request = Request("m", [Message("user", [result, WORDS]), Message("user", [Text("And?")])])
    given, notices = degrade(request, CAN, "m")
    words = Text("a.txt:\nWords.")
    assert given.messages[0].parts == [replace(result, content=[words]), words]
    assert given.messages[1] is request.messages[1]
    assert request.messages[0].parts == [result, WORDS]
    assert notices == []


def test_a_provider_with_documents_gets_the_document() -> None:
    request = Request("m", [Message("user", [WORDS])])
    can = Capabilities(input=frozenset({"text", "document"}))
    assert degrade(request, can, "m")[0] is request


def test_what_is_no_text_is_refused_by_name() -> None:
    pdf = Media("document", "application/pdf", data=PDF_BASE64)
    with pytest.raises(Unsupported, match="document"):
        degrade(Request("m", [Message("user", [pdf])]), CAN, "m")
