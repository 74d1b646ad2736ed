"""Answers that are no stream of events: error bodies, challenge pages, and what each code says."""

import json
from dataclasses import dataclass, field
from typing import Final

from gateway_core.json import JsonObject, dumps
from simulators.codex.state import Account

__all__ = ["HttpAnswer", "failure_message", "failure_type", "http_fault"]

_MESSAGES: Final = {
    "context_length_exceeded": (
        "Your input exceeds the context window of this model. Please adjust your input and try "
        "again."
    ),
    "rate_limit_exceeded": (
        "Rate limit reached for gpt-5.5 in organization org-1 on tokens per min (TPM): Limit "
        "30000, Used 22999, Requested 12528. Please try again in {retry}s."
    ),
    "usage_limit_reached": "The usage limit has been reached",
    "usage_not_included": "To use Codex with your ChatGPT plan, upgrade to Plus.",
    "insufficient_quota": "You exceeded your current quota, please check your plan.",
    "invalid_prompt": "Invalid prompt: we've limited access to this content for safety reasons.",
    "cyber_policy": "",
    "server_is_overloaded": "Our servers are currently overloaded. Please try again later.",
    "slow_down": "Please slow down.",
    "server_error": "An error occurred while processing your request.",
    "invalid_encrypted_content": "The encrypted content could not be verified.",
    "invalid_image": "The image data you provided does not represent a valid image.",
    "model_not_found": "Model not found gpt-5.5",
    "token_expired": "Provided authentication token is expired. Please try signing in again.",
    "at_capacity": "Selected model is at capacity. Please try a different model.",
}
_TYPES: Final = {
    "context_length_exceeded": "invalid_request_error",
    "rate_limit_exceeded": "rate_limit_error",
    "usage_limit_reached": "usage_limit_reached",
    "usage_not_included": "usage_not_included",
    "insufficient_quota": "insufficient_quota",
    "invalid_prompt": "invalid_request_error",
    "cyber_policy": "invalid_request_error",
    "server_is_overloaded": "service_unavailable_error",
    "slow_down": "service_unavailable_error",
    "token_expired": "authentication_error",
}
_CHALLENGE: Final = (
    "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body><h1>chatgpt.com</h1>"
    "<p>Checking your browser before accessing. Enable JavaScript and cookies to continue</p>"
    + "<script>challenge()</script>" * 200
    + "</body></html>"
)


@dataclass(slots=True, frozen=True)
class HttpAnswer:
    """A whole answer. `headers` besides those that each answer has."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def failure_message(code: str, retry: float = 1.2) -> str:
    """What the backend says with an error code."""
    return _MESSAGES.get(code, f"Something happened: {code}.").format(retry=retry)


def failure_type(code: str) -> str:
    """The error type that comes with a code."""
    return _TYPES.get(code, "server_error")


def http_fault(step: JsonObject, account: Account, now: float) -> HttpAnswer:
    """The answer of an `http` step.

    Codes with a body of their own: `html` (a challenge page), `empty`, `usage_limit_reached`,
    `usage_not_included`, `detail` (an unsupported model), `unsigned` (an error that is a text).
    """
    status, code, retry = step["status"], step["code"], step["retry"]
    headers = {"retry-after": f"{retry:g}"} if retry else {}
    match code:
        case "html":
            challenge = {"cf-mitigated": "challenge", "server": "cloudflare"}
            return HttpAnswer(status, _CHALLENGE.encode(), "text/html; charset=UTF-8", challenge)
        case "empty":
            return HttpAnswer(status, b"", "text/plain", headers)
        case "detail":
            message = (
                "The 'gpt-4.1' model is not supported when using Codex with a ChatGPT account."
            )
            return HttpAnswer(status, dumps({"detail": message}), headers=headers)
        case "usage_limit_reached":
            window = account.primary
            seconds = window.reset_after if window else 9000
            error: JsonObject = {"type": code, "message": failure_message(code)}
            error |= {"plan_type": account.plan, "resets_at": int(now) + seconds}
            error |= {"eligible_promo": None, "resets_in_seconds": seconds}
            return HttpAnswer(status, dumps({"error": error}), headers=headers)
        case "usage_not_included":
            error = {"type": code, "message": failure_message(code), "plan_type": account.plan}
            return HttpAnswer(status, dumps({"error": error}), headers=headers)
        case "unsigned":
            return HttpAnswer(status, json.dumps({"error": "no"}).encode(), headers=headers)
    error = {
        "message": failure_message(code, retry or 1.2),
        "type": failure_type(code),
        "param": None,
        "code": code or None,
    }
    return HttpAnswer(status, dumps({"error": error}), headers=headers)
