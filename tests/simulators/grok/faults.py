"""Answers that are no stream of events: what xAI says with each status, in all of its shapes."""

import json
from dataclasses import dataclass, field
from typing import Final

from gateway_core.json import JsonObject, dumps
from simulators.grok.problem import Rail

__all__ = ["HttpAnswer", "failure_message", "http_fault", "refusal", "unauthorized"]

_MESSAGES: Final = {
    "bad-credentials": "The OAuth2 access token could not be validated.",
    "permission-denied": (
        "Access to the chat endpoint is denied. Please ensure you're using the correct credentials."
    ),
    "no-plan": "Using this service requires a Grok subscription.",
    "spending-limit": (
        "Your team has either used all available credits or reached its monthly spending limit."
    ),
    "tier": "Your subscription does not include image generation.",
    "no-model": "The model grok-9 does not exist or your team does not have access to it.",
    "outdated": "Your Grok CLI version (1.0.6) is outdated. Please run `grok update`.",
    "free-usage": (
        "You have used your included free usage for the rolling 24-hour window. tokens "
        "(actual/limit): 101234/100000"
    ),
    "rate-limit": "Too many requests, please slow down.",
    "overloaded_error": "The service is currently overloaded. Please try again.",
    "service_unavailable_error": "The service is temporarily unavailable.",
    "server_error": "An internal error happened.",
    "rate_limit_exceeded": "Too many requests for this model, please slow down.",
    "context_length_exceeded": (
        "This model's maximum prompt length is 500000 but the request contains 700000 tokens."
    ),
    "invalid_image": "could-not-process-image: the image data is invalid.",
    "encrypted": "Could not decrypt the provided encrypted_content.",
    "argument": "Argument not supported on this model: temperature",
    "moderated": "The content was refused for safety reasons.",
}
_SLUGS: Final = {
    "bad-credentials": "unauthenticated:bad-credentials",
    "permission-denied": "permission-denied",
    "spending-limit": "personal-team-blocked:spending-limit",
    "tier": "subscription:no-image-quota",
    "free-usage": "subscription:free-usage-exhausted",
    "overloaded_error": "overloaded_error",
    "service_unavailable_error": "service_unavailable_error",
    "argument": "invalid-argument",
    "context_length_exceeded": "invalid-argument",
    "no-model": "Some requested entity was not found",
}
_PAGE: Final = (
    "<!DOCTYPE html><html><head><title>api.x.ai | 502: Bad gateway</title></head><body>"
    + "<p>Bad gateway</p>" * 200
    + "</body></html>"
)


@dataclass(slots=True, frozen=True)
class HttpAnswer:
    """A whole answer. `headers` besides those that each answer has."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def failure_message(code: str) -> str:
    """What xAI says with an error code."""
    return _MESSAGES.get(code, f"Something happened: {code}.")


def refusal(status: int, code: str, **headers: str) -> HttpAnswer:
    """A flat error body by a name from our table."""
    body: JsonObject = {"error": failure_message(code)}
    if code in _SLUGS:
        body = {"code": _SLUGS[code], **body}
    return HttpAnswer(status, dumps(body), headers=headers)


def unauthorized(rail: Rail) -> HttpAnswer:
    """The access token is refused."""
    if rail == "proxy":
        return HttpAnswer(
            401, dumps({"error": "Invalid or expired credentials (auth_kind=bearer)"})
        )
    return HttpAnswer(401, dumps({"code": "unauthenticated", "error": "No credentials"}))


def http_fault(step: JsonObject) -> HttpAnswer:
    """The answer of an `http` step: a code from the table in the shape that the step names.

    Shapes: `flat`, `nested` (as of chat completions), `string`, `detail`, `marker` (the slug at the
    end of the words), `encoded` (JSON within a string), `traced` (with a request id), `html`,
    `empty`.
    """
    status, code, shape = step["status"], step["code"], step["shape"]
    headers: dict[str, str] = {"retry-after": f"{step['retry']:g}"} if step["retry"] else {}
    if step["again"]:
        headers["x-should-retry"] = step["again"]
    message, slug = failure_message(code), _SLUGS.get(code)
    body: object = {"code": slug or "Something else than a slug", "error": message}
    match shape:
        case "html":
            page = {"server": "cloudflare", "cf-ray": "91c2f0-RIX"}
            return HttpAnswer(status, _PAGE.encode(), "text/html; charset=UTF-8", headers | page)
        case "empty":
            return HttpAnswer(status, b"", "text/plain", headers)
        case "nested":
            body = {"error": {"message": message, "type": "error", "code": slug, "param": None}}
        case "string":
            body = message
        case "detail":
            body = {"detail": message}
        case "marker":
            body = {"code": status, "error": f"{message} [WKE={slug}]"}
        case "encoded":
            body = {"error": json.dumps({"code": slug, "error": message})}
        case "traced":
            body = {"error": message, "request_id": "4d2c7a10-0000-4000-8000-00000000abcd"}
    return HttpAnswer(status, json.dumps(body).encode(), headers=headers)
