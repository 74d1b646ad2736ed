"""Counts tokens offline with the o200k vocabulary, which ships as package data.

An estimate of what a provider would be sent: exact for OpenAI's recent models as far as text goes,
close enough for others to drive a client's compaction. The first count builds the table (about half
a second, some 50 MB); `warm` does it ahead of time. Counting takes 9 ms for 160 KB of text, so a
server counts in the one thread of `in_thread`. It knows no provider and no wire format.
"""

import asyncio
import hashlib
import threading
from base64 import b64decode
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final, TypeVar

from gateway_core.content import (
    Foreign,
    HostedCall,
    Media,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from gateway_core.image_size import image_size
from gateway_core.json import dumps_text
from gateway_core.request import CustomTool, FunctionTool, Request, Tool

if TYPE_CHECKING:
    import tiktoken

__all__ = [
    "PER_CALL",
    "PER_MESSAGE",
    "PER_REQUEST",
    "PER_TOOL",
    "count_media",
    "count_request",
    "count_text",
    "in_thread",
    "warm",
]

T = TypeVar("T")

VOCABULARY: Final = "o200k_base.tiktoken.gz"
VOCABULARY_SHA256: Final = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"

PER_REQUEST, PER_MESSAGE, PER_CALL, PER_TOOL = 3, 4, 8, 8
"""The names that open a message, a call or a tool cost a few tokens in every chat template."""

_PIXELS_PER_TOKEN: Final = 750
_IMAGE_MAXIMUM: Final = 1600  # larger images are scaled down by those who bill them
_BYTES_PER_PAGE: Final = 30_000
_TOKENS_PER_PAGE: Final = 2000
_BYTES_PER_AUDIO_TOKEN: Final = 1000
_UNSEEN_RECORDING: Final = 1000

# The regular expression engine overflows its stack on a megabyte of blanks, and one word of that
# length is slow to merge. Pieces of this size are safe; a cut costs at most a token.
_PIECE: Final = 16_384
_LOOK_BACK: Final = 256

_LETTER_END: Final = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_UPPER: Final = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER: Final = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_PATTERN: Final = "|".join(
    [
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_LETTER_END}",
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_LETTER_END}",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
_SPECIAL_TOKENS: Final = {"<|endoftext|>": 199999, "<|endofprompt|>": 200018}

_building = threading.Lock()


def count_text(text: str) -> int:
    """Tokens of a text. Special tokens in it count as the plain text they are."""
    encode = _encoding().encode_ordinary
    if len(text) <= _PIECE:
        return len(encode(text))
    return sum(len(encode(piece)) for piece in _pieces(text))


def count_request(request: Request) -> int:
    """Input tokens of a request: instructions, messages, tools, output schema, media estimates.

    Opaque reasoning state is not counted; nobody but its issuer knows its size.
    """
    total = PER_REQUEST + sum(count_text(text.text) for text in request.instructions)
    total += PER_MESSAGE if request.instructions else 0
    for message in request.messages:
        total += PER_MESSAGE + _count_parts(message.parts)
    total += sum(_count_tool(tool) for tool in request.tools)
    if request.output.schema is not None:
        total += count_text(dumps_text(request.output.schema))
    return total


async def in_thread(function: Callable[..., T], *arguments: object) -> T:
    """Run a counting function in the one thread there is for it, first come, first served.

    Clients ask for dozens of counts at once; one thread leaves the other cores to the event loop.
    """
    return await asyncio.get_running_loop().run_in_executor(_pool(), function, *arguments)


def warm() -> None:
    """Build the table now, so that the first count does not wait for it. Takes half a second."""
    _encoding()


def _encoding() -> "tiktoken.Encoding":
    with _building:
        return _build_encoding()


@cache
def _build_encoding() -> "tiktoken.Encoding":
    import gzip

    import tiktoken

    packed = files("gateway_core").joinpath("data", VOCABULARY).read_bytes()
    vocabulary = gzip.decompress(packed)
    if hashlib.sha256(vocabulary).hexdigest() != VOCABULARY_SHA256:
        raise RuntimeError(f"{VOCABULARY} is damaged: install gateway-core again")
    ranks: dict[bytes, int] = {}
    for line in vocabulary.splitlines():
        token, _, rank = line.partition(b" ")
        ranks[b64decode(token)] = int(rank)
    encoding = tiktoken.Encoding(
        "o200k_base",
        pat_str=_PATTERN,
        mergeable_ranks=ranks,
        special_tokens=_SPECIAL_TOKENS,
    )
    ranks.clear()  # the encoder has its own copy; this one would hold another 30 MB
    return encoding


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="count-tokens")


def _pieces(text: str) -> Iterable[str]:
    """The text in safe pieces, cut before a blank where there is one, as tokens begin there."""
    start = 0
    while len(text) - start > _PIECE:
        end = start + _PIECE
        blank = text.rfind(" ", end - _LOOK_BACK, end)
        end = blank if blank > start else end
        yield text[start:end]
        start = end
    yield text[start:]


def _count_parts(parts: Iterable[Part]) -> int:
    total = 0
    for part in parts:
        match part:
            case Text(text=text) | Reasoning(text=text):
                total += count_text(text)
            case ToolCall():
                total += PER_CALL + count_text(part.name) + count_text(part.arguments)
            case ToolResult():
                total += PER_CALL + _count_parts(part.content)
            case Media():
                total += count_media(part)
            case HostedCall():
                total += PER_CALL + count_text(part.name) + count_text(part.arguments)
                total += _count_hosted_result(part)
            case Foreign():
                total += PER_CALL + count_text(dumps_text(part.data))
    return total


def _count_hosted_result(call: HostedCall) -> int:
    result = call.result
    if result is None:
        return 0
    if isinstance(data := result.get("data"), str):
        return count_media(Media("image", type=result.get("media_type"), data=data))
    return count_text(dumps_text(result))


def _count_tool(tool: Tool) -> int:
    total = PER_TOOL + count_text(tool.name)
    match tool:
        case FunctionTool():
            total += count_text(tool.description or "") + count_text(dumps_text(tool.parameters))
        case CustomTool():
            total += count_text(tool.description or "")
            total += count_text(dumps_text(tool.format)) if tool.format else 0
        case _:
            total += count_text(dumps_text(tool.options)) if tool.options else 0
    return total


def count_media(media: Media) -> int:
    """Tokens of an image, document or recording, by its size; those of a plain text exactly."""
    size = len(media.data) * 3 // 4 if media.data else 0
    match media.kind:
        case "image":
            return _count_image(media.data)
        case "document" if media.type == "text/plain" and media.data is not None:
            return count_text(media.data)
        case "document":
            return _TOKENS_PER_PAGE * max(1, round(size / _BYTES_PER_PAGE))
        case _:
            return size // _BYTES_PER_AUDIO_TOKEN if media.data else _UNSEEN_RECORDING


def _count_image(data: str | None) -> int:
    """By pixels where the header tells them; else as much as the largest image."""
    size = image_size(data) if data else None
    if size is None:
        return _IMAGE_MAXIMUM
    width, height = size
    return max(1, min(_IMAGE_MAXIMUM, width * height // _PIXELS_PER_TOKEN))
