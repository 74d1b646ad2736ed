"""The rules, through a whole server: what a provider is asked, and what the client is told."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway_core import CONTRACT, JsonObject, Model, ProviderInfo, Request, UpstreamCall, hookimpl
from gateway_core.formats.chat import StreamReader, write_request
from gateway_core.json import dumps, loads_object
from gateway_core.testing.server import Gateway, StartGateway
from gateway_core.testing.upstream import ThreadedUpstream, chunks
from gateway_house_rules.plugin import HouseRules
from gateway_house_rules.rules import Rules, load_rules

ANSWER = b"""data: {"choices":[{"delta":{"content":"Done."},"finish_reason":"stop"}]}

data: [DONE]

"""
KEY = re.compile("AKIA[0-9A-Z]{16}")
SECRET = "AKIA" + "7" * 16
RULES = Rules("Answer in British English.", frozenset({"web_fetch"}), (KEY,))


class Somebody:
    """Any provider: it speaks chat completions to the scripted upstream."""

    def __init__(self, url: str) -> None:
        self.url = url

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        return ProviderInfo("somebody", "Somebody", CONTRACT)

    @hookimpl
    async def gateway_models(self) -> Sequence[Model]:
        return [Model("somebody-1")]

    @hookimpl
    def gateway_translate(self, request: Request) -> UpstreamCall:
        body = write_request(request, request.model, issuer="somebody")
        return UpstreamCall("POST", self.url, {}, dumps(body))

    @hookimpl
    def gateway_decoder(self) -> StreamReader:
        return StreamReader("somebody")


def tool(name: str) -> JsonObject:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}


@pytest.fixture
def gateway(gateway_server: StartGateway, upstream: ThreadedUpstream) -> Gateway:
    upstream.answer(chunks(ANSWER))
    return gateway_server(Somebody(upstream.url), HouseRules(RULES))


def ask(gateway: Gateway, *messages: JsonObject, **more: Any) -> Any:
    body = {"model": "somebody-1", "messages": messages, **more}
    with gateway.http() as http:
        return http.post("/v1/chat/completions", json=body).raise_for_status()


def asked(upstream: ThreadedUpstream) -> JsonObject:
    """What reached the upstream."""
    return loads_object(upstream.requests[0].body)


def test_the_instruction_comes_after_the_clients_own(
    gateway: Gateway, upstream: ThreadedUpstream
) -> None:
    ask(gateway, {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"})
    text = dumps(asked(upstream)["messages"]).decode()
    assert text.index("Be brief.") < text.index("Answer in British English.")


def test_a_tool_is_not_offered_and_the_client_learns_it(
    gateway: Gateway, upstream: ThreadedUpstream
) -> None:
    tools = [tool("web_fetch"), tool("read_file")]
    answer = ask(gateway, {"role": "user", "content": "Hello"}, tools=tools)
    assert [t["function"]["name"] for t in asked(upstream)["tools"]] == ["read_file"]
    assert "do not offer web_fetch" in answer.headers["x-gateway-notice"]


def test_a_choice_of_a_tool_that_is_not_offered_is_taken_back(
    gateway: Gateway, upstream: ThreadedUpstream
) -> None:
    choice = {"type": "function", "function": {"name": "web_fetch"}}
    tools = [tool("web_fetch"), tool("read_file")]
    ask(gateway, {"role": "user", "content": "Hello"}, tools=tools, tool_choice=choice)
    assert asked(upstream).get("tool_choice", "auto") == "auto"


def test_secrets_stay_here_wherever_they_stand(
    gateway: Gateway, upstream: ThreadedUpstream
) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "read_file", "arguments": "{}"}}
    ask(
        gateway,
        {"role": "system", "content": f"The key is {SECRET}."},
        {"role": "user", "content": f"Use {SECRET}"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": f"KEY={SECRET}"},
        tools=[tool("read_file")],
    )
    body = upstream.requests[0].body
    assert SECRET.encode() not in body
    assert body.count(b"[removed by house rules]") == 3


def test_rules_come_from_the_file_that_the_environment_names(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text('instruction = "Be kind."\ndrop_tools = ["a"]\nredact = ["x+"]\n')
    rules = load_rules({"GATEWAY_HOUSE_RULES": str(path)})
    assert rules == Rules("Be kind.", frozenset({"a"}), (re.compile("x+"),))


def test_without_a_file_there_are_no_rules() -> None:
    assert load_rules({}) == Rules()


@pytest.mark.parametrize("text", ["no toml", 'redact = ["("]', 'forbid = ["x"]'])
def test_a_wrong_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"GATEWAY_HOUSE_RULES: .*rules\.toml"):
        load_rules({"GATEWAY_HOUSE_RULES": str(path)})
