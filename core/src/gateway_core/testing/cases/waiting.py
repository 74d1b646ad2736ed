"""Area C, continued: hooks wait without stopping the server."""

import asyncio
from contextlib import suppress

from gateway_core.errors import GatewayError
from gateway_core.testing.asking import as_handed_on, ask
from gateway_core.testing.attempt import Line, attempt
from gateway_core.testing.awake import awake
from gateway_core.testing.case import Findings, NotApplicable
from gateway_core.testing.cases.contract import AREA
from gateway_core.testing.cases.login import scripted_vendor
from gateway_core.testing.conversations import CONVERSATIONS
from gateway_core.testing.offline import ask_models
from gateway_core.testing.subject import Subject

__all__ = ["AREA"]


@AREA.case(
    13,
    rule="No hook calls `time.sleep`.",
    why="Hooks run on the event loop of the server: while one sleeps, every answer to everybody "
    "stands still.",
    cure="`await asyncio.sleep(...)`; `asyncio.to_thread` for a library that blocks.",
    static=True,
)
def hooks_do_not_sleep(subject: Subject) -> None:
    findings = Findings()
    relay, route = subject.relay, None
    with findings.about("gateway_models"), suppress(GatewayError, NotApplicable):
        asyncio.run(ask_models(relay, subject.credential))
        route = subject.route()
    if route is not None:
        with findings.about("gateway_translate"), suppress(GatewayError, NotApplicable), awake():
            ask(subject, as_handed_on(subject, CONVERSATIONS["text"], route), route)
    for transcript in subject.transcripts:
        with findings.about(f"gateway_decoder, {transcript}"), suppress(GatewayError), awake():
            subject.decode(transcript, [transcript.data])
    with suppress(NotApplicable):
        asyncio.run(_log_in_and_refresh(subject, findings))
    findings.settle()


async def _log_in_and_refresh(subject: Subject, findings: Findings) -> None:
    make = scripted_vendor(subject)
    for method in make().methods:
        vendor = make()
        with findings.about(f"gateway_login, method {method}"):
            async with attempt(subject.relay, vendor, method) as login:
                await login.follow()
        if login.credential is None:
            continue
        with findings.about("gateway_refresh"), suppress(GatewayError), awake():
            async with Line(vendor.transport()).client() as http:
                await subject.relay.refresh(login.credential, http)
