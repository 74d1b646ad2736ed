"""Area P: secrets stay in headers, and out of everything that people or other services see."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Final

from pydantic import BaseModel, SecretStr

from gateway_core.content import Message, Text
from gateway_core.credentials.store import Credential
from gateway_core.errors import GatewayError
from gateway_core.events import Fail
from gateway_core.provider import UpstreamCall
from gateway_core.request import Request
from gateway_core.testing.asking import as_handed_on, ask, every_conversation
from gateway_core.testing.case import Area, Findings, NotApplicable, Violation
from gateway_core.testing.credentials import secrets_of
from gateway_core.testing.subject import Subject

__all__ = ["AREA"]

AREA: Final = Area("P", "privacy")

_SHORTEST = 6  # characters; what is shorter is no secret and is found anywhere
_STATUSES: Final = (400, 401, 403, 404, 413, 429, 500, 503, 529)
_BODIES: Final = (
    b"",
    b"{}",
    b'{"error":{"message":"no","type":"x","code":"y"}}',
    b"<html>",
    b"\xff",
)


@AREA.case(
    1,
    rule="No secret is in the URL, the body, the state or the text form of a call.",
    why="URLs and bodies are logged by servers on the way and recorded for reports; the text form "
    "of a call is in the gateway's own log.",
    cure="Write secrets into headers only, at the last moment (`get_secret_value()` in "
    "`gateway_translate`), and keep them out of `state`, or as `SecretStr`.",
    static=True,
)
def calls_show_no_secret(subject: Subject) -> None:
    secrets = _secrets(subject)
    findings = Findings()
    for name, call in _calls(subject):
        with findings.about(name):
            _expect_none(secrets, "the URL", call.url)
            _expect_none(secrets, "the body", call.body.decode("utf-8", "replace"))
            _expect_none(secrets, "the readable body", subject.readable(call))
            _expect_none(secrets, "repr(call)", f"{call!r} {call}")
            _expect_none(secrets, "the text form of its state", f"{call.state!r} {call.state}")
    findings.settle()


@AREA.case(
    2,
    rule="The credential is in a header, and the refresh token is not.",
    why="Without a credential every turn is refused. A refresh token that travels with every turn "
    "makes whoever sees one turn the owner of the account.",
    cure="Write the access token into the header that the upstream reads.",
    static=True,
)
def headers_carry_the_credential(subject: Subject) -> None:
    credential = subject.credential
    if subject.info.login == "none" or credential is None:
        raise NotApplicable("there is no login, or no `credential` was given")
    refresh = credential.refresh_token and credential.refresh_token.get_secret_value()
    wanted = [secret for secret in secrets_of(credential) if secret != refresh]
    call = _calls(subject)[0][1]
    values = "\n".join(call.headers.values())
    if refresh and refresh in values:
        raise Violation("the refresh token is in a header")
    if not any(secret in values for secret in wanted) and not _depends(subject, credential):
        raise Violation(f"no header carries it; headers are {', '.join(call.headers)}")


def _depends(subject: Subject, credential: Credential) -> bool:
    """Whether another token makes other headers: encoded, or signed with."""
    other = credential.model_copy(update={"access_token": SecretStr("canary-of-another-login")})
    route = subject.route()
    for _, build in every_conversation():
        with suppress(GatewayError):
            requests = [as_handed_on(subject, build(), route) for _ in range(2)]
            mine = ask(subject, requests[0], route)
            return ask(subject, requests[1], route, credential=other).headers != mine.headers
    return False


@AREA.case(
    3,
    rule="No secret is logged or printed, at any level.",
    why="Logs are kept, shipped and pasted into reports.",
    cure="Log ids and counts, never credentials, headers or settings; keep `SecretStr` wrapped.",
)
def logs_hold_no_secret(subject: Subject) -> None:
    secrets = _secrets(subject)
    with _listening() as heard:
        calls = _calls(subject)
        for transcript in subject.transcripts:
            _decoded(subject, calls[0][1], transcript.data, transcript.headers)
        _errors_for(subject, calls[0][1])
    _expect_none(secrets, "what was logged or printed", heard.getvalue())


@AREA.case(
    4,
    rule="No secret is in an error, neither in its message nor in its details.",
    why="The message of an error is shown by the client, in transcripts of sessions and in issues.",
    cure="Say which header or setting is wrong, not what is in it.",
)
def errors_hold_no_secret(subject: Subject) -> None:
    secrets = _secrets(subject)
    findings = Findings()
    call = _calls(subject)[0][1]
    errors = [*_refusals(subject), *_errors_for(subject, call)]
    for data in (b"", b"\x00\xff", b"data: {\n\n", *(t.data[:-7] for t in subject.transcripts)):
        errors += _decoded(subject, call, data, {})
    for transcript in subject.transcripts:
        errors += _decoded(subject, call, transcript.data, transcript.headers)
    for error in errors:
        with findings.about(type(error).__name__):
            for text in _texts_of(error):
                _expect_none(secrets, "its text", text)
    findings.settle()


@AREA.case(
    5,
    rule="Settings and credentials do not show their secrets when they are printed.",
    why="They are printed when something fails, in tracebacks and in `gateway config`.",
    cure="Declare keys and tokens in the settings as `SecretStr`.",
    static=True,
)
def settings_hide_their_secrets(subject: Subject) -> None:
    secrets = _secrets(subject)
    settings = subject.relay.settings
    credential = subject.credential
    _expect_none(secrets, "repr(settings)", f"{settings!r} {settings}")
    _expect_none(secrets, "settings as JSON", settings.model_dump_json())
    _expect_none(secrets, "repr(credential)", f"{credential!r} {credential}")


def _secrets(subject: Subject) -> list[str]:
    """All secrets given, of the credential and in the settings."""
    found = [*secrets_of(subject.credential), *_secrets_in(subject.relay.settings)]
    secrets = [secret for secret in found if len(secret) >= _SHORTEST]
    if not secrets:
        raise NotApplicable("no secret was given: neither a credential nor a secret setting")
    return secrets


def _secrets_in(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets_in(getattr(value, name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from _secrets_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _secrets_in(item)


def _expect_none(secrets: list[str], where: str, text: str) -> None:
    if any(secret in text for secret in secrets):
        raise Violation(f"a secret is in {where}")


def _calls(subject: Subject) -> list[tuple[str, UpstreamCall]]:
    """The calls for all conversations that are not refused."""
    calls = []
    route = subject.route()
    for name, build in every_conversation():
        try:
            calls.append((name, ask(subject, as_handed_on(subject, build(), route), route)))
        except GatewayError:
            continue
    if not calls:
        raise NotApplicable("every conversation is refused")
    return calls


def _refusals(subject: Subject) -> Iterator[GatewayError]:
    route = subject.route()
    odd = [("nothing", lambda: Request("", [])), ("blank", _blank)]
    for _, build in [*every_conversation(), *odd]:
        try:
            ask(subject, as_handed_on(subject, build(), route), route)
        except GatewayError as error:
            yield error


def _blank() -> Request:
    return Request("", [Message("user", [Text("")])])


def _errors_for(subject: Subject, call: UpstreamCall) -> list[GatewayError]:
    """What non-2xx answers mean."""
    return [
        subject.relay.error(status, {"content-type": "application/json"}, body, call)
        for status in _STATUSES
        for body in _BODIES
    ]


def _decoded(
    subject: Subject, call: UpstreamCall, data: bytes, headers: object
) -> list[GatewayError]:
    """The errors that a stream of these bytes fails with."""
    known = headers if isinstance(headers, dict) else {}
    decoder = subject.relay.decoder(call, subject.route(), known)
    events = [*decoder.feed(data), *decoder.end()]
    return [event.error for event in events if isinstance(event, Fail)]


def _texts_of(error: BaseException | None) -> Iterator[str]:
    """All that an error and those behind it say."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield f"{error} {error!r} {vars(error)!r}"
        error = error.__cause__ or error.__context__


@contextmanager
def _listening() -> Iterator[io.StringIO]:
    """Everything that is logged at any level, printed or written to standard error."""
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with redirect_stdout(heard), redirect_stderr(heard):
            yield heard
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
