"""Opening an answer: what is mended before anything came back, and who is left alone."""

import asyncio
import socket
import struct
from typing import Any

import pytest

from gateway_core import (
    Credential,
    Forbidden,
    FunctionTool,
    GatewayError,
    Message,
    RateLimited,
    Request,
    Text,
    UpstreamCall,
    UpstreamFailed,
    UpstreamProtocol,
)
from gateway_core.http import Transport, read_body
from gateway_kiro.errors import Failure
from gateway_kiro.identity import BUILDER_PROFILE
from gateway_kiro.opening import Opener
from gateway_kiro.settings import KiroSettings
from support.clock import Clock
from support.kiro_asking import ARN, CREDENTIAL, answers, document, translated
from support.kiro_service import KiroService

ERRORS = {case["name"]: case for case in document("http-errors")}
RUNTIME = "/runtime/us-east-1/"
LEGACY = "/q/us-east-1/generateAssistantResponse"
REQUEST = Request(
    "m",
    [Message("user", [Text("Hello")])],
    tools=[FunctionTool("t", "d", {"type": "object", "properties": {"a": {"pattern": "x"}}})],
)


def call(settings: KiroSettings, credential: Credential = CREDENTIAL) -> UpstreamCall:
    return translated(REQUEST, settings=settings, credential=credential)


async def opened(
    call: UpstreamCall, transport: Transport, opener: Opener | None = None
) -> tuple[int, bytes]:
    """Status and body of an answer."""
    async with (opener or Opener()).open(call, transport) as stream:
        with pytest.raises((UpstreamProtocol, GatewayError)):
            await stream.send(b"")
        return stream.status, await read_body(stream)


def fail(service: KiroService, path: str, name: str) -> None:
    case = ERRORS[name]
    service.say(path, case["body"], case["status"], case["headers"])


