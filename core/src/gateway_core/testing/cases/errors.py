"""Area E: what the upstream's HTTP errors, and errors inside of answers, become."""

from collections.abc import Iterator, Mapping
from typing import Final

from gateway_core.content import Message, Text
from gateway_core.errors import GatewayError
from gateway_core.json import dumps
from gateway_core.provider import UpstreamCall
from gateway_core.request import Request
from gateway_core.testing.case import Area, Findings, NotApplicable, Violation
from gateway_core.testing.credentials import secrets_of
from gateway_core.testing.decoding import decodings
from gateway_core.testing.subject import Subject

__all__ = ["AREA"]

AREA: Final = Area("E", "errors")

_NUMBERS = (
    *(400, 401, 402, 403, 404, 405, 408, 409, 410, 413, 415, 418, 422, 423, 425, 426, 429, 431),
    *(451, 498, 499, 500, 501, 502, 503, 504, 507, 511, 520, 524, 529, 530, 599),
)
_PAGE = (
    b"<!DOCTYPE html><html><head><title>Attention Required!</title></head>"
    b"<body><h1>Sorry, you have been blocked</h1><p>Ray ID: 8f00ba</p></body></html>"
)
_PLAIN: Final[Mapping[str, bytes]] = {
    "an empty body": b"",
    "a message": b'{"error":{"message":"something is the matter"}}',
}
_BODIES: Final[Mapping[str, bytes]] = {
    **_PLAIN,
    "HTML": _PAGE,
    "garbage": b"\x00\x01}{garbage",
    "invalid UTF-8": b'{"error":{"message":"\xff\xfe\x80"}}',
    "null": b"null",
    "a list": b'[{"error":{"message":"in a list"}}]',
    "a number": b"5",
    "a string": b'"words"',
    "an empty object": b"{}",
    "an error that is null": b'{"error":null}',
    "an error that is a number": b'{"error":5}',
    "an error that is a list": b'{"error":[]}',
    "an error that is an empty object": b'{"error":{}}',
    "an error that is a text": b'{"error":"went wrong","message":5}',
    "a message that is a number": b'{"error":{"message":5,"code":[],"type":{},"param":7}}',
    "a code that is a number": b'{"error":{"message":"words","code":429,"type":null}}',
    "a detail that is a list": b'{"detail":[]}',
    "details of a validation": b'{"detail":[{"loc":["body","model"],"msg":"field required"}]}',
    "odd times": b'{"error":{"message":"later","resets_at":1e400,"resets_in_seconds":-5}}',
    "deep nesting": b'{"error":' * 2000 + b"1" + b"}" * 2000,
    "deep lists": b"[" * 100_000,
    "a megabyte": b'{"error":{"message":"' + b"words " * 170_000 + b'"}}',
}
_HEADERS: Final[tuple[Mapping[str, str], ...]] = (
    {},
    {"content-type": "text/html; charset=utf-8"},
    *(
        {"content-type": "application/json", "retry-after": value}
        for value in ("", "soon", "-5", "1e999", "nan", "Wed, 21 Oct 2026 07:28:00 GMT", "0")
    ),
)
_ODD_BODIES_OF = (400, 401, 404, 429, 503)
"""Statuses that are tried with all bodies and headers; the others with some."""
_LARGE = 10_000
_KINDS: Final[Mapping[int, frozenset[str]]] = {
    401: frozenset({"unauthorized", "login_required", "forbidden"}),
    429: frozenset({"rate_limited", "quota_exhausted", "overloaded"}),
}
_SERVER_SIDE = frozenset(
    {
        *("upstream_failed", "upstream_protocol", "overloaded", "timeout"),
        *("rate_limited", "quota_exhausted"),
    }
)
_RETRY_SECONDS = 7


