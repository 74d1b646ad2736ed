"""What the simulated xAI refuses, rule by rule, and that it takes the rest."""

from typing import Any

import pytest

from gateway_core.json import JsonObject, loads_object
from simulators.grok.backend import Backend, Recorded, Refused
from simulators.grok.problem import Rail
from simulators.grok.samples import headers_of, request, said
from simulators.grok.state import Account, GrokState
from support.pictures import PNG_BASE64

CALL: JsonObject = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"}
RESULT: JsonObject = {"type": "function_call_output", "call_id": "c1", "output": "seen"}
LOOK: JsonObject = {"type": "function", "name": "look", "parameters": {"type": "object"}}
PICTURE: JsonObject = {
    "type": "input_image",
    "image_url": f"data:image/png;base64,{PNG_BASE64}",
}


@pytest.fixture
def backend() -> Backend:
    """A backend that knows one account."""
    state = GrokState()
    state.add_account(Account("ann"))
    return Backend(state)


def recorded(backend: Backend, body: JsonObject, rail: Rail, **headers: str) -> Recorded:
    """A request by the account; more headers in place of the usual ones."""
    usual = headers_of(backend.state.log_in("ann").access, rail)
    return Recorded(rail, "POST", "/responses", usual | headers, body)


def refused(backend: Backend, body: JsonObject, rail: Rail = "api") -> list[str]:
    """What is held against a request; the first of it is the answer."""
    with pytest.raises(Refused) as raised:
        backend.receive_turn(recorded(backend, body, rail))
    violations = backend.requests[-1].violations
    assert 400 <= raised.value.answer.status < 500
    assert loads_object(raised.value.answer.body)["error"] == violations[0]
    return violations


FIELDS: list[tuple[Rail, JsonObject, str]] = [
    ("api", {"metadata": {}}, "Argument not supported: metadata"),
    ("api", {"service_tier": "priority"}, "Argument not supported: service_tier"),
    ("api", {"frequency_penalty": 0}, "Argument not supported: frequency_penalty"),
    ("proxy", {"stop": ["x"]}, "Argument not supported: stop"),
    ("proxy", {"seed": 1}, "Argument not supported: seed"),
    ("proxy", {"previous_response_id": "x"}, "Argument not supported: previous_response_id"),
    ("proxy", {"store": True}, "`store` must be false"),
    ("proxy", {"stream": False}, "`stream` must be true"),
    ("api", {"include": []}, "the reasoning is lost"),
    ("api", {"background": True}, "Argument not supported: background"),
    ("api", {"tool_choice": "auto"}, "no tools were specified"),
    ("api", {"parallel_tool_calls": True}, "no tools were specified"),
    ("api", {"tools": []}, "left out"),
    ("api", {"model": "grok-4.3-fast"}, "does not exist"),
    ("api", {"model": "grok-composer-2.5-fast"}, "does not exist"),
    ("api", {"model": "grok-build-0.1"}, "does not support parameter reasoningEffort"),
    ("api", {"reasoning": {"effort": "xhigh"}}, "unknown variant 'xhigh'"),
    ("api", {"reasoning": {"effort": None}}, "must not be null"),
    ("api", {"temperature": 2.5}, "between 0 and 2"),
    ("api", {"max_output_tokens": 70_000}, "between 1 and 65536"),
    ("api", {"text": {"verbosity": "low", "format": {"type": "text"}}}, "unknown field"),
    ("api", {"text": {"format": {"type": "json_schema", "schema": {}}}}, "missing field `name`"),
    ("api", {"instructions": "Go", "previous_response_id": "x"}, "together with"),
    ("api", {"input": []}, "must not be empty"),
]


@pytest.mark.parametrize(("rail", "more", "words"), FIELDS)
def test_fields_that_are_refused(
    backend: Backend, rail: Rail, more: dict[str, Any], words: str
) -> None:
    assert any(words in said for said in refused(backend, request(**more), rail))


TOOLS: list[tuple[list[JsonObject], str]] = [
    ([{"type": "function", "name": "look"}], "missing field `parameters`"),
    ([LOOK, LOOK], "Duplicate tool name"),
    ([{"type": "web_search"}, {**LOOK, "name": "web_search"}], "Duplicate tool name"),
    ([{**LOOK, "name": f"look{number}"} for number in range(129)], "Maximum tools limit"),
    ([{**LOOK, "parameters": {"anyOf": [{"type": "string"}]}}], "branches of `anyOf`"),
    ([{"type": "web_search", "external_web_access": True}], "external_web_access"),
    (
        [{"type": "web_search", "filters": {"allowed_domains": [str(n) for n in range(6)]}}],
        "between 1 and 5",
    ),
    ([{"type": "x_search", "from_date": "2026-8-1"}], "must be a day"),
    ([{"type": "code_interpreter", "container": {"type": "auto"}}], "container"),
    ([{"type": "custom", "name": "patch"}], "unknown variant 'custom'"),
    ([{"type": "image_generation"}], "does not support image_generation"),
]


