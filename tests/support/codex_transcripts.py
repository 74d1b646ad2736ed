"""The scripts whose performances are kept as transcripts in `codex/transcripts`, by file name."""

from base64 import urlsafe_b64encode

from gateway_core.json import JsonObject, dumps
from simulators.codex.backend import limits_of
from simulators.codex.events import Act, Answering, perform
from simulators.codex.faults import http_fault
from simulators.codex.script import parse_script
from simulators.codex.state import Account
from support.codex_logins import ACCOUNT_ID

__all__ = ["ANSWERS", "ERRORS", "performed", "refused"]

_NOW = 1_700_000_000
_WEATHER = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}
_SCRIPT_TOOL = {"type": "custom", "name": "run_script"}
_ASKED: JsonObject = {
    "model": "gpt-5.5",
    "input": [],
    "tools": [_WEATHER, _SCRIPT_TOOL],
    "reasoning": {"effort": "medium", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
}

ANSWERS = {
    "text.sse": "text: Grüße, 世界!\\n\\nThat is all.\nusage: input=1200 cached=1000 output=40",
    "thinking.sse": "think: They ask for little.\ntext: Here it is.\n"
    "usage: input=90 cached=40 output=40 reasoning=8",
    "thinking-alone.sse": "think: Nothing needs to be said.\n"
    "usage: input=9 cached=0 output=8 reasoning=8",
    "commentary.sse": "commentary: I look first.\nfinal: There it is.",
    "refusal.sse": "refusal: I will not.",
    "tool-call.sse": 'think: I must look.\ntool: get_weather {"city": "Zürich"}',
    "tool-calls-parallel.sse": "shape: interleave empty-output\n"
    'tool: get_weather {"city":"Paris"}\ntool: get_weather {"city":"Oslo"}',
    "tool-call-custom.sse": "tool: run_script echo hello",
    "search.sse": "search: best pelicans\ntext: Found two.",
    "image.sse": "image: partials=2",
    "items-without-deltas.sse": "shape: no-deltas unknown\nthink: Hm.\ntext: All at once.",
    "items-at-the-end.sse": "shape: no-done null-ids\ntext: Late, but here.",
    "crlf.sse": "shape: crlf null-details\nlimits:\ntext: Lines end otherwise.",
    "keepalive.sse": "keepalive: 3\ntext: It took a while.",
    "stop-length.sse": "text: cut off in the mid\nstop: max_output_tokens",
    "error-overloaded.sse": "text: half\nfail: server_is_overloaded",
    "error-context.sse": "fail: context_length_exceeded form=error",
    "error-rate-limited.sse": "think: Hm.\nfail: rate_limit_exceeded form=failed",
    "limit-reached.sse": "limits: reached\ncut:",
    "cut.sse": "text: no end\ncut:",
}
ERRORS = {
    "error-429-plan.json": "http: 429 usage_limit_reached",
    "error-429.json": "http: 429 rate_limit_exceeded retry=1.2",
    "error-401.json": "http: 401 token_expired",
    "error-400-context.json": "http: 400 context_length_exceeded",
    "error-400-model.json": "http: 400 detail",
    "error-403-challenge.html": "http: 403 html",
    "error-503.json": "http: 503 server_is_overloaded",
    "error-500.txt": "http: 500 empty",
}


def performed(script: str) -> bytes:
    """The bytes of the backend's answer to a script."""
    (section,) = parse_script(script)
    answering = Answering(
        body=_ASKED,
        number=1,
        seal=lambda item: "gAAAA" + urlsafe_b64encode(item.encode()).decode(),
        input_tokens=100,
        cached=40,
        limits=limits_of(Account(ACCOUNT_ID), _NOW),
        now=_NOW,
        shapes=frozenset(shape for step in section.steps for shape in step.get("shapes", ())),
    )
    ends = b"\r\n" if "crlf" in answering.shapes else b"\n"
    lines: list[bytes] = []
    for output in perform(section.steps, answering):
        if not isinstance(output, Act):
            kind = str(output["type"]).encode()
            lines += (b"event: " + kind, b"data: " + dumps(output), b"")
    return b"".join(line + ends for line in lines)


def refused(script: str) -> tuple[int, bytes]:
    """Status and body of the backend's error for a script."""
    (section,) = parse_script(script)
    answer = http_fault(section.steps[0], Account(ACCOUNT_ID), _NOW)
    return answer.status, answer.body
