"""What the failures of xAI mean, as HTTP answers and inside of streams, and which of them say that
an account belongs on the other rail.

Both hosts write errors in half a dozen shapes. Slugs decide first, then the status, then the words
where no slug exists. Pages of HTML are named and never quoted.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from gateway_core import (
    ContextOverflow,
    Forbidden,
    GatewayError,
    InvalidRequest,
    JsonObject,
    ModelNotFound,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    UpstreamFailed,
)
from gateway_core.defaults import retry_after_in
from gateway_core.errors import (
    ERROR_CLASSES,
    ErrorKind,
    NotFound,
    TooLarge,
    Unauthorized,
    UpstreamTimeout,
)
from gateway_core.errors import error_for_status as by_status
from gateway_core.json import loads
from gateway_grok.settings import Rail

__all__ = [
    "Told",
    "is_other_rail",
    "names_response",
    "read_error",
    "read_told",
    "refine",
    "refused_field",
]

_LONGEST: Final = 2000
_LONGEST_WAIT: Final = 120.0
_DAY: Final = 86_400.0
_SLUG: Final = re.compile(r"[A-Za-z][\w.:-]*")
_MARKER: Final = re.compile(r"\s*\[WKE=([^\]\s]{1,120})\]\s*$")
_BAD_CREDENTIALS: Final = re.compile(
    r"unauthenticated:bad-credentials|access token could not be validated", re.I
)
_OVERFLOW: Final = re.compile(
    r"too long for this model|prompt is too long|maximum prompt length|maximum context length"
    r"|context_length_exceeded|current message .{0,80}exceeds budget",
    re.I,
)
_BAD_IMAGE: Final = re.compile(
    r"could-not-process-image|could not process image|invalid_image", re.I
)
_USED_UP: Final = re.compile(
    r"free-usage-exhausted|included free usage|rolling 24-hour window|tokens \(actual/limit\)", re.I
)
_SPENT: Final = re.compile(r"spending-limit", re.I)
_DENIED: Final = re.compile(r"permission-denied|access to the chat endpoint is denied", re.I)
_NO_PLAN: Final = re.compile(r"requires a(?:n active)? (?:super)?grok subscription", re.I)
_MODERATED: Final = re.compile(r"usage guidelines|safety_check", re.I)
_TIER: Final = re.compile(r"^subscription:", re.I)
_NO_MODEL: Final = re.compile(r"model .{0,120}(?:not exist|not found|not available)", re.I)
# A stored response, and never the form of an answer (`response format`).
_RESPONSE: Final = re.compile(
    r"previous[_ ]response|response[_-]not[_-]found"
    # With its id, or as all that is said to be gone: tools, pictures and servers respond as well.
    r"|\bresponse (?:with (?:the )?|for )?(?:id\b|['\"`]?resp_).{0,160}"
    r"(?:not found|not exist|not stored|no longer|expired|deleted|unknown)"
    r"|^\W*(?:the )?response (?:was |is |has (?:been )?|does )?"
    r"(?:not found|not exist|not stored|no longer stored|expired|deleted)"
    r"|(?:such|unknown|stored|not find|not retrieve) response\b(?! format)",
    re.I | re.S,
)
_OVERLOADED: Final = frozenset({"overloaded_error", "service_unavailable_error"})
_FIELD: Final = (
    re.compile(
        r"argument not supported(?: on this model)?: ?[`'\"]?([A-Za-z_]\w*(?:\.\w+)*)", re.I
    ),
    re.compile(r"does not support parameter ?[`'\"]?([A-Za-z_]\w*(?:\.\w+)*)", re.I),
)
_TITLE: Final = re.compile(rb"<title[^>]*>\s*([^<]{1,120}?)\s*</title>", re.I)
_NEVER_AGAIN: Final = frozenset({525, 526})
_ABOUT_THE_LOGIN: Final = frozenset({401, 403})


class _FinalFailure(UpstreamFailed):
    """A failure that the upstream asks not to be repeated."""

    retryable: ClassVar[bool] = False


class _FinalOverload(Overloaded):
    """The same of an overload."""

    retryable: ClassVar[bool] = False


@dataclass(slots=True, frozen=True)
class Told:
    """What an error body says: a slug when there is one, and words."""

    slug: str | None
    words: str

    @property
    def all(self) -> str:
        """Both, to be searched."""
        return f"{self.slug or ''} {self.words}"


def read_told(headers: Mapping[str, str], body: bytes) -> Told | None:
    """Slug and words of an error body in any of its shapes; None for a web page.

    The shapes: flat `{"code", "error"}`, nested `{"error": {...}}`, a bare string, `{"detail"}`,
    JSON inside of the `error` text, and a slug in a marker at the end of the words. A `code` that
    is a sentence or a number is no slug.
    """
    if "html" in headers.get("content-type", "") or body.lstrip()[:1] == b"<":
        return None
    try:
        value: Any = loads(body)
    except ValueError:
        value = body[:_LONGEST].decode("utf-8", "replace").strip()
    return _told(value)


def read_error(status: int, headers: Mapping[str, str], body: bytes, rail: Rail) -> GatewayError:
    """The error behind a non-2xx answer of a rail. `headers` have lower-case names."""
    told = read_told(headers, body)
    if told is None:
        error = _page_error(status, headers, body)
    else:
        error = _judge(status, told, rail, retry_after_in(headers))
    if error.retry_after is not None and isinstance(error, RateLimited):
        error.retry_after = min(error.retry_after, _LONGEST_WAIT)
    again = headers.get("x-should-retry")
    if status in _NEVER_AGAIN or again == "false":
        error = _final(error)
    elif again == "true" and status not in _ABOUT_THE_LOGIN and not error.retryable:
        error = error.retold(_repeated(error.kind))
    facts: JsonObject = {"status": status, "rail": rail}
    for name in ("x-request-id", "cf-ray"):
        if name in headers:
            facts[name] = headers[name]
    if (id := _request_id(body)) is not None:
        facts["request_id"] = id
    error.upstream = facts | (error.upstream or {})
    return error


def refine(error: GatewayError) -> GatewayError:
    """An error inside a stream, in the terms of this upstream."""
    told = Told(error.code if error.code and _SLUG.fullmatch(error.code) else None, error.message)
    found = _by_words(told) or _by_slug(told)
    if found is None:
        if error.code is not None and told.slug is None:
            error.code = None  # a sentence
        return error
    found.upstream = error.upstream
    found.retry_after = found.retry_after if found.retry_after is not None else error.retry_after
    return found


def is_other_rail(status: int, headers: Mapping[str, str], body: bytes, rail: Rail) -> bool:
    """Whether a refusal is about the rail and not about the account or the request, so that the
    other rail may well serve it.

    The public API refuses subscriptions without API credit, the proxy refuses scopes that it lacks
    and versions that it thinks too old.
    """
    if rail == "proxy" and status == 426:
        return True
    if status not in (402, 403, 429):
        return False
    told = read_told(headers, body)
    if told is None or _BAD_CREDENTIALS.search(told.all) or _NO_PLAN.search(told.words):
        return False
    if _MODERATED.search(told.words) or (told.slug is not None and _TIER.match(told.slug)):
        return False
    if rail == "proxy":
        return status == 403 and _DENIED.search(told.all) is not None
    return status != 429 or _SPENT.search(told.all) is not None


def refused_field(status: int, headers: Mapping[str, str], body: bytes) -> str | None:
    """The request field that a 400 names as not supported, as xAI spells it."""
    told = read_told(headers, body) if status == 400 else None
    if told is None:
        return None
    matches = (pattern.search(told.words) for pattern in _FIELD)
    return next((match[1] for match in matches if match), None)


def names_response(*said: str | None) -> bool:
    """Whether a refusal (its slug, its words) is about a stored response: it is not there, or no
    use.
    """
    return any(_RESPONSE.search(one) for one in said if one)


def _told(value: Any, depth: int = 0) -> Told:
    slug: str | None = None
    words: Any = value
    if isinstance(value, dict):
        code = value.get("code") or value.get("type")
        inner = value.get("error", value.get("detail"))
        if isinstance(inner, dict):
            nested = _told(inner, depth + 1)
            return Told(nested.slug or _slug(code), nested.words)
        slug = _slug(code)
        words = inner if isinstance(inner, str) else value.get("message")
        if not words and isinstance(code, str):
            words = code
    text = words.strip() if isinstance(words, str) else ""
    if depth < 2 and text[:1] in ("{", '"'):
        try:
            nested = _told(loads(text), depth + 1)
        except ValueError:
            pass
        else:
            return Told(nested.slug or slug, nested.words or text[:_LONGEST])
    if marker := _MARKER.search(text):
        slug, text = marker[1], text[: marker.start()]
    return Told(slug, text[:_LONGEST])


def _slug(code: object) -> str | None:
    return code if isinstance(code, str) and _SLUG.fullmatch(code) else None


def _judge(status: int, told: Told, rail: Rail, retry_after: float | None) -> GatewayError:
    words = told.words or f"xAI answered with status {status} and no more"
    if status == 401 or _BAD_CREDENTIALS.search(told.all):
        return Unauthorized(
            f"xAI refused the login ({words}); run `gateway login grok` if it goes on",
            code=told.slug,
        )
    if status == 426:
        return InvalidRequest(
            f"{words}: set `client_version` in [providers.grok] to the current version of Grok's "
            'CLI, or `rail = "api"`',
            code="client_outdated",
        )
    if status in (402, 403, 429) and (found := _by_account(status, told, rail, retry_after)):
        return found
    if status in (400, 413, 422, 500) and (found := _by_words(told)):
        return found
    if status == 404:
        if _NO_MODEL.search(words) or told.slug == "model_not_found":
            return ModelNotFound(f"{words}; see `gateway models --provider grok`", param="model")
        return NotFound(words, code=told.slug)
    if status == 413:
        return TooLarge(words)
    if status == 429:
        return RateLimited(words, retry_after=retry_after, code=told.slug)
    if told.slug in _OVERLOADED or status == 530:
        return Overloaded(words, retry_after=retry_after, code=told.slug)
    if status in (408, 409):
        return UpstreamFailed(words, retry_after=retry_after, code=told.slug)
    return by_status(status, words, retry_after=retry_after, code=told.slug)


def _by_account(
    status: int, told: Told, rail: Rail, retry_after: float | None
) -> GatewayError | None:
    """What an account may not do, and why, in words that say what helps."""
    words = told.words or told.slug or f"status {status}"
    if _USED_UP.search(told.all):
        return QuotaExhausted(
            f"{words}; the free allowance comes back within 24 hours, a SuperGrok plan has more",
            retry_after=retry_after if retry_after is not None else _DAY,
            code=told.slug,
        )
    if _SPENT.search(told.all) or status == 402:
        if rail == "api":
            return Forbidden(
                f"the public API of xAI is not open to this subscription without API credit "
                f'({words}); leave `rail` in [providers.grok] at "auto" or set it to "proxy"',
                code=told.slug,
            )
        return QuotaExhausted(
            f"the plan's credits are used up ({words}); see `gateway status grok`",
            retry_after=retry_after,
            code=told.slug,
        )
    if status != 403:
        return None
    if told.slug is not None and _TIER.match(told.slug):
        return Forbidden(f"this plan does not include that: {words}", code=told.slug)
    if _NO_PLAN.search(words):
        return Forbidden(f"{words}; subscribe at https://grok.com, then try again", code=told.slug)
    if _DENIED.search(told.all):
        return Forbidden(
            f"{words}: this login may not use {_HOSTS[rail]}; which plans may is up to xAI. "
            "Run `gateway login grok` again if it is an old login, whose permissions are fewer",
            code=told.slug,
        )
    return Forbidden(words, code=told.slug)


_HOSTS: Final[Mapping[Rail, str]] = {
    "api": "the public API of xAI",
    "proxy": "the service behind Grok's CLI",
}


def _by_words(told: Told) -> GatewayError | None:
    """What is wrong with a request that no slug of its own exists for."""
    words = told.words or told.slug or "the request is not valid"
    if _OVERFLOW.search(told.all):
        return ContextOverflow(words, code="context_length_exceeded")
    if _BAD_IMAGE.search(told.all):
        return InvalidRequest(f"xAI could not read an image: {words}", code="invalid_image")
    if "encrypted_content" in told.all:
        return InvalidRequest(words, code="invalid_encrypted_content")
    return None


def _by_slug(told: Told) -> GatewayError | None:
    """An error inside a stream that has no status."""
    if _USED_UP.search(told.all) or _SPENT.search(told.all):
        return _by_account(429, told, "proxy", None)
    if _BAD_CREDENTIALS.search(told.all):
        return Unauthorized(
            f"xAI refused the login ({told.words}); run `gateway login grok` if it goes on",
            code=told.slug,
        )
    if told.slug in _OVERLOADED:
        return Overloaded(told.words or "xAI is overloaded", code=told.slug)
    if told.slug in ("invalid-argument", "invalid_request_error"):
        return InvalidRequest(told.words, code=told.slug)
    return None


def _page_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """A page of the edge in place of an API answer."""
    title = _TITLE.search(body[:20_000])
    page = "a web page" + (f" ({title[1].decode('utf-8', 'replace')!r})" if title else "")
    if ray := headers.get("cf-ray"):
        page += f", cf-ray {ray}"
    if status == 403:
        return Forbidden(
            f"the edge of xAI turned the request away with {page}; try again later or from another "
            "network (data centres are often refused)"
        )
    if status in (401, 429):
        return by_status(status, f"xAI answered with {page}", retry_after=retry_after_in(headers))
    if status in (408, 504):
        return UpstreamTimeout(f"xAI answered with {page}")
    return UpstreamFailed(f"xAI answered with status {status} and {page}")


def _final(error: GatewayError) -> GatewayError:
    if not error.retryable:
        return error
    cls = _FinalOverload if isinstance(error, Overloaded) else _FinalFailure
    return cls(
        error.message, retry_after=error.retry_after, code=error.code, upstream=error.upstream
    )


@functools.cache
def _repeated(kind: ErrorKind) -> type[GatewayError]:
    """An error of this kind that the upstream asks to be repeated nevertheless."""
    plain = ERROR_CLASSES[kind]
    return type(plain.__name__, (plain,), {"retryable": True, "__doc__": plain.__doc__})


def _request_id(body: bytes) -> str | None:
    try:
        value = loads(body)
    except ValueError:
        return None
    id = value.get("request_id") if isinstance(value, dict) else None
    return id if isinstance(id, str) else None