async def test_an_answer_is_handed_on_as_it_comes(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    service.say(RUNTIME, b"bytes")
    assert await opened(call(settings), transport) == (200, b"bytes")
    assert len(service.requests) == 1


@pytest.mark.parametrize("name", ["unknown-operation", "method-not-allowed"])
async def test_the_older_host_is_asked_once_when_the_current_one_does_not_know(
    name: str, transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    if name in ERRORS:
        fail(service, RUNTIME, name)
    else:
        service.say(RUNTIME, {}, 405)
    service.say(LEGACY, b"older")
    assert await opened(call(settings), transport) == (200, b"older")
    first, second = service.requests
    assert (first.path, second.path) == (RUNTIME, LEGACY)
    assert first.body == second.body
    assert "x-amz-target" not in second.headers
    assert second.headers["content-type"] == "application/json"


async def test_the_older_host_is_asked_when_the_current_one_is_not_there(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    service.say(LEGACY, b"older")
    gone = settings.model_copy(update={"runtime_url": "http://127.0.0.1:1"})
    assert await opened(call(gone), transport) == (200, b"older")


async def test_a_question_that_may_have_been_heard_is_not_asked_elsewhere(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    service.say(LEGACY, b"older")
    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        resets = settings.model_copy(update={"runtime_url": f"http://127.0.0.1:{port}"})
        with pytest.raises(UpstreamFailed):
            await opened(call(resets), transport)
    assert service.requests == []


async def test_without_an_older_host_the_failure_is_told(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    alone = settings.model_copy(update={"legacy_url": "", "runtime_url": "http://127.0.0.1:1"})
    with pytest.raises(UpstreamFailed, match="cannot connect"):
        await opened(call(alone), transport)
    fail(service, RUNTIME, "unknown-operation")
    alone = settings.model_copy(update={"legacy_url": ""})
    assert (await opened(call(alone), transport))[0] == 404


async def test_the_older_host_knowing_nothing_either_is_told(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    assert (await opened(call(settings), transport))[0] == 404
    assert len(service.requests) == 2


@pytest.mark.parametrize(
    "name", ["improper", "throttled", "token-invalid", "capacity", "quota-402", "content-length"]
)
async def test_what_cannot_be_mended_is_handed_on(
    name: str, transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    fail(service, RUNTIME, name)
    status, body = await opened(call(settings), transport)
    assert status == ERRORS[name]["status"]
    assert ERRORS[name]["body"]["message"].encode() in body
    assert len(service.requests) == 1


async def test_schemas_that_are_refused_are_sent_barer_once(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    service.say(RUNTIME, {"message": "bad schema", "reason": "TOOL_SCHEMA_INVALID"}, 400)
    assert (await opened(call(settings), transport))[0] == 400
    schemas = [
        asked.body["conversationState"]["currentMessage"]["userInputMessage"][
            "userInputMessageContext"
        ]["tools"][0]["toolSpecification"]["inputSchema"]["json"]["properties"]["a"]
        for asked in service.requests
    ]
    assert schemas == [{"pattern": "x"}, {}]


# Profiles


ORGANISATION = CREDENTIAL.model_copy(
    update={"extra": {"kind": "idc", "provider": "Enterprise", "sso_region": "us-east-1"}}
)
PROFILES = "/management/us-east-1/List-Available-Profiles"
ONE = answers("list-available-profiles", "responses")["one"]["body"]


async def test_a_profile_that_is_missing_is_asked_for_once_per_account(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    service.say(PROFILES, ONE)
    service.say(RUNTIME, b"ok")
    opener = Opener()
    for _ in range(2):
        assert await opened(call(settings, ORGANISATION), transport, opener) == (200, b"ok")
    assert len(service.asked(PROFILES)) == 1
    for asked in service.asked(RUNTIME):
        assert asked.body["profileArn"] == asked.headers["x-amzn-kiro-profile-arn"] == ARN


async def test_a_builder_id_that_shows_as_one_is_asked_once(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    refused = answers("list-available-profiles", "responses")["builder-id"]
    service.say(PROFILES, refused["body"], refused["status"])
    service.say(RUNTIME, b"ok")
    unknown = CREDENTIAL.model_copy(update={"extra": {"kind": "idc"}})
    opener = Opener()
    for _ in range(2):
        assert await opened(call(settings, unknown), transport, opener) == (200, b"ok")
    assert len(service.asked(PROFILES)) == 1
    for asked in service.asked(RUNTIME):
        assert asked.body["profileArn"] == BUILDER_PROFILE


@pytest.mark.parametrize(
    ("status", "reason"), [(403, "FEATURE_NOT_SUPPORTED"), (400, "REQUEST_BODY_INVALID")]
)
async def test_a_profile_that_is_refused_is_asked_for_anew_once(
    status: int, reason: str, transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    stale = ARN.replace("ABCDEFGHIJKL", "STALE")
    extra = {**ORGANISATION.extra, "profile_arn": stale}
    service.say(RUNTIME, {"message": "No.", "reason": reason}, status)
    service.say(PROFILES, ONE)
    told, _ = await opened(
        call(settings, ORGANISATION.model_copy(update={"extra": extra})), transport
    )
    assert told == status
    assert [asked.body["profileArn"] for asked in service.asked(RUNTIME)] == [stale, ARN]


async def test_a_profile_of_another_region_is_asked_for_there(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    elsewhere = ARN.replace("us-east-1", "eu-central-1")
    service.say(PROFILES, {"profiles": []})
    service.say(PROFILES.replace("us-east-1", "eu-central-1"), {"profiles": [{"arn": elsewhere}]})
    service.say("/runtime/eu-central-1/", b"ok")
    assert await opened(call(settings, ORGANISATION), transport) == (200, b"ok")


async def test_the_profile_of_the_settings_stays(
    transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    fail(service, RUNTIME, "profile-not-authorised")
    chosen = settings.model_copy(update={"profile_arn": ARN})
    assert (await opened(call(chosen, ORGANISATION), transport))[0] == 403
    assert [asked.path for asked in service.requests] == [RUNTIME]


# Accounts to leave alone


def failure(name: str) -> Failure:
    case = ERRORS[name]
    body: Any = case["body"]
    return Failure(case["status"], reason=body["reason"] or "", message=body["message"])


@pytest.mark.parametrize(
    ("name", "minutes", "kind"),
    [("suspicious-activity", 5, RateLimited), ("suspended-2026", 10, Forbidden)],
)
async def test_a_throttled_or_locked_account_is_not_asked_for_a_while(
    name: str,
    minutes: int,
    kind: type[GatewayError],
    transport: Transport,
    settings: KiroSettings,
    service: KiroService,
) -> None:
    service.say(RUNTIME, b"ok")
    clock = Clock()
    opener = Opener(lambda: clock().timestamp())
    opener.note(CREDENTIAL.account, failure(name))
    clock.advance(minutes=minutes, seconds=-1)
    with pytest.raises(kind) as caught:
        await opened(call(settings), transport, opener)
    assert caught.value.retry_after == (1 if kind is RateLimited else None)
    assert service.requests == []

    other = CREDENTIAL.model_copy(update={"account": "another"})
    assert (await opened(call(settings, other), transport, opener))[0] == 200
    clock.advance(seconds=2)
    assert (await opened(call(settings), transport, opener))[0] == 200


@pytest.mark.parametrize("name", ["throttled", "capacity", "quota-429", "profile-required"])
async def test_other_failures_stop_nobody(
    name: str, transport: Transport, settings: KiroSettings, service: KiroService
) -> None:
    service.say(RUNTIME, b"ok")
    opener = Opener()
    opener.note(CREDENTIAL.account, failure(name))
    assert (await opened(call(settings), transport, opener))[0] == 200