@AREA.case(
    1,
    rule="gateway_error gives a GatewayError or None for every status and body; it never raises.",
    why="It runs when something went wrong already: an exception in it hides what.",
    cure="Check types before use, catch ValueError around parsing, and return None for the rest.",
    static=True,
)
def the_table_is_total(subject: Subject) -> None:
    findings = Findings()
    call = _call(subject)
    for status, name, body, headers in _answers():
        with findings.about(f"status {status} with {name}"):
            _judge(subject, status, headers, body, call)
    findings.settle()


@AREA.case(
    2,
    rule="A status means what it says: 401 is about the login, 404 is no failure of the server, "
    "429 asks to wait, and 5xx is the upstream's failure.",
    why="Clients decide by it whether to retry, to wait, or to ask the user to log in.",
    cure="Return None from `gateway_error` where the body says nothing better.",
    static=True,
)
def a_status_means_what_it_says(subject: Subject) -> None:
    findings = Findings()
    call = _call(subject)
    for status in _NUMBERS:
        for name, body in _PLAIN.items():
            with findings.about(f"status {status} with {name}"):
                kind = _judge(subject, status, {}, body, call).kind
                if status >= 500 and kind not in _SERVER_SIDE:
                    raise Violation(f"it is {kind}, not the upstream's failure")
                if status == 404 and kind in _SERVER_SIDE:
                    raise Violation(f"it is {kind}, as if trying again could help")
                if kind not in _KINDS.get(status, {kind}):
                    raise Violation(f"it is {kind}, not one of {', '.join(_KINDS[status])}")
    findings.settle()


@AREA.case(
    3,
    rule="The retry-after header of a 429 reaches the error.",
    why="Clients wait for that long; without it they hammer the upstream or give up.",
    cure="Pass `retry_after_in(headers)` of `gateway_core.defaults` on.",
    static=True,
)
def retry_after_is_read(subject: Subject) -> None:
    findings = Findings()
    call = _call(subject)
    for name, body in _PLAIN.items():
        with findings.about(name):
            headers = {"retry-after": str(_RETRY_SECONDS)}
            seconds = _judge(subject, 429, headers, body, call).retry_after
            if seconds != _RETRY_SECONDS:
                raise Violation(f"retry_after is {seconds} instead of {_RETRY_SECONDS}")
    findings.settle()


@AREA.case(
    4,
    rule="Every error has words for people: not empty, no web page, and the upstream's own where "
    "it has some.",
    why="The message is all that the user sees.",
    cure="Take the message from the body, name a page instead of quoting it, and have words of "
    "your own for an empty answer; `message_in` of `gateway_core.defaults` does it.",
    static=True,
)
def messages_are_for_people(subject: Subject) -> None:
    findings = Findings()
    call = _call(subject)
    for status, name, body, headers in _answers():
        if len(body) > _LARGE and status != _ODD_BODIES_OF[0]:
            continue
        with findings.about(f"status {status} with {name}"):
            message = _judge(subject, status, headers, body, call).message
            if not message or message.isspace():
                raise Violation("the message is empty")
            if "<html" in message.lower() or "<h1" in message.lower():
                raise Violation("the message quotes a web page")
            is_page = "html" in headers.get("content-type", "")
            if (
                body == _PLAIN["a message"]
                and not is_page
                and "something is the matter" not in message
            ):
                raise Violation(f"the upstream's words are lost: {message[:80]!r}")
    findings.settle()


@AREA.case(
    5,
    rule="No error holds a secret, even when the upstream's answer echoes the token.",
    why="Messages reach clients, screens, logs and bug reports.",
    cure="Never format headers or credentials into a message, and keep bodies out of `upstream`, "
    "`code` and `param`: the core redacts known secrets in the message only.",
    static=True,
)
def errors_hold_no_secret(subject: Subject) -> None:
    secrets = secrets_of(subject.credential)
    if not secrets:
        raise NotApplicable("there is no credential: the provider has no login")
    findings = Findings()
    call = _call(subject)
    echo = dumps({"error": {"message": f"invalid token {secrets[0]}", "token": secrets[0]}})
    for status in _NUMBERS:
        for name, body in (*_PLAIN.items(), ("an echo of the token", echo)):
            with findings.about(f"status {status} with {name}"):
                error = _judge(subject, status, {}, body, call)
                message = error.message
                if body is echo:  # the words of others are redacted by the core
                    message = message.replace(secrets[0], "")
                facts = repr((message, error.code, error.param, error.upstream))
                if any(secret in facts for secret in secrets):
                    raise Violation("a secret of the credential is in the error")
    findings.settle()