@pytest.mark.parametrize(("tools", "words"), TOOLS)
def test_tools_that_are_refused(backend: Backend, tools: list[JsonObject], words: str) -> None:
    assert any(words in said for said in refused(backend, request(tools=tools)))


ITEMS: list[tuple[list[JsonObject], str]] = [
    ([CALL], "No tool output found"),
    ([RESULT], "No tool call found"),
    ([CALL, RESULT, CALL, RESULT], "there twice"),
    ([{**said("Hi"), "status": "completed"}], "unknown field `status`"),
    ([{**said("Hi", "assistant"), "id": "msg_of_others"}], "was never sent to you"),
    ([{"type": "message", "role": "user", "content": []}], "at least one content element"),
    ([{**said("Hi"), "content": [{**PICTURE, "image_url": "data:image/webp;base64,AA"}]}], "PNG"),
    (
        [{**said("Hi"), "content": [{"type": "input_file", "file_data": "AAAA"}]}],
        "either `file_url` or `file_id`",
    ),
    (
        [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}],
        "encrypted_content",
    ),
    ([{"type": "reasoning", "id": "rs_1", "summary": [], "status": "completed"}], "status"),
    ([{"type": "additional_tools", "tools": []}], "unknown item type"),
    ([{"type": "custom_tool_call", "call_id": "c", "name": "x", "input": ""}], "none of our own"),
]


@pytest.mark.parametrize(("items", "words"), ITEMS)
def test_items_that_are_refused(backend: Backend, items: list[JsonObject], words: str) -> None:
    assert any(words in said for said in refused(backend, request(*items)))


HEADERS = [
    ("x-xai-token-auth", "", 403, "permission-denied"),
    ("x-grok-client-version", "", 426, "invalid-argument"),
    ("x-grok-client-version", "1.0.6-beta", 426, "invalid-argument"),
    ("x-grok-client-version", "0.1.9", 426, "invalid-argument"),
    ("x-grok-client-identifier", "", 400, "invalid-argument"),
    ("user-agent", "python-httpx/1", 403, "invalid-argument"),
    ("x-stainless-lang", "python", 400, "invalid-argument"),
    ("x-grok-model-override", "grok-4.6", 400, "invalid-argument"),
]


@pytest.mark.parametrize(("name", "value", "status", "code"), HEADERS)
def test_headers_that_the_proxy_refuses(
    backend: Backend, name: str, value: str, status: int, code: str
) -> None:
    with pytest.raises(Refused) as raised:
        backend.receive_turn(recorded(backend, request(), "proxy", **{name: value}))
    assert raised.value.answer.status == status
    assert loads_object(raised.value.answer.body)["code"] == code
    assert len(backend.requests[0].violations) == 1


@pytest.mark.parametrize("rail", ["api", "proxy"])
def test_a_good_request_is_taken(backend: Backend, rail: Rail) -> None:
    """With all that may be in it."""
    items = [
        said("Be brief", "system"),
        {**said("Look"), "content": [{"type": "input_text", "text": "Look"}, PICTURE]},
        CALL,
        {**RESULT, "output": [{"type": "input_text", "text": "a tree"}, PICTURE]},
        said("A tree.", "assistant"),
        said("And now?"),
    ]
    search = {"type": "web_search", "filters": {"excluded_domains": ["example.com"]}}
    people = {"type": "x_search", "from_date": "2026-08-01", "to_date": "2026-08-02"}
    tools = [LOOK, search, people, {"type": "code_interpreter"}]
    form = {"type": "json_schema", "name": "answer", "schema": {"type": "object"}, "strict": True}
    body = request(
        *items,
        tools=tools,
        tool_choice={"type": "allowed_tools", "mode": "required", "tools": [search]},
        parallel_tool_calls=False,
        text={"format": form},
        temperature=2,
        top_p=0.5,
        max_output_tokens=65_536,
        user="somebody",
        truncation="auto",
        stream_tool_calls=True,
    )
    backend.receive_turn(recorded(backend, body, rail))
    assert backend.requests[0].violations == []
