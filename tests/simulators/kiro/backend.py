"""What the service does with a request, without HTTP: who asks, whether it may, what it gets."""

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from gateway_core.json import JsonObject, dumps
from simulators.kiro.events import Answering
from simulators.kiro.faults import Refused, http_fault, refusal
from simulators.kiro.problem import Problem
from simulators.kiro.script import Section, find_prompt, for_attempt, parse_script, steps_for
from simulators.kiro.state import Account, KiroState, TokenRefused
from simulators.kiro.transport import (
    PROFILE_HEADER,
    Host,
    header_problems,
    origin_problems,
    profile_problems,
)
from simulators.kiro.validation import body_problems, image_bytes, messages_of, tokens_of

__all__ = ["Backend", "Recorded"]

_TAGS = "<thinking_mode>enabled</thinking_mode>"


@dataclass(slots=True)
class Recorded:
    """One request: what came, what was thought of it. Header names are lower case; `body` holds
    the query where there is no body.

    turn: answers since `prompt`, from 0. attempt: of that turn, from 1. status: of the answer.
    violations: all that a careful client would not have sent.
    """

    host: Host
    region: str
    operation: str
    headers: dict[str, str]
    body: JsonObject
    target: bool = False
    prompt: str = ""
    turn: int = 0
    attempt: int = 0
    status: int = 0
    violations: list[str] = field(default_factory=list)

    @property
    def messages(self) -> list[JsonObject]:
        """History and current message, without their wrappers."""
        return [next(iter(message.values())) for message in messages_of(self.body)]

    @property
    def tools(self) -> list[str]:
        """The names of the tools that are offered."""
        context = self.messages[-1].get("userInputMessageContext", {})
        return [tool["toolSpecification"]["name"] for tool in context.get("tools", ())]

    @property
    def results(self) -> list[JsonObject]:
        """The results of tools in the current message."""
        context = self.messages[-1].get("userInputMessageContext", {})
        results: list[JsonObject] = context.get("toolResults", [])
        return results


@dataclass(slots=True)
class Backend:
    """The logic of the simulator. `requests` are all requests to the service, oldest first.

    script: what the models answer; without words for a turn they say that the script is over.
    strays: what was asked for that is nowhere.
    """

    state: KiroState
    script: list[Section] = field(default_factory=list)
    requests: list[Recorded] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    attempts: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def play(self, script: str) -> None:
        """From now on answer by this script."""
        self.script = parse_script(script)

    def admit(self, request: Recorded) -> Account:
        """Who asks. Raises `Refused` where the host, the token or the account is no good."""
        self.requests.append(request)
        with _Statuses(request):
            if request.host in self.state.gone:
                raise Refused(http_fault("unknown-operation"))
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            try:
                account = self.state.account_of(token)
            except TokenRefused as error:
                raise Refused(http_fault("token-invalid")) from error
            if account.suspended:
                raise Refused(http_fault("suspended-2026"))
        return account

    def receive(
        self, request: Recorded, arn: str | None = None, *, profile: bool = True
    ) -> Account:
        """Take in a question about the account. arn: the profile that it names; profile: whether
        it has to name one. Raises `Refused`.
        """
        account = self.admit(request)
        found = list(
            header_problems(request.headers, account, target=request.target, generate=False)
        )
        if profile:
            headers = {**request.headers, **({PROFILE_HEADER: arn} if arn else {})}
            found += profile_problems(arn, headers, account, request.host, request.region)
        self._judge(request, found)
        return account

    def receive_turn(self, request: Recorded, target: str | None) -> Account:
        """Take in a question for a model. Raises `Refused`; whatever happens, it is recorded."""
        account = self.admit(request)
        body, host = request.body, request.host
        found = [
            *header_problems(request.headers, account, target=target is not None, generate=True),
            *profile_problems(
                body.get("profileArn"), request.headers, account, host, request.region
            ),
        ]
        if not any(problem.grave for problem in found):
            found += body_problems(
                body,
                self.state.models,
                lambda reasoning: self.state.signed(account.id, _model(body), reasoning),
            )
        if not any(problem.grave for problem in found):
            found += origin_problems(body, target, host)
        self._judge(request, found)
        with _Statuses(request):
            self._weigh(request)
            if account.used >= account.limit and not account.overages:
                raise Refused(http_fault("quota-402"))
        return account

    def _judge(self, request: Recorded, found: Iterable[Problem]) -> None:
        problems = list(found)
        request.violations += [str(problem) for problem in problems]
        grave = next((problem for problem in problems if problem.grave), None)
        with _Statuses(request):
            if grave is not None:
                raise refusal(grave)

    def _weigh(self, request: Recorded) -> None:
        """What no rule of shape forbids: size, and thoughts that nobody can read any more."""
        body = request.body
        if len(dumps(body)) - image_bytes(body) > self.state.largest:
            raise refusal(Problem("too large"))
        if tokens_of(body) > self.state.models[_model(body)].window:
            raise Refused(http_fault("content-length"))
        said = (message.get("reasoningContent") for message in request.messages)
        if any(reasoning and self.state.unreadable(reasoning) for reasoning in said):
            told = "Invalid signature in thinking block"
            raise refusal(Problem("lost signature", told, "THINKING_SIGNATURE_INVALID"))

    def plan(self, request: Recorded, account: Account) -> tuple[list[JsonObject], Answering]:
        """What to answer. Raises `Refused` when the script has an HTTP error for the turn."""
        request.prompt, request.turn = find_prompt(messages_of(request.body))
        session = request.body["conversationState"]["conversationId"]
        key = (session, request.prompt, request.turn)
        self.attempts[key] += 1
        request.attempt = self.attempts[key]
        found = steps_for(self.script, request.prompt, request.turn)
        steps = for_attempt(
            found or [{"do": "text", "text": "That was the whole script."}], request.attempt
        )
        fault = next((step for step in steps if step["do"] == "http"), None)
        with _Statuses(request):
            if fault is not None:
                raise Refused(http_fault(fault["name"], fault["retry"]))
        model = _model(request.body)
        return steps, Answering(
            body=request.body,
            number=next(self.numbers),
            model="claude-sonnet-4.5" if model == "auto" else model,
            sign=lambda text: self.state.sign(account.id, model, text),
            tokens=tokens_of(request.body),
            window=self.state.models[model].window,
            thinks=_thinks(request.body),
            shapes=frozenset(shape for step in steps for shape in step.get("shapes", ())),
        )


class _Statuses:
    """Notes the status of whatever answer a request gets instead of the proper one."""

    def __init__(self, request: Recorded) -> None:
        self._request = request

    def __enter__(self) -> None:
        self._request.status = 200

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, Refused):
            self._request.status = error.answer.status


def _model(body: JsonObject) -> str:
    user = body["conversationState"]["currentMessage"]["userInputMessage"]
    return str(user.get("modelId"))


def _thinks(body: JsonObject) -> Literal["native", "sealed", "tags", "not"]:
    """The form in which a request asks for thinking."""
    fields = body.get("additionalModelRequestFields", {})
    if fields.get("thinking", {}).get("type") == "adaptive":
        return "native"
    if fields.get("reasoning", {}).get("effort", "none") != "none":
        return "sealed"
    said = (message.get("userInputMessage", {}) for message in messages_of(body))
    return "tags" if any(_TAGS in one.get("content", "") for one in said) else "not"
