"""The vendors' own SDKs as oracles, from a real socket.

For every answer of the corpus and every format: what the SDK puts together from our stream is what
it gets when it does not stream. Ids and times differ from answer to answer and are left out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pytest
from pydantic import BaseModel

from support.about import each
from support.corpus import ANSWERS
from support.replay import ReplayProvider, all_at_once, one_by_one
from support.server import running_gateway

_ASK = "Go on."
_CALLS = ("tool_use", "function", "custom")
_OURS = frozenset({"id", "created", "created_at", "completed_at"})
_ADDED = frozenset({"parsed", "parsed_arguments", "parsed_output", "index"})


@dataclass(slots=True)
class Clients:
    """Both SDKs, connected to one gateway."""

    anthropic: anthropic.Anthropic
    openai: openai.OpenAI


@pytest.fixture(scope="module", params=[one_by_one, all_at_once])
def clients(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Clients]:
    """In front of the corpus, each answer in as many upstream reads as it has events, or in one."""
    home = tmp_path_factory.mktemp("home")
    provider = ReplayProvider(split=request.param)
    with (
        running_gateway(home, extra_plugins=[provider]) as gateway,
        gateway.anthropic() as anthropic_client,
        gateway.openai() as openai_client,
    ):
        yield Clients(anthropic_client, openai_client)


def anthropic_messages(clients: Clients, model: str) -> tuple[BaseModel, BaseModel]:
    """The streamed and the plain answer in the Anthropic format."""
    messages = clients.anthropic.messages
    plain = messages.create(
        model=model, max_tokens=100, messages=[{"role": "user", "content": _ASK}]
    )
    with messages.stream(
        model=model, max_tokens=100, messages=[{"role": "user", "content": _ASK}]
    ) as stream:
        return stream.get_final_message(), plain


def chat_completions(clients: Clients, model: str) -> tuple[BaseModel, BaseModel]:
    """The streamed and the plain answer in the Chat Completions format."""
    completions = clients.openai.chat.completions
    plain = completions.create(model=model, messages=[{"role": "user", "content": _ASK}])
    with completions.stream(
        model=model,
        messages=[{"role": "user", "content": _ASK}],
        stream_options={"include_usage": True},
    ) as stream:
        # get_final_completion() would refuse answers that were cut or filtered.
        return stream.until_done().current_completion_snapshot, plain


def responses(clients: Clients, model: str) -> tuple[BaseModel, BaseModel]:
    """The streamed and the plain answer in the Responses format."""
    plain = clients.openai.responses.create(model=model, input=_ASK)
    with clients.openai.responses.stream(model=model, input=_ASK) as stream:
        for event in stream:
            if event.type == "response.incomplete":  # get_final_response() would refuse it
                return event.response, plain
        return stream.get_final_response(), plain


Ask = Callable[[Clients, str], tuple[BaseModel, BaseModel]]


def _comparable(message: BaseModel) -> Any:
    """The message without our ids, and without what the SDKs add for their own convenience."""
    # Warnings: Anthropic's models have no image blocks, and take ours for text.
    return _without(message.model_dump(mode="json", exclude_none=True, warnings=False))


def _without(value: Any) -> Any:
    if isinstance(value, list):
        return [_without(item) for item in value]
    if not isinstance(value, dict):
        return value
    # The ids of calls are the model's own, and must be the same.
    left_out = _ADDED if value.get("type") in _CALLS else _ADDED | _OURS
    return {key: _without(item) for key, item in value.items() if key not in left_out}


@pytest.mark.parametrize("ask", [anthropic_messages, chat_completions, responses])
@each("name", ANSWERS)
def test_streamed_equals_plain(clients: Clients, ask: Ask, name: str) -> None:
    streamed, plain = ask(clients, f"replay-{name}")
    assert _comparable(streamed) == _comparable(plain)
