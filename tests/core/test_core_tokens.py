"""Offline token counts: of text, of whole requests, and of media by estimate."""

import asyncio
import struct
import threading
from base64 import b64encode
from dataclasses import replace

import pytest

from gateway_core.content import (
    Foreign,
    HostedCall,
    Media,
    Message,
    Part,
    Reasoning,
    Seal,
    Text,
    ToolCall,
    ToolResult,
)
from gateway_core.image_size import image_size
from gateway_core.request import CustomTool, FunctionTool, HostedTool, OutputSpec, Request
from gateway_core.tokens import (
    count_request,
    count_text,
    in_thread,
    warm,
)

pytestmark = pytest.mark.usefixtures("warm_table")


@pytest.fixture(scope="session")
def warm_table() -> None:
    """The vocabulary, built once per process."""
    warm()


def base64(data: bytes) -> str:
    """As clients send it."""
    return b64encode(data).decode()


def png(width: int, height: int) -> bytes:
    """The head of a PNG."""
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + bytes(40)


def gif(width: int, height: int) -> bytes:
    """The head of a GIF."""
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(60)


def jpeg(width: int, height: int, *, profile: int = 0) -> bytes:
    """The head of a JPEG; `profile` bytes of other segments come before the frame."""
    segments = b"\xff\xe0\x00\x10JFIF\x00" + bytes(9)
    while profile > 0:
        size = min(profile, 60_000)
        segments += b"\xff\xe2" + struct.pack(">H", size + 2) + bytes(size)
        profile -= size
    frame = b"\xff\xff\xc2" + struct.pack(">HBHH", 17, 8, height, width) + bytes(20)
    return b"\xff\xd8" + segments + frame


def webp(kind: bytes, body: bytes) -> bytes:
    """The head of a WebP with this first chunk."""
    return b"RIFF\0\0\0\0WEBP" + kind + struct.pack("<I", len(body)) + body + bytes(40)


def asking(*parts: Part) -> Request:
    """A request with one user message."""
    return Request(model="m", messages=[Message("user", list(parts))])


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("hello world", 2),
        ("tiktoken is great!", 6),
        ("antidisestablishmentarianism", 6),
        ("2 + 2 = 4", 7),
        ("お誕生日おめでとう", 8),
    ],
)
def test_text_is_counted_with_the_o200k_vocabulary(text: str, tokens: int) -> None:
    # Counts as in OpenAI's cookbook "How to count tokens with tiktoken".
    assert count_text(text) == tokens


def test_special_tokens_count_as_the_text_they_are() -> None:
    assert count_text("<|endoftext|>") > 1


def test_half_a_surrogate_pair_is_counted_and_not_refused() -> None:
    assert count_text("a \ud83d b") > 0


@pytest.mark.parametrize(
    "text",
    ["a" * 1_000_000, " " * 1_000_000 + "x", "\n" * 1_000_000, "-" * 1_000_000, "ab" * 500_000],
    ids=["letter", "blanks", "newlines", "dashes", "word"],
)
@pytest.mark.timeout(8)
def test_a_megabyte_of_one_thing_is_counted_in_a_moment(text: str) -> None:
    assert 0 < count_text(text) <= len(text)


def test_cutting_a_long_text_into_pieces_does_not_change_its_count() -> None:
    sentence = " The quick brown fox jumps over the lazy dog."
    assert count_text(sentence * 2000) == 2000 * count_text(sentence)


