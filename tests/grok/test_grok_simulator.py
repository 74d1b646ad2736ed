"""The simulated xAI by itself: it takes what its two rails take, and little else."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway_core.json import JsonObject, loads_object
from simulators.grok.problem import Rail
from simulators.grok.samples import headers_of, request, said
from simulators.grok.server import GrokSimulator
from simulators.grok.state import Account
from support.pictures import PNG_BASE64

RESULT: JsonObject = {"type": "function_call_output", "call_id": "c1", "output": "seen"}
LOOK: JsonObject = {"type": "function", "name": "look", "parameters": {"type": "object"}}


@pytest.fixture(scope="module")
def running() -> Iterator[GrokSimulator]:
    with GrokSimulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(running: GrokSimulator) -> GrokSimulator:
    """The simulator, without what earlier tests asked."""
    running.forget_requests()
    return running


@pytest.fixture
def api(simulator: GrokSimulator) -> Iterator[httpx.Client]:
    headers = headers_of(simulator.tokens.access, "api")
    with httpx.Client(base_url=simulator.api_url, headers=headers) as http:
        yield http


@pytest.fixture
def proxy(simulator: GrokSimulator) -> Iterator[httpx.Client]:
    headers = headers_of(simulator.tokens.access, "proxy")
    with httpx.Client(base_url=simulator.proxy_url, headers=headers) as http:
        yield http


def events(response: httpx.Response) -> list[JsonObject]:
    """The events of a stream."""
    assert response.status_code == 200, response.text
    lines = response.text.replace("\r\n", "\n").split("\n")
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return [loads_object(each) for each in data if each != "[DONE]"]


def kinds(response: httpx.Response) -> list[str]:
    return [event["type"] for event in events(response)]


def output(response: httpx.Response) -> list[JsonObject]:
    """The items of the last event."""
    items: list[JsonObject] = events(response)[-1]["response"]["output"]
    return items


def in_one_piece(api: httpx.Client, *items: JsonObject, **more: Any) -> httpx.Response:
    body = request(*items, stream=False, **more)
    return api.post("/responses", json=body, headers={"accept": "application/json"})


def test_a_stream_of_reasoning_and_text(simulator: GrokSimulator, proxy: httpx.Client) -> None:
    simulator.play("think: Short greeting.\ntext: Hello")
    response = proxy.post("/responses", json=request())
    assert kinds(response) == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event["sequence_number"] for event in events(response)] == list(range(16))
    assert response.headers["x-grok-context-window"] == "500000"
    assert simulator.violations == []


def test_a_refusal_has_the_body_of_its_rail(
    simulator: GrokSimulator, api: httpx.Client, proxy: httpx.Client
) -> None:
    answers = [http.post("/responses", json=request(metadata={})) for http in (api, proxy)]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert [answer.json() for answer in answers] == [
        {
            "code": "Client specified an invalid argument",
            "error": "Argument not supported: metadata",
        },
        {"code": "invalid-argument", "error": "Argument not supported: metadata"},
    ]
    assert simulator.violations == ["Argument not supported: metadata"] * 2


def test_a_newer_floor_is_no_fault_of_the_client(
    simulator: GrokSimulator, proxy: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulator.state, "minimal_version", (2, 0, 0))
    assert proxy.post("/responses", json=request()).status_code == 426
    assert simulator.violations == []


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        ("no-credit", 402, "personal-team-blocked:spending-limit"),
        ("denied", 403, "permission-denied"),
    ],
)
def test_the_public_api_is_not_for_every_plan(
    simulator: GrokSimulator, api: httpx.Client, state: Any, status: int, code: str
) -> None:
    simulator.account.api = state
    response = api.post("/responses", json=request())
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert simulator.violations == []


def test_arguments_come_in_pieces_only_when_wanted(
    simulator: GrokSimulator, api: httpx.Client
) -> None:
    simulator.play('tool: look {"topic": "something long enough"}')
    whole = api.post("/responses", json=request(tools=[LOOK]))
    pieces = api.post("/responses", json=request(tools=[LOOK], stream_tool_calls=True))
    delta = "response.function_call_arguments.delta"
    assert (kinds(whole).count(delta), kinds(pieces).count(delta)) == (1, 3)


def test_reasoning_is_sealed_for_the_account(simulator: GrokSimulator, api: httpx.Client) -> None:
    simulator.play("think: One\\n\\nTwo\ntext: done")
    thought, text = output(api.post("/responses", json=request()))
    del thought["status"], text["status"]
    assert [part["text"] for part in thought["summary"]] == ["One", "Two"]
    again = request(said("Hello"), thought, text, said("And now?"))
    assert api.post("/responses", json=again).status_code == 200

    other = simulator.state.add_account(Account("other"))
    headers = {"authorization": f"Bearer {simulator.state.log_in(other.id).access}"}
    response = api.post("/responses", json=again, headers=headers)
    assert (response.status_code, "encrypted_content" in response.text) == (400, True)


def test_lost_seals_are_refused_but_no_violation(
    simulator: GrokSimulator, api: httpx.Client
) -> None:
    simulator.play("think: hm\ntext: done")
    thought, _ = output(api.post("/responses", json=request()))
    del thought["status"]
    simulator.state.forget_seals()
    response = api.post("/responses", json=request(said("Hello"), thought, said("On")))
    assert (response.status_code, "encrypted_content" in response.text) == (400, True)
    assert simulator.violations == []


def test_a_stored_response_goes_on(simulator: GrokSimulator, api: httpx.Client) -> None:
    simulator.play("think: hm\ntool: look\n---\ntext: seen")
    first = in_one_piece(api, tools=[LOOK], store=True).json()
    call = next(item for item in first["output"] if item["type"] == "function_call")
    answer = {**RESULT, "call_id": call["call_id"]}
    more = {"previous_response_id": first["id"], "store": True}
    second = in_one_piece(api, answer, tools=[LOOK], **more).json()
    assert second["output"][0]["content"][0]["text"] == "seen"
    assert api.get(f"/responses/{second['id']}").json() == second
    assert len(simulator.requests[-1].items) == 4
    assert simulator.violations == []


def test_a_stored_response_can_be_deleted_once(
    simulator: GrokSimulator, api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [in_one_piece(api, store=True).json()["id"] for _ in range(2)]
    told = api.delete(f"/responses/{made[0]}")
    assert told.json() == {"id": made[0], "object": "response", "deleted": True}
    monkeypatch.setattr(simulator.state, "empty_delete", True)
    assert api.delete(f"/responses/{made[1]}").content == b""
    assert [api.get(f"/responses/{id}").status_code for id in made] == [404, 404]


def test_what_was_not_stored_is_not_there(simulator: GrokSimulator, api: httpx.Client) -> None:
    id = in_one_piece(api, store=False).json()["id"]
    assert api.get(f"/responses/{id}").status_code == 404
    going_on = request(previous_response_id=id, store=True)
    assert api.post("/responses", json=going_on).status_code == 404


@pytest.mark.parametrize("path", ["/responses/compact", "/tokenize-text"])
def test_the_proxy_lacks_what_the_public_api_has(proxy: httpx.Client, path: str) -> None:
    assert proxy.post(path, json={}).status_code == 404


def test_compaction(simulator: GrokSimulator, api: httpx.Client) -> None:
    body = {"model": "grok-4.5", "input": [said("Hello")]}
    accept = {"accept": "application/json"}
    (item,) = api.post("/responses/compact", json=body, headers=accept).json()["output"]
    assert item["type"] == "compaction"
    assert api.post("/responses", json=request(item, said("On"))).status_code == 200
    assert simulator.violations == []


@pytest.mark.parametrize(
    ("script", "last"),
    [
        ("text: half\ncut:", "response.output_item.done"),
        ("stop: content_filter", "response.incomplete"),
        ("text: half\nstop: max_output_tokens", "response.incomplete"),
        ("fail: server_error form=error", "error"),
        ("text: half\nfail: server_error", "response.failed"),
        ("refusal: I will not", "response.completed"),
        ("shape: done\ntext: Hello", "response.done"),
        ("shape: done-mark bare crlf\ntext: Hello", "response.completed"),
        ("shape: split unknown\nkeepalive: 2\nsearch: it\ntext: found", "response.completed"),
        ("x-search: it\ncode: print(4)\nopen: https://x.ai\ntext: found", "response.completed"),
        ("shape: raw-reasoning no-usage\nthink: hm", "response.completed"),
    ],
)
def test_ends(simulator: GrokSimulator, api: httpx.Client, script: str, last: str) -> None:
    simulator.play(script)
    assert kinds(api.post("/responses", json=request()))[-1] == last


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("bare", {"error": {"message": "Something happened: odd.", "type": "odd", "code": "odd"}}),
        ("flat", {"code": "odd", "error": "Something happened: odd."}),
    ],
)
def test_failures_without_a_type(
    simulator: GrokSimulator, api: httpx.Client, form: str, body: JsonObject
) -> None:
    simulator.play(f"fail: odd form={form}")
    (event,) = events(api.post("/responses", json=request()))
    if form == "bare":
        del event["error"]["param"]
    assert event == body


def test_a_search_leaves_citations(simulator: GrokSimulator, api: httpx.Client) -> None:
    simulator.play("search: rain\ntext: It rains.")
    more = {"tools": [{"type": "web_search"}]}
    _, message = output(api.post("/responses", json=request(**more)))
    assert message["content"][0]["text"] == "It rains.[[1]](https://example.com/found)"
    plain = [*request()["include"], "no_inline_citations"]
    _, message = output(api.post("/responses", json=request(**more, include=plain)))
    assert message["content"][0]["text"] == "It rains."
    assert message["content"][0]["annotations"][0]["url"] == "https://example.com/found"


@pytest.mark.parametrize("verb", ["drop", "reset"])
def test_a_connection_breaks(simulator: GrokSimulator, api: httpx.Client, verb: str) -> None:
    simulator.play(f"text: half\n{verb}: times=1\ntext: whole")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        api.post("/responses", json=request())
    assert kinds(api.post("/responses", json=request()))[-1] == "response.completed"


def test_a_stall_ends_when_it_is_released(simulator: GrokSimulator, api: httpx.Client) -> None:
    simulator.play("text: half\nstall:")
    with api.stream("POST", "/responses", json=request()) as response:
        chunks = response.iter_bytes()
        assert b"response.created" in next(chunks)
        assert simulator.connections.stalls.wait(10)
        simulator.connections.release()
        assert b"response.completed" not in b"".join(chunks)


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ("429 rate-limit retry=2", 429, "slow down"),
        ("403 spending-limit shape=marker", 403, "[WKE=personal-team-blocked:spending-limit]"),
        ("400 argument shape=encoded", 400, '\\"code\\": \\"invalid-argument\\"'),
        ("503 overloaded_error shape=nested again=false", 503, '"code": "overloaded_error"'),
        ("502 html shape=html", 502, "<title>"),
        ("500 server_error shape=traced", 500, "request_id"),
    ],
)
def test_http_errors(
    simulator: GrokSimulator, api: httpx.Client, fault: str, status: int, words: str
) -> None:
    simulator.play(f"http: {fault} times=1\ntext: well")
    response = api.post("/responses", json=request())
    assert (response.status_code, words in response.text) == (status, True), response.text
    assert api.post("/responses", json=request()).status_code == 200


def test_tokens_end(simulator: GrokSimulator, proxy: httpx.Client) -> None:
    account = simulator.state.add_account(Account("short-lived"))
    tokens = simulator.state.log_in(account.id, lifetime=0)
    headers = {"authorization": f"Bearer {tokens.access}"}
    assert proxy.post("/responses", json=request(), headers=headers).status_code == 401
    simulator.backend.bad_credentials = True
    response = proxy.get("/user", headers=headers)
    assert response.json()["code"] == "unauthenticated:bad-credentials"
    assert response.status_code == 403


def test_profile_and_credits(simulator: GrokSimulator, proxy: httpx.Client) -> None:
    assert "subscriptionTier" not in proxy.get("/user").json()
    profile = proxy.get("/user", params={"include": "subscription"}).json()
    assert (profile["subscriptionTier"], profile["firstName"]) == ("SuperGrok", "Ann")
    billing = proxy.get("/billing", params={"format": "credits"}).json()
    assert billing["config"]["creditUsagePercent"] == 37.5
    assert proxy.get("/settings").json()["allow_access"] is True


def test_each_rail_lists_its_models(
    simulator: GrokSimulator, api: httpx.Client, proxy: httpx.Client
) -> None:
    assert "grok-composer-2.5-fast" in [e.get("id") for e in proxy.get("/models").json()["data"]]
    assert {"grok-4.5", "grok-4.6"} <= {e["id"] for e in api.get("/models").json()["data"]}
    found = api.get("/language-models/grok-4.5-latest").json()
    assert (found["id"], found["input_modalities"]) == ("grok-4.5", ["text", "image"])
    assert api.get("/language-models/grok-9").status_code == 404
    assert len(api.get("/image-generation-models").json()["models"]) == 3


@pytest.mark.parametrize("rail", ["api", "proxy"])
def test_pictures(
    simulator: GrokSimulator, api: httpx.Client, proxy: httpx.Client, rail: Rail
) -> None:
    http = api if rail == "api" else proxy
    accept = {"accept": "application/json"}
    body = {"model": "grok-imagine-image", "prompt": "A dot", "response_format": "b64_json"}
    response = http.post("/images/generations", json=body, headers=accept)
    assert response.json()["data"][0]["b64_json"] == PNG_BASE64
    source = {"type": "image_url", "url": f"data:image/png;base64,{PNG_BASE64}"}
    edited = http.post("/images/edits", json={**body, "image": source}, headers=accept)
    assert edited.json()["data"][0]["b64_json"] == PNG_BASE64
    assert simulator.violations == []

    wrong = http.post("/images/generations", json={**body, "size": "1x1"}, headers=accept)
    assert wrong.status_code == 400
    assert simulator.violations == ["Argument not supported: size"]


def test_pictures_are_not_in_every_plan(simulator: GrokSimulator, api: httpx.Client) -> None:
    account = simulator.state.add_account(Account("basic", tier=2))
    headers = headers_of(simulator.state.log_in(account.id).access, "api", "application/json")
    body = {"model": "grok-imagine-image", "prompt": "A dot"}
    response = api.post("/images/generations", json=body, headers=headers)
    assert (response.status_code, response.json()["code"]) == (403, "subscription:no-image-quota")


def test_too_much_input(simulator: GrokSimulator, api: httpx.Client) -> None:
    response = api.post("/responses", json=request(said("word " * 500_000)))
    assert (response.status_code, "maximum prompt length" in response.text) == (400, True)
    assert simulator.violations == []
