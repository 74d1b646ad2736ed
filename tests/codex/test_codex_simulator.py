"""The simulated Codex backend by itself: it takes what real clients send, and little else."""

import copy
from collections.abc import Iterator

import httpx
import pytest

from gateway_core.json import JsonObject, loads_object
from simulators.codex.samples import CHATGPT_CAPTURES, RESULT, capture, headers_of, request, said
from simulators.codex.server import CodexSimulator
from simulators.codex.state import Account, TokenRefused
from support.pictures import PNG_BASE64


@pytest.fixture
def simulator() -> Iterator[CodexSimulator]:
    with CodexSimulator() as simulator:
        yield simulator


@pytest.fixture
def headers(simulator: CodexSimulator) -> dict[str, str]:
    return headers_of(simulator.tokens.access, simulator.account.id)


@pytest.fixture
def http(simulator: CodexSimulator, headers: dict[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=simulator.base_url, headers=headers) as http:
        yield http


def events(response: httpx.Response) -> list[JsonObject]:
    """The events of a stream."""
    assert response.status_code == 200, response.text
    blocks = response.text.replace("\r\n", "\n").split("\n\n")
    lines = [line for block in blocks for line in block.split("\n") if line.startswith("data: ")]
    return [loads_object(line.removeprefix("data: ")) for line in lines]


def kinds(response: httpx.Response) -> list[str]:
    return [event["type"] for event in events(response)]


def output(response: httpx.Response) -> list[JsonObject]:
    """The items of the last event."""
    items: list[JsonObject] = events(response)[-1]["response"]["output"]
    return items


@pytest.mark.parametrize("name", CHATGPT_CAPTURES)
def test_requests_of_the_official_client_are_answered(
    simulator: CodexSimulator, http: httpx.Client, name: str
) -> None:
    recorded, body = capture(name)
    for item in body["input"]:
        if "encrypted_content" in item:
            item["encrypted_content"] = simulator.state.seal(simulator.account.id, "rs_1")
    ours = {"authorization", "content-encoding", "content-length", "host"}
    sent = {name: value for name, value in recorded.items() if name not in ours}
    response = http.post("/responses", json=body, headers=sent)
    assert kinds(response)[-1] == "response.completed"
    assert simulator.violations == []


def test_a_refusal_has_the_body_of_the_backend(
    simulator: CodexSimulator, http: httpx.Client
) -> None:
    response = http.post("/responses", json=request(temperature=1))
    assert response.status_code == 400
    assert response.json() == {"detail": "Unsupported parameter: temperature"}
    assert simulator.violations == ["Unsupported parameter: temperature"]


def test_a_stream_of_text(simulator: CodexSimulator, http: httpx.Client) -> None:
    simulator.play("text: Hello there")
    response = http.post("/responses", json=request())
    assert kinds(response) == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event["sequence_number"] for event in events(response)] == list(range(10))
    assert output(response)[0]["content"][0]["text"] == "Hello there"
    assert response.headers["x-codex-primary-used-percent"] == "27"


def test_calls_take_turns(simulator: CodexSimulator, http: httpx.Client) -> None:
    simulator.play('shape: interleave\ntool: a {"x": "long enough"}\ntool: b {"y": "this too"}')
    response = http.post("/responses", json=request())
    deltas = [e["output_index"] for e in events(response) if e["type"].endswith(".delta")]
    assert deltas == [0, 1, 0, 1]
    assert [item["name"] for item in output(response)] == ["a", "b"]


def test_a_custom_call_for_a_custom_tool(simulator: CodexSimulator, http: httpx.Client) -> None:
    simulator.play("tool: patch *** Begin")
    response = http.post("/responses", json=request(tools=[{"type": "custom", "name": "patch"}]))
    (item,) = output(response)
    assert (item["type"], item["input"]) == ("custom_tool_call", "*** Begin")


