"""URLs of a login: where the vendor's page sends the browser, and what is in it."""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from gateway_core.testing.attempt import Attempt
from gateway_core.testing.case import NotApplicable

__all__ = ["first_redirect", "query_of", "with_members"]


async def first_redirect(login: Attempt, member: str) -> str:
    """Where the first URL leads. Raises `NotApplicable` unless the redirect has this member."""
    seen = await login.url()
    redirect = await login.vendor.browse(seen, "approve") if seen else None
    if redirect is None or member not in query_of(redirect):
        raise NotApplicable(f"the vendor redirects with no {member}")
    return redirect


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def with_members(url: str, **members: str | None) -> str:
    """The URL with members of its query replaced; None takes one out."""
    query = {
        name: value for name, value in {**query_of(url), **members}.items() if value is not None
    }
    return urlunsplit(urlsplit(url)._replace(query=urlencode(query)))
