"""HTTP/1.1 as bytes, the client's side: heads of requests out, answers in. Sans-IO.

`AnswerReader` takes an answer in any split and joins the chunks of one read into one piece, which
is what makes a stream of small events cheap. It is strict wherever a lenient reader could be made
to see another answer than a proxy on the way does (RFC 9112, sections 2.2, 5, 6 and 7).
"""

import re
import zlib
from collections.abc import Mapping
from typing import Final

__all__ = ["AnswerReader", "MalformedAnswer", "UnfitRequest", "request_head"]

LONGEST_HEAD = 64 * 1024
MOST_FIELDS = 256
LONGEST_SIZE_LINE = 4096  # with its extensions
MOST_EXPANDED = 16 * 1024 * 1024  # bytes, from those of one read

_CRLF: Final = b"\r\n"
_HEX: Final = b"0123456789abcdefABCDEF"
_BEGINNING: Final = b"HTTP/1."
_HEAD_END = re.compile(rb"\n\r?\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\x00-\x08\x0a-\x1f\x7f]*)?")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([^\x00-\x08\x0a-\x1f\x7f]*)")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_EXTENSION = re.compile(rb"[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?")
_BODILESS = ("GET", "HEAD", "OPTIONS", "DELETE")
_DEFAULTS = {"accept": "*/*", "accept-encoding": "identity"}


class MalformedAnswer(ValueError):
    """What came is not HTTP/1.1, or not safe to take for it."""


class UnfitRequest(ValueError):
    """A request that cannot be written as HTTP/1.1. The message holds no value of a header."""


def request_head(
    method: str, target: str, host: str, headers: Mapping[str, str], size: int, user_agent: str
) -> bytes:
    """Everything before the body of `size` bytes.

    The target and the headers go out as they stand; `Host`, `Accept`, `Accept-Encoding: identity`
    and `User-Agent` are added where they are missing. The length is always our own. Raises
    `UnfitRequest` for a name, value or target that would not arrive as it was meant.
    """
    if not target.isascii() or not target.isprintable() or " " in target:
        raise UnfitRequest("the address holds characters that no URL may have")
    if _NAME.fullmatch(method) is None:
        raise UnfitRequest(f"{method!r} is no HTTP method")
    missing = {"host": host, **_DEFAULTS, "user-agent": user_agent}
    lines = []
    for name, value in headers.items():
        if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise UnfitRequest(f"the header {name!r} cannot be sent")
        key = name.lower()
        if key == "transfer-encoding":
            raise UnfitRequest(f"the header {name!r} is not for a provider to set")
        if key == "content-length":
            continue
        missing.pop(key, None)
        lines.append(f"{name}: {value}")
    if size or method not in _BODILESS:
        lines.append(f"content-length: {size}")
    first = [f"{method} {target} HTTP/1.1", *(f"{name}: {missing[name]}" for name in missing)]
    return "\r\n".join([*first, *lines, "", ""]).encode("latin-1")


class AnswerReader:
    """Reads the answer to one request.

    `feed` gives what is new of the body, decoded. `status` is 0 until the head is complete.
    Informational answers are passed over. After `complete` nothing is taken any more, and `keeps`
    tells whether the connection may carry another request. `error` says what is wrong with what
    came; body bytes from before the fault are still given.
    """

    __slots__ = (
        "_after_chunk",
        "_chunked",
        "_left",
        "_method",
        "_rest",
        "_trailers",
        "_unpack",
        "complete",
        "error",
        "headers",
        "keeps",
        "status",
    )

    def __init__(self, method: str) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.complete = False
        self.keeps = True
        self.error: MalformedAnswer | None = None
        self._method = method
        self._chunked = False
        self._left: int | None = 0  # of the body or chunk; None: up to the connection's end
        self._after_chunk = False
        self._trailers = False
        self._rest = b""  # bytes that mean nothing yet
        self._unpack: _Unpack | None = None

    def feed(self, data: bytes) -> bytes:
        """Take what has arrived."""
        if self.complete:
            self.keeps = self.keeps and not data
            return b""
        if self.error is not None:
            return b""
        try:
            if not self.status:
                data = self._read_head(data)
            if self.complete:
                self.keeps = self.keeps and not data
            if not self.status or self.complete:
                return b""
            body = self._read_chunks(data) if self._chunked else self._read_plain(data)
            if self._unpack is None:
                return body
            body = self._unpack.feed(body) if body else b""
            if self.complete:
                self._unpack.end()
            return body
        except MalformedAnswer as error:
            self.error = error
            self.complete = self.keeps = False
            return b""

    def end(self) -> None:
        """The connection was closed: the end of a body that has no length, else `error`."""
        self.keeps = False
        if self.complete or self.error is not None:
            return
        if self.status and self._left is None:
            try:
                if self._unpack is not None:
                    self._unpack.end()
                self.complete = True
                return
            except MalformedAnswer as error:
                self.error = error
                return
        self.error = MalformedAnswer("the answer is not complete")

    def _read_head(self, data: bytes) -> bytes:
        """Take the head; gives what is behind it."""
        data = self._rest + data
        self._rest = b""
        while True:
            if not data.startswith(_BEGINNING) and not _BEGINNING.startswith(data):
                raise MalformedAnswer("the answer does not begin like HTTP/1.1")
            end = _HEAD_END.search(data)
            if end is None or end.start() > LONGEST_HEAD:
                if len(data) > LONGEST_HEAD:
                    raise MalformedAnswer("the head of the answer is too long")
                self._rest = data
                return b""
            lines = data[: end.start()].split(b"\n")
            data = data[end.end() :]
            status = _STATUS_LINE.fullmatch(lines[0].removesuffix(b"\r"))
            if status is None or len(lines) > MOST_FIELDS:
                raise MalformedAnswer("the answer begins with no status line")
            if status[2] == b"101":
                raise MalformedAnswer("the upstream switched protocols unasked")
            headers = _fields(lines[1:])
            if status[2] < b"200":
                continue
            self.headers = headers
            self._frame(int(status[2]), status[1] == b"1")
            return data

    def _frame(self, status: int, is_latest: bool) -> None:
        """How the body is told from what comes behind it (RFC 9112, section 6.3)."""
        headers = self.headers
        self.status = status
        connection = headers.get("connection", "").lower()
        self.keeps = is_latest and "close" not in connection
        if self._method == "HEAD" or status in (204, 304):
            self.complete = True
            return
        coding = headers.get("transfer-encoding")
        length = headers.get("content-length")
        if coding is not None:
            if coding.lower() != "chunked":
                raise MalformedAnswer("the answer's transfer-encoding is not understood")
            self._chunked = True
            # Who sends both may have been tricked by somebody else's answer.
            self.keeps = self.keeps and length is None
        elif length is not None:
            self._left = _length(length)
            self.complete = self._left == 0
        else:
            self._left = None
            self.keeps = False
        packing = headers.get("content-encoding", "").strip().lower()
        if packing not in ("", "identity"):
            self._unpack = _Unpack(packing)

    def _read_plain(self, data: bytes) -> bytes:
        left = self._left
        if left is None:
            return data
        size = len(data)
        if size < left:
            self._left = left - size
            return data
        self._left = 0
        self.complete = True
        if size > left:
            self.keeps = False
            return data[:left]
        return data

    def _read_chunks(self, data: bytes) -> bytes:
        """What is new of a chunked body, all chunks joined."""
        left = self._left or 0
        size = len(data)
        if left > size:
            self._left = left - size
            return data
        if self._trailers:
            self._read_trailers(self._rest + data)
            return b""
        pieces = [data[:left]] if left else []
        self._left = 0
        try:
            position = left
            if self._rest:
                data = self._rest + data
                size = len(data)
                self._rest = b""
            if self._after_chunk:
                self._after_chunk = not _chunk_ends(data, position)
                if self._after_chunk:
                    self._rest = data[position:]
                    return b"".join(pieces)
                position += 2
            find = data.find
            take = pieces.append
            while True:
                end = find(_CRLF, position)
                if end < 0:
                    if size - position > LONGEST_SIZE_LINE:
                        raise MalformedAnswer("the size of a chunk is too long")
                    break
                line = data[position:end]
                count = int(line, 16) if not line.strip(_HEX) and line else _size_of(line)
                position = end + 2
                if not count:
                    self._trailers = True
                    self._read_trailers(data[position:])
                    return b"".join(pieces)
                stop = position + count
                if stop > size:
                    take(data[position:])
                    self._left = stop - size
                    self._after_chunk = True
                    return b"".join(pieces)
                take(data[position:stop])
                position = stop + 2
                if data[stop:position] != _CRLF and not _chunk_ends(data, stop):
                    position = stop
                    self._after_chunk = True
                    break
            self._rest = data[position:]
        except MalformedAnswer as error:
            self.error = error
        return b"".join(pieces)

    def _read_trailers(self, data: bytes) -> None:
        """Pass over the fields behind the last chunk."""
        self._rest = b""
        if data.startswith(_CRLF):
            end, behind = 0, 2
        else:
            found = _HEAD_END.search(data)
            if found is None:
                if len(data) > LONGEST_HEAD:
                    raise MalformedAnswer("the answer's trailers are too long")
                self._rest = data
                return
            end, behind = found.span()
        if end:
            _fields(data[:end].split(b"\n"))
        self.complete = True
        self.keeps = self.keeps and len(data) == behind


class _Unpack:
    """Takes the compression off a body. Raises `MalformedAnswer` when there is none to take off."""

    __slots__ = ("_begun", "_inflate", "_packing")

    def __init__(self, packing: str) -> None:
        if packing not in ("gzip", "x-gzip", "deflate"):
            raise MalformedAnswer("the answer's content-encoding is not understood")
        self._packing = packing
        self._begun = False
        self._inflate = zlib.decompressobj(wbits=31)

    def feed(self, data: bytes) -> bytes:
        """The unpacked bytes."""
        if not self._begun:
            self._begun = True
            if self._packing == "deflate":
                # Many servers leave out the zlib wrapper that RFC 9110, section 8.4.1.2 asks for.
                wrapped = data[0] & 0x0F == 8
                self._inflate = zlib.decompressobj(wbits=15 if wrapped else -15)
        pieces = []
        room = MOST_EXPANDED
        try:
            while data:
                if self._inflate.eof:
                    if self._packing == "deflate":
                        raise MalformedAnswer("there is more behind the end of a compressed body")
                    self._inflate = zlib.decompressobj(wbits=31)  # gzip files may follow each other
                piece = self._inflate.decompress(data, room)
                pieces.append(piece)
                room -= len(piece)
                if self._inflate.unconsumed_tail or room <= 0:
                    raise MalformedAnswer("a compressed body expands to too much")
                data = self._inflate.unused_data
        except zlib.error as error:
            raise MalformedAnswer("a compressed body cannot be read") from error
        return b"".join(pieces)

    def end(self) -> None:
        """The body is complete, and so must its compressed form be."""
        if self._begun and not self._inflate.eof:
            raise MalformedAnswer("a compressed body is cut off")


def _fields(lines: list[bytes]) -> dict[str, str]:
    """Header lines by lower-case name; those of the same name joined. Folded lines are refused."""
    fields: dict[str, str] = {}
    for line in lines:
        match = _FIELD.fullmatch(line.removesuffix(b"\r"))
        if match is None:
            raise MalformedAnswer("a header line of the answer cannot be read")
        name = match[1].decode("ascii").lower()
        value = match[2].strip(b" \t").decode("latin-1")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def _length(value: str) -> int:
    lengths = {part.strip(" \t") for part in value.split(",")}
    length = lengths.pop()
    if lengths or not length.isascii() or not length.isdigit() or len(length) > 20:
        raise MalformedAnswer("the answer's content-length is no number")
    return int(length)


def _chunk_ends(data: bytes, position: int) -> bool:
    """Whether the mark behind a chunk's data is there; False while it is on its way."""
    mark = data[position : position + 2]
    if mark == _CRLF:
        return True
    if mark and mark != b"\r":
        raise MalformedAnswer("a chunk does not end where it should")
    return False


def _size_of(line: bytes) -> int:
    """The size of a chunk whose line has more than the size."""
    digits = line[: len(line) - len(line.lstrip(_HEX))]
    if not digits or _EXTENSION.fullmatch(line, len(digits)) is None:
        raise MalformedAnswer("the size of a chunk is no number")
    return int(digits, 16)