def test_the_script_goes_by_turns(simulator: CodexSimulator, http: httpx.Client) -> None:
    simulator.play("tool: look\n---\ntext: seen\n---\nmatch: bye\ntext: bye")
    first = output(http.post("/responses", json=request(said("Hello"))))
    history = [said("Hello"), first[0], {**RESULT, "call_id": first[0]["call_id"]}]
    second = output(http.post("/responses", json=request(*history)))
    third = output(http.post("/responses", json=request(*history, second[0], said("bye"))))
    assert second[0]["content"][0]["text"] == "seen"
    assert third[0]["content"][0]["text"] == "bye"
    assert simulator.violations == []


def test_reasoning_is_sealed_for_the_account(simulator: CodexSimulator, http: httpx.Client) -> None:
    simulator.play("think: **One**\\n\\nTwo\ntext: done")
    thought, text = output(http.post("/responses", json=request()))
    assert [part["text"] for part in thought["summary"]] == ["**One**", "Two"]
    again = request(said("Hello"), thought, text, said("And now?"))
    assert http.post("/responses", json=again).status_code == 200

    thought["encrypted_content"] = simulator.state.seal("another-account", "rs_1")
    response = http.post("/responses", json=again)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_encrypted_content"
    assert len(simulator.violations) == 1


def test_lost_seals_are_refused_but_no_violation(
    simulator: CodexSimulator, http: httpx.Client
) -> None:
    simulator.play("think: hm\ntext: done")
    items = output(http.post("/responses", json=request()))
    simulator.state.forget_seals()
    response = http.post("/responses", json=request(said("Hello"), *items, said("On")))
    assert response.json()["error"]["code"] == "invalid_encrypted_content"
    assert simulator.violations == []


def test_a_repeated_prefix_is_cached(simulator: CodexSimulator, http: httpx.Client) -> None:
    first = [said("Hello " * 20), said("Hi", "assistant")]
    http.post("/responses", json=request(*first))
    response = http.post("/responses", json=request(*first, said("On")))
    changed = copy.deepcopy(first)
    changed[1]["content"][0]["text"] = "Ho"
    http.post("/responses", json=request(*changed, said("On")))

    usage = events(response)[-1]["response"]["usage"]
    assert 0 < usage["input_tokens_details"]["cached_tokens"] < usage["input_tokens"]
    broken = [seen.cache.broken_at for seen in simulator.requests if seen.cache]
    assert broken == [None, None, 1]


def test_too_much_input_fails_in_the_stream(simulator: CodexSimulator, http: httpx.Client) -> None:
    response = http.post("/responses", json=request(said("word " * 300_000)))
    error, failed = events(response)[-2:]
    assert error["error"]["code"] == "context_length_exceeded"
    assert failed["response"]["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    ("script", "last"),
    [
        ("text: half\ncut:", "response.output_item.done"),
        ("stop: content_filter", "response.incomplete"),
        ("text: half\nstop: max_output_tokens", "response.incomplete"),
        ("fail: server_error form=flat", "error"),
        ("text: half\nfail: server_error form=failed", "response.failed"),
        ("refusal: I will not", "response.completed"),
        ("image: partials=2", "response.completed"),
        ("keepalive: 2\nlimits: reached credits\ntext: on", "response.completed"),
        ("shape: split crlf unknown\nsearch: it\ntext: found", "response.completed"),
    ],
)
def test_ends(simulator: CodexSimulator, http: httpx.Client, script: str, last: str) -> None:
    simulator.play(script)
    assert kinds(http.post("/responses", json=request()))[-1] == last


@pytest.mark.parametrize("verb", ["drop", "reset"])
def test_a_connection_breaks(simulator: CodexSimulator, http: httpx.Client, verb: str) -> None:
    simulator.play(f"text: half\n{verb}: times=1\ntext: whole")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        http.post("/responses", json=request())
    assert kinds(http.post("/responses", json=request()))[-1] == "response.completed"


