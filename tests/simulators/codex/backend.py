"""What the backend does with a request, without HTTP: who asks, whether it may, what it gets."""

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway_core.json import JsonObject, dumps
from simulators.codex.cache import Lookup, PromptCache
from simulators.codex.events import Answering
from simulators.codex.faults import HttpAnswer, http_fault
from simulators.codex.problem import Problem
from simulators.codex.script import Section, find_prompt, for_attempt, parse_script, steps_for
from simulators.codex.state import Account, BackendState, TokenRefused, Window
from simulators.codex.validation import LITE_HEADER, header_problems, problems

__all__ = ["Backend", "Recorded", "Refused", "limit_headers", "limits_of"]

_SESSION_HEADERS = ("session-id", "session_id", "thread-id", "conversation_id")


class Refused(Exception):
    """The request gets this answer instead of one by the model."""

    def __init__(self, answer: HttpAnswer) -> None:
        self.answer = answer
        super().__init__(f"status {answer.status}")


@dataclass(slots=True)
class Recorded:
    """One request: what came, what was thought of it. Header names are lower case.

    turn: answers since `prompt`, from 0. attempt: of that turn, from 1. status: of the answer.
    violations: all that a careful client would not have sent. cache: None when it was refused.
    """

    path: str
    headers: dict[str, str]
    body: JsonObject
    session: str = ""
    prompt: str = ""
    turn: int = 0
    attempt: int = 0
    status: int = 0
    violations: list[str] = field(default_factory=list)
    cache: Lookup | None = None

    @property
    def items(self) -> list[JsonObject]:
        """The input items."""
        items: list[JsonObject] = self.body["input"]
        return items

    @property
    def lite(self) -> bool:
        """Whether it came in the Responses Lite lane."""
        return self.headers.get(LITE_HEADER) == "true"

    def of_type(self, *kinds: str) -> list[JsonObject]:
        """The input items of these types."""
        return [item for item in self.items if item.get("type") in kinds]


@dataclass(slots=True)
class Backend:
    """The logic of the simulator. `requests` are all requests with a body, oldest first.

    script: what the model answers; without words for a turn it says that the script is over.
    """

    state: BackendState
    script: list[Section] = field(default_factory=list)
    requests: list[Recorded] = field(default_factory=list)
    cache: PromptCache = field(default_factory=PromptCache)
    attempts: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def play(self, script: str) -> None:
        """From now on answer by this script."""
        self.script = parse_script(script)

    def authorise(self, headers: Mapping[str, str]) -> Account:
        """Who asks. Raises `Refused` with 401 or 403."""
        token = headers.get("authorization", "").removeprefix("Bearer ")
        try:
            account = self.state.account_of(token)
        except TokenRefused as error:
            refusal = {"x-openai-authorization-error": error.code}
            raise Refused(HttpAnswer(error.status, dumps(error.body()), headers=refusal)) from error
        if headers.get("chatgpt-account-id") != account.id:
            problem = Problem("The account of the request is not the token's", "account", "account")
            raise Refused(HttpAnswer(403, dumps(problem.body())))
        if account.deactivated:
            problem = Problem("Your account was deactivated.", None, "account_deactivated")
            raise Refused(HttpAnswer(403, dumps(problem.body())))
        return account

    def receive(
        self, path: str, headers: dict[str, str], body: JsonObject, *, compact: bool = False
    ) -> tuple[Recorded, Account]:
        """Take a request in. Raises `Refused`; whatever happens, it is recorded."""
        request = Recorded(path, headers, body)
        self.requests.append(request)
        try:
            account = self.authorise(headers)
            found = problems(headers, body, models=self.state.models, compact=compact)
            found += self._account_problems(account, body)
            request.violations = [str(problem) for problem in found]
            if not found:
                found = self._lost_seals(account, body)
            if found:
                raise Refused(HttpAnswer(found[0].status, dumps(found[0].body())))
            if account.limit_reached and account.credits is None and not account.unlimited:
                step = {"status": 429, "code": "usage_limit_reached", "retry": 0.0}
                raise Refused(http_fault(step, account, self.state.now()))
        except Refused as refusal:
            request.status = refusal.answer.status
            raise
        request.status = 200
        request.session = self._session_of(request)
        return request, account

    def receive_plain(self, path: str, headers: dict[str, str], body: JsonObject) -> Account:
        """Take in a request that is not for the Responses API, such as for an image."""
        request = Recorded(path, headers, body)
        self.requests.append(request)
        try:
            account = self.authorise(headers)
            found = list(header_problems(headers, "application/json"))
            request.violations = [str(problem) for problem in found]
            if found:
                raise Refused(HttpAnswer(found[0].status, dumps(found[0].body())))
        except Refused as refusal:
            request.status = refusal.answer.status
            raise
        request.status = 200
        return account

    def plan(self, request: Recorded, account: Account) -> tuple[list[JsonObject], Answering]:
        """What to answer. Raises `Refused` when the script has an HTTP error for the turn."""
        request.prompt, request.turn = find_prompt(request.items)
        key = (request.session, request.prompt, request.turn)
        self.attempts[key] += 1
        request.attempt = self.attempts[key]
        steps = self._steps(request)
        fault = next((step for step in steps if step["do"] == "http"), None)
        if fault is not None:
            request.status = fault["status"]
            raise Refused(http_fault(fault, account, self.state.now()))
        request.cache = self.cache.look_up(account.id, request.body)
        if request.cache.total > self.state.models[request.body["model"]].window:
            steps = [{"do": "fail", "code": "context_length_exceeded", "form": "both"}]
            steps[0]["message"] = ""
        shapes = [shape for step in steps for shape in step.get("shapes", ())]
        return steps, Answering(
            body=request.body,
            number=next(self.numbers),
            seal=lambda item_id: self.state.seal(account.id, item_id),
            input_tokens=request.cache.total,
            cached=request.cache.cached,
            limits=limits_of(account, self.state.now()),
            now=int(self.state.now()),
            shapes=frozenset(shapes),
        )

    def _steps(self, request: Recorded) -> list[JsonObject]:
        found = steps_for(self.script, request.prompt, request.turn)
        if request.items[-1].get("type") == "compaction_trigger":
            found = [{"do": "compaction"}]
        if found is None:
            found = [{"do": "text", "text": "That was the whole script."}]
        steps = for_attempt(found, request.attempt)
        cited = False
        for position, step in enumerate(steps):
            cited = cited or step["do"] == "search"
            if cited and step["do"] == "text":
                steps[position] = {**step, "citations": ["https://example.com/found"]}
        return steps

    def _account_problems(self, account: Account, body: JsonObject) -> list[Problem]:
        """What this account may not ask for, above all with reasoning that is not its own."""
        found = [
            problem
            for blob in _sealed(body)
            if not self.state.unreadable(blob)
            and (problem := self.state.seal_problem(account.id, blob))
        ]
        facts = self.state.models.get(str(body.get("model")))
        if facts is not None and account.plan not in facts.plans:
            message = (
                f"The '{facts.slug}' model is not supported when using Codex with a ChatGPT "
                "account."
            )
            found.append(Problem(message))
        return found

    def _lost_seals(self, account: Account, body: JsonObject) -> list[Problem]:
        """Reasoning that cannot be read any more, which is no fault of the client."""
        lost = (self.state.seal_problem(account.id, blob) for blob in _sealed(body))
        return [problem for problem in lost if problem is not None]

    def _session_of(self, request: Recorded) -> str:
        given = (request.headers[name] for name in _SESSION_HEADERS if name in request.headers)
        return next(given, str(request.body.get("prompt_cache_key", "")))


