"""Area R: refreshing credentials, against a scripted vendor."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway_core.credentials.store import Credential
from gateway_core.errors import GatewayError, LoginRequired
from gateway_core.testing.attempt import TROUBLES, Line, attempt
from gateway_core.testing.awake import awake
from gateway_core.testing.case import Area, Findings, NotApplicable, Violation
from gateway_core.testing.cases.login import PASSING, scripted_vendor
from gateway_core.testing.credentials import secrets_of
from gateway_core.testing.offline import unreachable
from gateway_core.testing.subject import Subject
from gateway_core.testing.vendor import Mood, Vendor
from gateway_core.testing.watch import all_logs, said_by, secrets_in

__all__ = ["AREA"]

AREA: Final = Area("R", "refresh")

_LABEL = "a name that the person chose"


@dataclass(slots=True)
class _Refreshed:
    """What became of a refresh. sent: how many requests it took."""

    credential: Credential | None = None
    error: GatewayError | None = None
    sent: int = 0
    logs: Sequence[str] = ()

    def fresh(self, doing: str) -> Credential:
        """The fresh credential. Raises `Violation` when there is none."""
        if self.credential is None:
            raise Violation(f"{doing} raised {type(self.error).__name__}: {self.error}")
        return self.credential


@AREA.case(
    1,
    rule="A refresh gives a fresh credential of the same account, and keeps what it does not "
    "replace: label, extra, secrets.",
    why="What is lost here is lost for good: the core stores what it is given. A changed account "
    "becomes a second login, a lost region or client secret breaks the next turn.",
    cure="Return `credential.model_copy(update=...)`, or `renewed(credential, tokens)`.",
)
async def keeps_what_it_does_not_replace(subject: Subject) -> None:
    vendor, login = await _logged_in(subject)
    stale = login.model_copy(update={"label": _LABEL})
    fresh = (await _refresh(subject, stale, Line(vendor.transport()))).fresh("a refresh")
    wrong = []
    if fresh.account != stale.account:
        wrong.append("the account is another one")
    if fresh.access_token == stale.access_token:
        wrong.append("the access token is the old one")
    if fresh.label != _LABEL:
        wrong.append("the label that the person chose is gone")
    if fresh.expires_at is not None and fresh.expires_at.tzinfo is None:
        wrong.append("expires_at has no time zone")
    elif fresh.expires_at is not None and fresh.expires_at <= datetime.now(UTC):
        wrong.append("the fresh token has ended already")
    elif fresh.expires_at is None and stale.expires_at is not None:
        wrong.append("expires_at is gone")
    wrong += [
        f"{name} lost {', '.join(lost)}"
        for name in ("extra", "secrets")
        if (lost := sorted(getattr(stale, name).keys() - getattr(fresh, name).keys()))
    ]
    if wrong:
        raise Violation("; ".join(wrong))


@AREA.case(
    2,
    rule="What a refresh gives can be refreshed again: a rotated refresh token replaces the old "
    "one, and where none comes the old one stays.",
    why="Otherwise every login dies with the second refresh, an hour or a day later.",
    cure="Take `refresh_token` from the answer if it is there, else keep the credential's "
    "(`renewed` does).",
)
async def can_be_refreshed_again(subject: Subject) -> None:
    findings = Findings()
    moods: tuple[tuple[Mood, str], ...] = (
        ("well", "the vendor's usual answer"),
        ("sparing", "an answer without a new refresh token"),
    )
    for mood, example in moods:
        with findings.about(example):
            vendor, credential = await _logged_in(subject)
            try:
                vendor.be(mood)
            except NotApplicable:
                continue
            for time in ("first", "second", "third"):
                done = await _refresh(subject, credential, Line(vendor.transport()))
                credential = done.fresh(f"the {time} refresh")
                if credential.refresh_token is None:
                    raise Violation(f"the {time} refresh lost the refresh token")
    findings.settle()


@AREA.case(
    3,
    rule="A refresh token that the vendor refuses for good raises LoginRequired.",
    why="Any other error is tried again for ever, and the person never learns what to do.",
    cure="Raise LoginRequired for invalid_grant and its like; see `oauth.REJECTED_CODES`.",
)
async def a_rejected_token_requires_a_login(subject: Subject) -> None:
    vendor, stale = await _logged_in(subject)
    vendor.be("rejecting")
    done = await _refresh(subject, stale, Line(vendor.transport()))
    if not isinstance(done.error, LoginRequired):
        raise Violation(f"it {_outcome(done)}")


@AREA.case(
    4,
    rule="A vendor that is out of reach, silent or broken does not end a login.",
    why="One bad minute of the vendor, or no network, would make everybody log in again.",
    cure="Let httpx's errors through and raise UpstreamFailed for a 5xx or a web page; "
    "`oauth.refresh_token` tells these cases apart.",
)
async def trouble_does_not_end_a_login(subject: Subject) -> None:
    findings = Findings()
    asked = 0
    vendor, stale = await _refreshable(subject)
    for trouble in TROUBLES:
        with findings.about(trouble):
            inner = vendor.transport() if vendor else unreachable()
            done = await _refresh(subject, stale, Line(inner, trouble))
            asked += done.sent
            if done.sent and (done.error is None or done.error.kind not in PASSING):
                raise Violation(f"it {_outcome(done)}")
    findings.settle()
    if not asked:
        raise NotApplicable("refreshing asks the vendor nothing")


@AREA.case(
    5,
    rule="A credential without refresh token raises LoginRequired.",
    why="Such credentials exist: keys, imported logins, logins without offline access.",
    cure="Look at `credential.refresh_token` first.",
)
async def without_refresh_token_a_login_is_required(subject: Subject) -> None:
    vendor, stale = await _refreshable(subject)
    if stale.refresh_token is None:
        raise NotApplicable("logins of this provider have no refresh token")
    bare = stale.model_copy(update={"refresh_token": None})
    line = Line(vendor.transport() if vendor else unreachable())
    done = await _refresh(subject, bare, line)
    if not isinstance(done.error, LoginRequired):
        raise Violation(f"it {_outcome(done)}")


@AREA.case(
    6,
    rule="A refresh tells no secret, in logs or errors, whatever the vendor answers.",
    why="Refreshes happen unseen in a server whose log is posted in bug reports; vendors quote the "
    "token that they refuse.",
    cure="Log nothing of requests and answers; take what was sent out of what is quoted "
    "(`oauth.post` does).",
)
async def tells_no_secret(subject: Subject) -> None:
    findings = Findings()
    for ending in ("well", "rejecting", "broken"):
        vendor, stale = await _logged_in(subject)
        with findings.about(ending):
            line = Line(vendor.transport(), "broken" if ending == "broken" else None)
            if ending == "rejecting":
                vendor.be("rejecting")
            done = await _refresh(subject, stale, line)
            secrets = [*vendor.secrets(), *secrets_of(stale), *secrets_of(done.credential)]
            if secrets_in("\n".join(done.logs), secrets):
                raise Violation("a secret is in the log")
            if secrets_in(said_by(done.error), secrets):
                raise Violation("a secret is in the error")
    findings.settle()


async def _logged_in(subject: Subject) -> tuple[Vendor, Credential]:
    """A vendor and a login at it. Raises `NotApplicable` when such logins are never refreshed."""
    vendor = scripted_vendor(subject)()
    method = next(iter(vendor.methods))
    async with attempt(subject.relay, vendor, method) as login:
        await login.follow()
    if login.credential is None:
        raise NotApplicable(f"there is no login to refresh: {login.outcome} (see area L)")
    if login.credential.refresh_token is None:
        done = await _refresh(subject, login.credential, Line(unreachable()))
        if isinstance(done.error, LoginRequired) and not done.sent:
            raise NotApplicable("logins of this provider are not refreshed")
    return vendor, login.credential


async def _refreshable(subject: Subject) -> tuple[Vendor | None, Credential]:
    """A login at the vendor or, without a vendor, the fake credential."""
    if subject.info.login == "none":
        raise NotApplicable("the provider has no login")
    if subject.vendor is not None:
        return await _logged_in(subject)
    if subject.credential is None:
        raise NotApplicable("override the fixture `vendor`, or `credential` with a fake one")
    return None, subject.credential


async def _refresh(subject: Subject, credential: Credential, line: Line) -> _Refreshed:
    done = _Refreshed()
    with awake(), all_logs() as done.logs:
        async with line.client() as http:
            try:
                done.credential = await subject.relay.refresh(credential, http)
            except GatewayError as error:
                done.error = error
    done.sent = line.sent
    return done


def _outcome(done: _Refreshed) -> str:
    if done.error is None:
        return "gave a credential"
    return f"raised {type(done.error).__name__}: {done.error}"