def test_a_stall_ends_when_it_is_released(simulator: CodexSimulator, http: httpx.Client) -> None:
    simulator.play("text: half\nstall:")
    with http.stream("POST", "/responses", json=request()) as response:
        chunks = response.iter_bytes()
        assert b"response.created" in next(chunks)
        assert simulator.connections.stalls.wait(10)
        simulator.connections.release()
        assert b"response.completed" not in b"".join(chunks)


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ("429 usage_limit_reached", 429, "usage_limit_reached"),
        ("429 rate_limit_exceeded retry=1.5", 429, "rate_limit_error"),
        ("503 server_is_overloaded", 503, "service_unavailable_error"),
        ("401 token_expired", 401, "authentication_error"),
    ],
)
def test_http_errors(
    simulator: CodexSimulator, http: httpx.Client, fault: str, status: int, kind: str
) -> None:
    simulator.play(f"http: {fault} times=1\ntext: well")
    response = http.post("/responses", json=request())
    assert response.status_code == status
    assert response.json()["error"]["type"] == kind
    assert http.post("/responses", json=request()).status_code == 200


def test_a_challenge_page(simulator: CodexSimulator, http: httpx.Client) -> None:
    simulator.play("http: 403 html")
    response = http.post("/responses", json=request())
    assert (response.status_code, response.headers["cf-mitigated"]) == (403, "challenge")
    assert response.text.startswith("<!DOCTYPE html>")


def test_a_used_up_window_is_a_429(simulator: CodexSimulator, http: httpx.Client) -> None:
    assert simulator.account.primary is not None
    simulator.account.primary.used = 100
    response = http.post("/responses", json=request())
    assert response.status_code == 429
    assert response.json()["error"]["resets_in_seconds"] == 9000


def test_tokens_end(simulator: CodexSimulator, http: httpx.Client) -> None:
    simulator.state.end_access_tokens()
    response = http.post("/responses", json=request())
    assert (response.status_code, response.json()["error"]["code"]) == (401, "token_expired")

    fresh = simulator.state.refresh(simulator.tokens.refresh)
    again = http.post(
        "/responses", json=request(), headers={"authorization": f"Bearer {fresh.access}"}
    )
    assert again.status_code == 200


def test_a_spent_refresh_token_ends_the_login(simulator: CodexSimulator) -> None:
    fresh = simulator.state.refresh(simulator.tokens.refresh)
    for token in (simulator.tokens.refresh, fresh.refresh):
        with pytest.raises(TokenRefused):
            simulator.state.refresh(token)


def test_another_account_is_forbidden(simulator: CodexSimulator, http: httpx.Client) -> None:
    simulator.state.add_account(Account("other"))
    other = simulator.state.log_in("other")
    headers = {"authorization": f"Bearer {other.access}"}
    assert http.post("/responses", json=request(), headers=headers).status_code == 403


def test_compaction(simulator: CodexSimulator, http: httpx.Client) -> None:
    body = {"model": "gpt-5.5", "instructions": "", "input": [said("Hello")]}
    response = http.post("/responses/compact", json=body, headers={"accept": "application/json"})
    compaction = response.json()["output"][-1]
    assert compaction["type"] == "compaction"
    assert http.post("/responses", json=request(compaction, said("On"))).status_code == 200


def test_images(http: httpx.Client) -> None:
    body = {"prompt": "A dot", "model": "gpt-image-2"}
    accept = {"accept": "application/json"}
    response = http.post("/images/generations", json=body, headers=accept)
    assert response.json()["data"] == [{"b64_json": PNG_BASE64}]
    wrong = http.post("/images/generations", json=body | {"response_format": "url"}, headers=accept)
    assert wrong.status_code == 400


def test_models_depend_on_client_and_plan(simulator: CodexSimulator, http: httpx.Client) -> None:
    def listed(version: str) -> set[str]:
        response = http.get("/models", params={"client_version": version})
        return {model["slug"] for model in response.json()["models"]}

    assert "gpt-5.5" in listed("0.144.1")
    assert listed("0.1.0") == set()
    simulator.account.plan = "free"
    assert "gpt-5.4" not in listed("0.144.1")