def _sealed(body: JsonObject) -> list[str]:
    """All encrypted content of a request."""
    items = body.get("input")
    blobs = (
        item.get("encrypted_content")
        for item in (items if isinstance(items, list) else ())
        if isinstance(item, dict)
    )
    return [blob for blob in blobs if isinstance(blob, str)]


def limits_of(account: Account, now: float) -> JsonObject:
    """The private event that tells of the rate limits."""

    def window(value: Window | None) -> JsonObject | None:
        if value is None:
            return None
        return {
            "used_percent": value.used,
            "window_minutes": value.minutes,
            "reset_after_seconds": value.reset_after,
            "reset_at": int(now) + value.reset_after,
        }

    return {
        "type": "codex.rate_limits",
        "plan_type": account.plan,
        "rate_limits": {
            "allowed": not account.limit_reached,
            "limit_reached": account.limit_reached,
            "primary": window(account.primary),
            "secondary": window(account.secondary),
        },
        "credits": {
            "has_credits": account.credits is not None,
            "unlimited": account.unlimited,
            "balance": account.credits,
        },
        "metered_limit_name": "codex",
        "limit_name": None,
    }


def limit_headers(account: Account, now: float) -> dict[str, str]:
    """The same as headers of an answer."""
    headers = {
        "x-codex-plan-type": account.plan,
        "x-codex-active-limit": "premium",
        "x-codex-primary-over-secondary-limit-percent": "0",
        "x-codex-credits-has-credits": str(account.credits is not None),
        "x-codex-credits-unlimited": str(account.unlimited),
        "x-codex-credits-balance": account.credits or "",
    }
    for name, window in (("primary", account.primary), ("secondary", account.secondary)):
        if window is not None:
            headers |= {
                f"x-codex-{name}-used-percent": f"{window.used:g}",
                f"x-codex-{name}-window-minutes": str(window.minutes),
                f"x-codex-{name}-reset-after-seconds": str(window.reset_after),
                f"x-codex-{name}-reset-at": str(int(now) + window.reset_after),
            }
    return headers
