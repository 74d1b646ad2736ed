"""What the vendors' platforms keep and the gateway does not: the SDKs are told so by name, and what
to do instead.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

import anthropic
import openai
import pytest

from gateway_core import Event, Text
from gateway_core.events import Close, Delta, End, Open
from gateway_core.json import JsonObject
from gateway_core.provider import Capabilities, Model
from support.about import about
from support.scripted_provider import ScriptedProvider
from support.server import running_gateway

FILE_ID = "file-0123456789"
HELLO: list[Event] = [Open(0, Text("")), Delta(0, "Hello"), Close(0), End("stop")]
KEEPS = Model("keeps", capabilities=Capabilities(file_ids=frozenset({"document"})))


class Clients(NamedTuple):
    """The SDKs, and the provider that they reach."""

    openai: openai.OpenAI
    anthropic: anthropic.Anthropic
    provider: ScriptedProvider


def refusal_of(ask: Callable[[], Any], status: int) -> JsonObject:
    """The error object that an SDK raises with this status."""
    with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as caught:
        ask()
    error: Any = caught.value
    assert error.status_code == status
    body: JsonObject = error.body
    return body["error"] if body.get("type") == "error" else body


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    provider = ScriptedProvider(models=[Model("m"), KEEPS])
    with ExitStack() as stack:
        home = tmp_path_factory.mktemp("home")
        gateway = stack.enter_context(running_gateway(home, extra_plugins=[provider]))
        yield Clients(
            stack.enter_context(gateway.openai()),
            stack.enter_context(gateway.anthropic()),
            provider,
        )


def test_paths_of_the_platforms_are_answered_with_what_to_do_instead(clients: Clients) -> None:
    client, other = clients.openai, clients.anthropic
    file = ("a.txt", b"words")
    asked: list[tuple[Callable[[], Any], str]] = [
        (lambda: client.files.list(), "/v1/files; it keeps no files: send them inline"),
        (lambda: client.files.create(file=file, purpose="user_data"), "keeps no files"),
        (lambda: client.files.content(FILE_ID), "keeps no files"),
        (
            lambda: client.uploads.create(
                bytes=5, filename="a.txt", mime_type="text/plain", purpose="user_data"
            ),
            "/v1/uploads; it keeps no files",
        ),
        (lambda: client.batches.list(), "POST /v1/messages/batches"),
        (
            lambda: client.batches.create(
                completion_window="24h", endpoint="/v1/responses", input_file_id=FILE_ID
            ),
            "POST /v1/messages/batches",
        ),
        (lambda: client.conversations.create(), "`previous_response_id`"),
        (lambda: client.conversations.items.list("conv_1"), "`previous_response_id`"),
        (lambda: client.vector_stores.list(), "send them in the request"),
        (lambda: client.embeddings.create(model="m", input="x"), "embeds"),
        (lambda: other.beta.files.list(), "`source` of the type `base64`"),
    ]
    for ask, said in asked:
        with about(said):
            message = refusal_of(ask, 404)["message"]
            assert said in message
            assert "base URLs" not in message


def test_a_file_by_id_is_refused_where_it_is_and_never_dropped(clients: Clients) -> None:
    before = len(clients.provider.requests)

    def respond(part: dict[str, Any]) -> Any:
        text = {"type": "input_text", "text": "What is it?"}
        said: Any = [{"role": "user", "content": "Hi"}, {"role": "user", "content": [text, part]}]
        return clients.openai.responses.create(model="m", input=said)

    def complete(part: dict[str, Any]) -> Any:
        said: Any = [{"role": "user", "content": [{"type": "text", "text": "Hi"}, part]}]
        return clients.openai.chat.completions.create(model="m", messages=said)

    def message(kind: str) -> Any:
        block = {"type": kind, "source": {"type": "file", "file_id": FILE_ID}}
        said: Any = [{"role": "user", "content": [block]}]
        return clients.anthropic.messages.create(model="m", max_tokens=9, messages=said)

    asked: list[tuple[Callable[[Any], Any], Any, str, str]] = [
        (respond, {"type": "input_file", "file_id": FILE_ID}, "input[1].content[1].", "file_data"),
        (respond, {"type": "input_image", "file_id": FILE_ID}, "input[1].content[1].", "image_url"),
        (
            complete,
            {"type": "file", "file": {"file_id": FILE_ID}},
            "messages[0].content[1].file.",
            "file_data",
        ),
        (
            complete,
            {"type": "image_url", "image_url": {"file_id": FILE_ID}},
            "messages[0].content[1].image_url.",
            "image_url",
        ),
        (message, "image", "messages.0.content.0.source.", "base64"),
        (message, "document", "messages.0.content.0.source.", "base64"),
    ]
    for ask, part, place, instead in asked:
        with about(part):
            error = refusal_of(partial(ask, part), 400)
            assert error["message"].startswith(f"{place}file_id: ")
            assert instead in error["message"].partition("(")[2]
            assert error.get("param", f"{place}file_id") == f"{place}file_id"
    assert len(clients.provider.requests) == before


def test_a_file_by_id_goes_to_an_upstream_that_keeps_files(clients: Clients) -> None:
    clients.provider.script = [HELLO]
    part: Any = {"type": "input_file", "file_id": FILE_ID}
    clients.openai.responses.create(model="keeps", input=[{"role": "user", "content": [part]}])
    (message,) = clients.provider.requests[-1].messages
    assert getattr(message.parts[0], "file", None) == FILE_ID


def test_what_only_a_platform_keeps_is_refused_by_name(clients: Clients) -> None:
    create = clients.openai.responses.create
    said: Any = [{"role": "user", "content": "Hi"}]
    asked: list[tuple[Callable[[], Any], str]] = [
        (lambda: create(model="m", input="Hi", conversation="conv_1"), "conversation: "),
        (lambda: create(model="m", input="Hi", prompt={"id": "pmpt_1"}), "prompt: "),
        (
            lambda: clients.anthropic.beta.messages.create(
                model="m", max_tokens=9, messages=said, container="container_1"
            ),
            "container: ",
        ),
    ]
    for ask, field in asked:
        with about(field):
            assert refusal_of(ask, 400)["message"].startswith(field)