@pytest.mark.parametrize(
    ("part", "counted"),
    [
        (Text("a few more words"), "a few more words"),
        (Reasoning("thinking about it"), "thinking about it"),
        (ToolCall("c1", "weather", '{"city":"Bern"}'), 'weather{"city":"Bern"}'),
        (ToolResult("c1", [Text("sunny and warm")]), "sunny and warm"),
        (HostedCall("s1", "web_search", '{"query":"x"}', {"sources": []}), '{"query":"x"}'),
        (Foreign("responses", "local_shell_call", {"command": "ls -la"}), "ls -la"),
        (Media("document", type="text/plain", data="a plain document"), "a plain document"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_every_part_of_a_message_counts(part: Part, counted: str) -> None:
    added = count_request(asking(Text("Hi"), part)) - count_request(asking(Text("Hi")))
    assert count_text(counted) <= added <= count_text(counted) + 20


@pytest.fixture
def small_request() -> Request:
    return asking(Text("Hi"))


def test_instructions_tools_and_the_output_schema_count(small_request: Request) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    additions = [
        replace(small_request, instructions=[Text("Be brief and friendly.")]),
        replace(small_request, tools=[FunctionTool("weather", "Tells the weather.", schema)]),
        replace(small_request, tools=[CustomTool("patch", None, {"definition": "start: /x/"})]),
        replace(small_request, tools=[HostedTool("web_search", "web_search", {"max_uses": 8})]),
        replace(small_request, output=OutputSpec("json_schema", schema=schema)),
    ]
    plain = count_request(small_request)
    assert [count_request(request) - plain > 4 for request in additions] == [True] * 5


def test_messages_have_a_small_overhead(small_request: Request) -> None:
    twice = replace(small_request, messages=small_request.messages * 2)
    assert 1 < count_request(twice) - count_request(small_request) < 10


def test_sealed_state_is_not_counted() -> None:
    sealed = asking(Text("Hi"), Reasoning("", seal=Seal("x", "s" * 10_000), redacted=True))
    assert count_request(sealed) == count_request(asking(Text("Hi")))


@pytest.mark.parametrize(
    "image",
    [
        png(640, 480),
        gif(640, 480),
        jpeg(640, 480),
        jpeg(640, 480, profile=150_000),
        webp(b"VP8X", bytes(4) + (639).to_bytes(3, "little") + (479).to_bytes(3, "little")),
        webp(b"VP8L", b"\x2f" + struct.pack("<I", 639 | 479 << 14)),
        webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 640, 480)),
    ],
    ids=["png", "gif", "jpeg", "jpeg with profile", "webp", "webp lossless", "webp lossy"],
)
def test_the_size_of_an_image_is_read_from_its_head(image: bytes) -> None:
    assert image_size(base64(image)) == (640, 480)


@pytest.mark.parametrize("data", ["", "!!!", base64(b"%PDF-1.7"), base64(jpeg(1, 1)[:24])])
def test_an_unreadable_image_has_no_size(data: str) -> None:
    assert image_size(data) is None


def media_tokens(media: Media) -> int:
    """What one media part adds to a request."""
    return count_request(asking(media)) - count_request(asking())


@pytest.mark.parametrize(
    ("media", "tokens"),
    [
        (Media("image", data=base64(png(750, 100))), 100),
        (Media("image", data=base64(png(8000, 8000))), 1600),
        (Media("image", data=base64(png(1, 1))), 1),
        (Media("image", url="https://a.example/i.png"), 1600),
        (Media("document", type="application/pdf", data=base64(bytes(90_000))), 6000),
        (Media("document", url="https://a.example/d.pdf"), 2000),
        (Media("audio", data=base64(bytes(30_000))), 30),
    ],
    ids=["image", "huge image", "dot", "image by URL", "PDF", "PDF by URL", "audio"],
)
def test_media_are_estimated(media: Media, tokens: int) -> None:
    assert media_tokens(media) == tokens


def test_an_image_inside_a_tool_result_is_estimated_and_not_read_as_text() -> None:
    image = Media("image", data=base64(png(750, 100) + bytes(100_000)))
    assert 100 <= media_tokens(image) < 120
    result = ToolResult("c1", [image])
    assert 100 <= count_request(asking(result)) - count_request(asking()) < 120


def test_a_generated_image_in_the_history_is_estimated_too() -> None:
    data = base64(png(750, 100) + bytes(100_000))
    call = HostedCall("i1", "image_generation", "{}", {"media_type": "image/png", "data": data})
    assert 100 <= count_request(asking(call)) - count_request(asking()) < 120


async def test_many_counts_at_once_use_one_thread_beside_the_loop() -> None:
    names = await asyncio.gather(
        *(in_thread(lambda: threading.current_thread().name) for _ in range(25))
    )
    assert len(set(names)) == 1
    assert threading.current_thread().name not in names


async def test_the_thread_counts_the_same(small_request: Request) -> None:
    counts = await asyncio.gather(*(in_thread(count_request, small_request) for _ in range(25)))
    assert set(counts) == {count_request(small_request)}