@AREA.case(
    6,
    rule="An error inside a successful answer has a kind, words, and no secret.",
    why="It is the only explanation that the user gets for half an answer.",
    cure="Map it like an HTTP error: by code first, then by words.",
)
def errors_inside_answers_explain(subject: Subject) -> None:
    findings = Findings()
    secrets = secrets_of(subject.credential)
    failed = 0
    for decoding in decodings(subject):
        error = decoding.whole.error
        if error is None:
            continue
        failed += 1
        with findings.about(str(decoding)):
            _check_error(error)
            if error.kind == "internal":
                raise Violation("it is internal, as if the gateway were at fault")
            if any(secret in repr(error) for secret in secrets):
                raise Violation("a secret of the credential is in the error")
    findings.settle()
    if not failed:
        raise NotApplicable("no transcript fails: add an answer with an error inside")


@AREA.case(
    7,
    rule="A transcript whose status is no success becomes the error that its `.toml` expects.",
    why="These are the upstream's real errors: what they mean decides what the client does next.",
    cure="Mend `gateway_error`, or the expectation; one without `error` expects any.",
)
def error_answers_mean_what_is_expected(subject: Subject) -> None:
    answers = [transcript for transcript in subject.transcripts if not transcript.is_stream]
    if not answers:
        raise NotApplicable(
            "no transcript is an HTTP error: add one with `status = 429` in its .toml, say"
        )
    findings = Findings()
    for transcript in answers:
        with findings.about(str(transcript)):
            call = subject.call_for(transcript)
            error = _judge(subject, transcript.status, transcript.headers, transcript.data, call)
            wanted = transcript.expect.error
            if wanted is not None and error.kind != wanted:
                raise Violation(f"it is {error.kind} instead of {wanted}: {error.message}")
    findings.settle()


def _call(subject: Subject) -> UpstreamCall:
    """A call whose answer is an error."""
    request = Request("", [Message("user", [Text("Hello")])])
    try:
        return subject.translate(request)
    except GatewayError as error:
        raise NotApplicable(f"a plain text cannot be asked: {error.message}") from error


def _answers() -> Iterator[tuple[int, str, bytes, Mapping[str, str]]]:
    """Status, the name of the body, the body and the headers."""
    for turn, status in enumerate(_NUMBERS):
        for number, (name, body) in enumerate(_BODIES.items()):
            if status in _ODD_BODIES_OF or body in _PLAIN.values():
                yield status, name, body, _HEADERS[(turn + number) % len(_HEADERS)]
    for headers in _HEADERS:
        yield 429, f"the headers {dict(headers)}", _PLAIN["a message"], headers


def _judge(
    subject: Subject, status: int, headers: Mapping[str, str], body: bytes, call: UpstreamCall
) -> GatewayError:
    """The error that a client would get. Raises `Violation` when the hook fails."""
    try:
        error = subject.relay.error(status, headers, body, call)
    except GatewayError as raised:
        cause = raised.__cause__
        said = f"{type(cause).__name__}: {cause}" if cause is not None else raised.message
        raise Violation(f"gateway_error raised {said}") from raised
    _check_error(error)
    return error


def _check_error(error: GatewayError) -> None:
    if not isinstance(error.message, str) or not error.message:
        raise Violation("the message is empty")
    for name in ("code", "param"):
        value = getattr(error, name)
        if value is not None and not isinstance(value, str):
            raise Violation(f"{name} is {value!r}, not a text")
