"""What xAI does with a request for a response, without HTTP: who asks, whether it may, what it
gets.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway_core.json import JsonObject, dumps
from simulators.codex.cache import Lookup, PromptCache
from simulators.grok.catalogue import resolve
from simulators.grok.events import Answering
from simulators.grok.faults import HttpAnswer, http_fault, refusal, unauthorized
from simulators.grok.problem import Problem, Rail, not_supported
from simulators.grok.script import Section, find_prompt, for_attempt, parse_script, steps_for
from simulators.grok.state import Account, GrokState, TokenRefused
from simulators.grok.validate_items import pair_problems
from simulators.grok.validation import (
    body_problems,
    compact_problems,
    header_problems,
    version_of,
)

__all__ = ["Backend", "Recorded", "Refused"]


class Refused(Exception):
    """The request gets this answer instead of one by the model."""

    def __init__(self, answer: HttpAnswer) -> None:
        self.answer = answer
        super().__init__(f"status {answer.status}")


@dataclass(slots=True)
class Recorded:
    """One request: what came, what was thought of it. Header names are lower case.

    items: the input, after those of the stored responses that it goes on from. turn: answers since
    `prompt`, from 0. attempt: of that turn, from 1. status: of the answer. violations: all that a
    careful client would not have sent. cache: None when it was refused.
    """

    rail: Rail
    method: str
    path: str
    headers: dict[str, str]
    body: JsonObject
    items: list[JsonObject] = field(default_factory=list)
    prompt: str = ""
    turn: int = 0
    attempt: int = 0
    status: int = 0
    violations: list[str] = field(default_factory=list)
    cache: Lookup | None = None

    def of_type(self, *kinds: str) -> list[JsonObject]:
        """The items of these types."""
        return [item for item in self.items if item.get("type") in kinds]


@dataclass(slots=True)
class Backend:
    """The logic of both rails. `requests` are all requests for models, accounts and pictures.

    script: what the model answers; without words for a turn it says that the script is over.
    bad_credentials: whether a refused token is a 403 with a slug instead of a 401.
    """

    state: GrokState
    script: list[Section] = field(default_factory=list)
    requests: list[Recorded] = field(default_factory=list)
    cache: PromptCache = field(default_factory=PromptCache)
    attempts: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    bad_credentials: bool = False

    def play(self, script: str) -> None:
        """From now on answer by this script."""
        self.script = parse_script(script)

    def receive(
        self,
        request: Recorded,
        accept: str | None = None,
        more: Callable[[Account], Iterable[Problem]] = lambda account: (),
    ) -> Account:
        """Take any request in, by its headers. Raises `Refused`; whatever happens, it is recorded.

        accept: the type of the answer to a request with a body. more: what else is wrong.
        """
        self.requests.append(request)
        with _noting_refusals(request):
            account, scope = self._authorise(request)
            found = header_problems(request.headers, request.rail, accept)
            self._blame(request, [*found, *more(account)])
            self._check_rail(request, account, scope)
        request.status = 200
        return account

    def receive_turn(self, request: Recorded) -> Account:
        """Take a request for a response in, or one for a compaction. Raises `Refused`."""
        compact = request.path.endswith("/compact")

        def problems(account: Account) -> Iterable[Problem]:
            if compact:
                return compact_problems(request.body, self.state.models)
            return self._turn_problems(request, account)

        whole = compact or request.body.get("stream") is False
        accept = "application/json" if whole else "text/event-stream"
        account = self.receive(request, accept, problems)
        with _noting_refusals(request):
            request.items = self._conversation(request, account)
            self._blame(request, [*pair_problems(request.items), *self._foreign(request, account)])
            if found := self._fateful(request, account):
                raise Refused(HttpAnswer(found[0].status, dumps(found[0].body(request.rail))))
        return account

    def plan(self, request: Recorded, account: Account) -> tuple[list[JsonObject], Answering]:
        """What to answer. Raises `Refused` when the script has an HTTP answer for the turn."""
        request.prompt, request.turn = find_prompt(request.items)
        key = (self._session_of(request), request.prompt, request.turn)
        self.attempts[key] += 1
        request.attempt = self.attempts[key]
        steps = self._steps(request)
        for step in steps:
            if step["do"] == "http":
                request.status = step["status"]
                raise Refused(http_fault(step))
            if step["do"] == "json":
                raise Refused(HttpAnswer(200, refusal(200, step["code"]).body))
        body = {**request.body, "input": request.items}
        request.cache = self.cache.look_up(account.id, body)
        facts = resolve(self.state.models, body["model"])
        assert facts is not None  # a request for another was refused
        if request.cache.total > facts.window:
            request.status = 400
            raise Refused(refusal(400, "context_length_exceeded"))
        shapes = [shape for step in steps for shape in step.get("shapes", ())]
        return steps, Answering(
            body=request.body,
            model=f"{facts.id}-build" if request.rail == "proxy" else facts.id,
            number=next(self.numbers),
            seal=lambda item_id: self.state.seal(account.id, item_id),
            issue=lambda item_id: self.state.issue(account.id, item_id),
            input_tokens=request.cache.total,
            cached=request.cache.cached,
            now=int(self.state.now()),
            finished=lambda response: self._finished(request, account, response),
            shapes=frozenset(shapes),
        )

    def _steps(self, request: Recorded) -> list[JsonObject]:
        found = steps_for(self.script, request.prompt, request.turn)
        if found is None:
            found = [{"do": "text", "text": "That was the whole script."}]
        steps = for_attempt(found, request.attempt)
        searched = False
        for position, step in enumerate(steps):
            searched = searched or step["do"] in ("search", "x-search")
            if searched and step["do"] == "text":
                steps[position] = {**step, "cited": True}
        return steps

    def _finished(self, request: Recorded, account: Account, response: JsonObject) -> None:
        if request.body.get("store", True):
            output: list[JsonObject] = response["output"]
            self.state.keep(account.id, response, [*request.items, *output])

    def _authorise(self, request: Recorded) -> tuple[Account, str]:
        token = request.headers.get("authorization", "")
        if not token.startswith("Bearer "):
            request.violations.append("header authorization: a bearer token is required")
        try:
            return self.state.account_of(token.removeprefix("Bearer "))
        except TokenRefused as error:
            if self.bad_credentials:
                raise Refused(refusal(403, "bad-credentials")) from error
            raise Refused(unauthorized(request.rail)) from error

    def _check_rail(self, request: Recorded, account: Account, scope: str) -> None:
        """What a rail says to this account, of which the client knows nothing before it asks."""
        answering = request.path.startswith(("/responses", "/images"))
        if request.rail == "api":
            if account.api == "no-credit":
                raise Refused(refusal(402 if answering else 403, "spending-limit"))
            if account.api == "denied":
                raise Refused(refusal(403, "permission-denied"))
            return
        version = version_of(request.headers)
        if version is not None and version < self.state.minimal_version:
            raise Refused(refusal(426, "outdated"))
        if not answering:
            return
        permitted = not self.state.needs_conversations or "conversations:read" in scope
        if account.proxy == "denied" or not permitted:
            raise Refused(refusal(403, "permission-denied"))
        if account.proxy == "used-up":
            raise Refused(refusal(429, "free-usage"))
        if account.proxy == "spent":
            raise Refused(refusal(403, "spending-limit"))

    def _turn_problems(self, request: Recorded, account: Account) -> list[Problem]:
        body = request.body
        found = list(body_problems(body, request.rail, request.headers, self.state.models))
        facts = resolve(self.state.models, body.get("model"))
        if facts is not None and facts.paid and account.tier == 0:
            found.append(Problem(f"The model {facts.id} is not available for your team.", 404))
        return found

    def _conversation(self, request: Recorded, account: Account) -> list[JsonObject]:
        """All items up to the answer. Raises `Refused` for a response that is not there."""
        given = request.body["input"]
        items: list[Any] = given
        if isinstance(given, str):
            items = [{"type": "message", "role": "user", "content": given}]
        previous = request.body.get("previous_response_id")
        if previous is None:
            return items
        stored = self.state.find(account.id, previous)
        if stored is None:
            raise Refused(
                HttpAnswer(404, dumps(Problem(f"Response {previous} not found").body("api")))
            )
        return [*stored.items, *items]

    def _foreign(self, request: Recorded, account: Account) -> list[Problem]:
        """Items that say they are xAI's own and are not this account's."""
        found = []
        given = request.body["input"]
        for item in given if isinstance(given, list) else ():
            id, blob = item.get("id"), item.get("encrypted_content")
            if blob is not None:
                problem = self.state.seal_problem(account.id, blob, id, lost=False)
                found += [problem] if problem is not None else []
            elif id is not None and not self.state.issued(account.id, id):
                found.append(Problem(f"Item with id {id!r} was never sent to you"))
        return found

    def _fateful(self, request: Recorded, account: Account) -> list[Problem]:
        """What is refused through no fault of the client."""
        body = request.body
        found = []
        if request.rail == "api":
            found = [not_supported(key) for key in self.state.not_taken if key in body]
        if account.no_logs and body.get("store") is not False:
            found.append(Problem("Teams that keep no data cannot use `store`."))
        for item in request.of_type("reasoning", "compaction"):
            if (blob := item.get("encrypted_content")) is not None:
                problem = self.state.seal_problem(account.id, blob, item.get("id"), lost=True)
                found += [problem] if problem is not None else []
        return found

    def _blame(self, request: Recorded, found: list[Problem]) -> None:
        """Answer with the first problem, and blame the client for all. Raises `Refused`."""
        request.violations += [str(problem) for problem in found]
        if found:
            raise Refused(HttpAnswer(found[0].status, dumps(found[0].body(request.rail))))

    def _session_of(self, request: Recorded) -> str:
        named: Mapping[str, str] = request.headers
        return named.get("x-grok-conv-id") or str(request.body.get("prompt_cache_key", ""))


@contextmanager
def _noting_refusals(request: Recorded) -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        request.status = refused.answer.status
        raise
