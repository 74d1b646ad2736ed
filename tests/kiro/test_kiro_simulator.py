"""The simulated Kiro by itself: its bytes are those of recorded answers, and it takes what the
recorded requests send.
"""

import base64
import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from gateway_core.json import JsonObject, dumps, loads, loads_object
from gateway_kiro.eventstream import MessageReader
from simulators.kiro import frames
from simulators.kiro.auth import START_URL
from simulators.kiro.fixtures import document
from simulators.kiro.server import KiroSimulator
from simulators.kiro.state import BUILDER_PROFILE, PROFILE, Account, TokenRefused
from support.about import each
from support.kiro_asking import Recorded, recorded_streams
from support.kiro_requests import (
    READ_FILE,
    address_of,
    assistant,
    body,
    headers_of,
    recorded_request,
    send,
    user,
)

WHOLE = [
    stream
    for stream in recorded_streams()
    if stream.facts["frames"]
    and "corruption" not in stream.facts
    and sum(frame["length"] for frame in stream.facts["frames"]) == len(stream.data)
]
REQUESTS = ("basic", "tools", "media", "reasoning", "rest-legacy")
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
ORGANISATION = "arn:aws:codewhisperer:eu-central-1:111122223333:profile/MNOPQRSTUVWX"
SOCIAL = Account("s")
BUILDER = Account("b", "builder")
MEMBER = Account("o", "organisation", profile=ORGANISATION)
WITH_KEY = Account("k", "api-key")


@pytest.fixture(scope="module")
def running() -> Iterator[KiroSimulator]:
    with KiroSimulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(running: KiroSimulator) -> KiroSimulator:
    """The simulator, without what earlier tests asked."""
    running.forget_requests()
    return running


@pytest.fixture
def http(simulator: KiroSimulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=simulator.url, timeout=5) as http:
        yield http


# Frames


@each("recorded", WHOLE)
def test_frames_are_byte_for_byte_those_of_recorded_answers(recorded: Recorded) -> None:
    made = b""
    for frame in recorded.facts["frames"]:
        headers = [(one["name"], one["type"], one["value"]) for one in frame["headers"]]
        if "payload" in frame:
            payload = dumps(frame["payload"])
        else:
            payload = bytes.fromhex(frame["payload_hex"])
        made += frames.encode(headers, payload)
    assert made == recorded.data


def test_named_frames_are_the_recorded_ones_too() -> None:
    by_name = {stream.name: stream for stream in recorded_streams()}
    quota = {"message": "You have reached the limit.", "reason": "MONTHLY_REQUEST_COUNT"}
    made = frames.exception("ServiceQuotaExceededException", quota)
    assert made == by_name["exception-quota-monthly"].data
    made = frames.error("InternalFailure", "internal failure")
    assert made == by_name["error-frame"].data
    text = by_name["event-code-event"].facts["frames"][0]["payload"]
    assert frames.event("codeEvent", text) == by_name["event-code-event"].data


@pytest.mark.parametrize("damage", ["message", "prelude", "payload"])
def test_damage_is_noticed(damage: frames.Damage) -> None:
    frame = frames.event("assistantResponseEvent", {"content": "x"})
    assert MessageReader().feed(frame)[1] is None
    messages, fault = MessageReader().feed(frames.damaged(frame, damage))
    assert (messages, fault is None) == ([], False)


# Requests and answers


def told(response: httpx.Response) -> list[tuple[str, JsonObject]]:
    """Name and members of the events in an answer."""
    assert response.status_code == 200, response.text
    reader = MessageReader()
    messages, fault = reader.feed(response.content)
    assert fault is None and reader.end() is None
    return [
        (message.headers.get(":event-type", "?"), loads_object(message.payload))
        for message in messages
    ]


def kinds(response: httpx.Response) -> list[str]:
    return [name for name, _ in told(response)]


def members(response: httpx.Response, kind: str) -> list[JsonObject]:
    return [one for name, one in told(response) if name == kind]


@pytest.mark.parametrize("name", REQUESTS)
def test_recorded_requests_are_welcome(
    simulator: KiroSimulator, http: httpx.Client, name: str
) -> None:
    signature = "ZmFrZS1zaWduYXR1cmUtZm9yLXRlc3Rz"
    simulator.state.sign(simulator.account.id, "claude-opus-4.8", "First I look.", signature)
    fresh = simulator.state.log_in(simulator.account.id)
    address, headers, sent = recorded_request(simulator, f"request-{name}")
    headers["authorization"] = f"Bearer {fresh.access}"
    response = http.post(address, content=dumps(sent), headers=headers)
    assert "assistantResponseEvent" in kinds(response)
    assert simulator.violations == []


def test_an_answer_in_the_usual_order(simulator: KiroSimulator) -> None:
    simulator.play("text: Hello there\nusage: input=3 output=2 read=1\nstop: MAX_TOKENS\nmeter: 2")
    response = send(simulator, body())
    assert response.headers["content-type"] == "application/vnd.amazon.eventstream"
    assert [event for event in told(response) if event[0] != "messageMetadataEvent"] == [
        ("assistantResponseEvent", {"content": "Hello ", "modelId": "claude-sonnet-4.5"}),
        ("assistantResponseEvent", {"content": "there", "modelId": "claude-sonnet-4.5"}),
        ("contextUsageEvent", {"contextUsagePercentage": pytest.approx(0.06, abs=0.03)}),
        ("meteringEvent", {"usage": 2.0, "unit": "credit", "unitPlural": "credits"}),
        (
            "metadataEvent",
            {
                "stopReason": "MAX_TOKENS",
                "tokenUsage": {
                    "uncachedInputTokens": 3,
                    "outputTokens": 2,
                    "totalTokens": 6,
                    "cacheReadInputTokens": 1,
                    "cacheWriteInputTokens": 0,
                },
            },
        ),
    ]


def test_tools_come_in_fragments_and_only_if_they_are_offered(simulator: KiroSimulator) -> None:
    simulator.play('tool: read_file {"path": "a.txt"}\ntool: other {}')
    response = send(simulator, body(user(tools=[READ_FILE])))
    first, *fragments, last = members(response, "toolUseEvent")
    assert first.keys() == {"toolUseId", "name"}
    assert "".join(one["input"] for one in fragments) == '{"path": "a.txt"}'
    assert (len(fragments), last["stop"]) == (3, True)
    assert members(response, "assistantResponseEvent")[0]["content"] == "There is no tool other."


def test_thinking_comes_in_the_form_that_was_asked_for(simulator: KiroSimulator) -> None:
    simulator.play("think: Deep.\ntext: Yes")
    assert "reasoningContentEvent" not in kinds(send(simulator, body()))

    tags = "<thinking_mode>enabled</thinking_mode>\nhi"
    texts = members(send(simulator, body(user(tags))), "assistantResponseEvent")
    said = "".join(one["content"] for one in texts)
    assert said == "<thinking>\nDeep.</thinking>\n\nYes"

    opus = user()
    opus["userInputMessage"]["modelId"] = "claude-opus-4.8"
    fields = {"thinking": {"type": "adaptive", "display": "summarized"}}
    native = send(simulator, body(opus, additionalModelRequestFields=fields))
    *thoughts, signed = members(native, "reasoningContentEvent")
    assert "".join(one["text"] for one in thoughts) == "Deep."
    reasoning = {"reasoningText": {"text": "Deep.", "signature": signed["signature"]}}
    history = assistant("Yes", reasoningContent=reasoning)
    assert send(simulator, body(opus, history, opus)).status_code == 200
    assert send(simulator, body(user(), history, user())).status_code == 400  # another model
    simulator.state.forget_signatures()
    lost = send(simulator, body(opus, history, opus))
    assert lost.json()["reason"] == "THINKING_SIGNATURE_INVALID"
    assert simulator.requests[-1].violations == []


@pytest.mark.parametrize("fault", document("http-errors"), ids=lambda fault: str(fault["name"]))
def test_recorded_errors_on_demand(simulator: KiroSimulator, fault: JsonObject) -> None:
    simulator.play(f"http: {fault['name']} times=1\ntext: Hi")
    response = send(simulator, body())
    assert response.status_code == fault["status"]
    told = response.text if isinstance(fault["body"], str) else response.json()
    assert told == fault["body"]
    assert send(simulator, body()).status_code == 200


def test_other_misbehaviour_on_demand(simulator: KiroSimulator, http: httpx.Client) -> None:
    simulator.play("empty:")
    assert send(simulator, body()).content == b""
    simulator.play("play: stream-tool")
    assert "toolUseEvent" in kinds(send(simulator, body()))
    simulator.play("damage: half")
    reader = MessageReader()
    reader.feed(send(simulator, body()).content)
    assert reader.end() is not None
    simulator.play("text: A\nreset:")
    with pytest.raises(httpx.HTTPError):
        send(simulator, body())


# Accounts


def test_a_token_has_its_time(simulator: KiroSimulator) -> None:
    tokens = simulator.state.log_in(simulator.account.id, lifetime=-1)
    response = send(simulator, body(), authorization=f"Bearer {tokens.access}")
    assert (response.status_code, response.json()["message"]) == (
        403,
        "The bearer token included in the request is invalid.",
    )
    simulator.state.refresh(tokens.refresh)
    with pytest.raises(TokenRefused):
        simulator.state.refresh(tokens.refresh)


@pytest.mark.parametrize(
    ("account", "host", "region", "arn", "status"),
    [
        (SOCIAL, "runtime", "us-east-1", None, 400),
        (SOCIAL, "runtime", "us-east-1", ORGANISATION, 400),
        (SOCIAL, "q", "us-east-1", PROFILE, 200),
        (BUILDER, "runtime", "us-east-1", BUILDER_PROFILE, 200),
        (BUILDER, "runtime", "us-east-1", None, 400),
        (BUILDER, "q", "us-east-1", None, 200),
        (BUILDER, "q", "us-east-1", BUILDER_PROFILE, 403),
        (
            Account("o", "organisation", profile=ORGANISATION),
            "q",
            "eu-central-1",
            ORGANISATION,
            200,
        ),
        (MEMBER, "q", "us-east-1", ORGANISATION, 400),
        (WITH_KEY, "runtime", "us-east-1", None, 200),
        (WITH_KEY, "runtime", "us-east-1", PROFILE, 403),
    ],
)
def test_every_kind_of_login_has_its_rule_for_profiles(
    simulator: KiroSimulator, account: Account, host: str, region: str, arn: str | None, status: int
) -> None:
    simulator.state.add_account(account)
    tokens = simulator.state.log_in(account.id)
    headers = headers_of(tokens.access, x_amzn_kiro_profile_arn=arn or "")
    if arn is None:
        del headers["x-amzn-kiro-profile-arn"]
    if account.kind == "api-key":
        headers["tokentype"] = "API_KEY"
    sent = body() | {"profileArn": arn}
    if arn is None:
        del sent["profileArn"]
    path = f"{simulator.url}/{host}/{region}/"
    assert httpx.post(path, content=dumps(sent), headers=headers).status_code == status


def test_suspended_and_used_up_accounts(simulator: KiroSimulator) -> None:
    account = simulator.state.add_account(Account("x", suspended=True, used=50, limit=50))
    bearer = f"Bearer {simulator.state.log_in(account.id).access}"
    assert send(simulator, body(), authorization=bearer).json()["reason"] == "TEMPORARILY_SUSPENDED"
    account.suspended = False
    assert send(simulator, body(), authorization=bearer).json()["reason"] == "MONTHLY_REQUEST_COUNT"
    account.overages = True
    assert send(simulator, body(), authorization=bearer).status_code == 200


# Questions about the account, and the search


def asked(
    simulator: KiroSimulator, recorded: JsonObject, account: Account | None = None
) -> JsonObject:
    """The answer to a recorded question about the account."""
    tokens = simulator.state.log_in((account or simulator.account).id)
    kept = {key: value for key, value in headers_of(tokens.access).items() if "agent" in key}
    given: dict[str, str] = recorded.get("headers", {})
    headers = {**kept, **given, "authorization": f"Bearer {tokens.access}"}
    sent = dumps(recorded["body"]) if "body" in recorded else b""
    address = address_of(simulator, recorded["url"])
    response = httpx.request(recorded["method"], address, content=sent, headers=headers)
    assert response.status_code == 200, response.text
    return loads_object(response.content)


def test_the_model_list_comes_in_pages(
    simulator: KiroSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = document("list-available-models")
    listed = asked(simulator, recorded["request"])["models"]
    assert listed[:-1] == recorded["response"]["body"]["models"]
    assert asked(simulator, recorded["request_legacy"])["models"] == listed

    monkeypatch.setattr(simulator.state, "page", len(listed) - 1)
    first = asked(simulator, recorded["request"])
    more = recorded["request"]["body"] | {"nextToken": first["nextToken"]}
    second = asked(simulator, recorded["request"] | {"body": more})
    assert first["models"] + second["models"] == listed
    assert "nextToken" not in second
    assert simulator.violations == []


def test_usage_is_that_of_the_account(simulator: KiroSimulator) -> None:
    limits = asked(simulator, document("get-usage-limits")["request"])
    assert limits["usageBreakdownList"][0]["currentUsageWithPrecision"] == simulator.account.used
    assert limits["userInfo"]["email"] == simulator.account.email


def test_profiles_are_those_of_a_region(simulator: KiroSimulator) -> None:
    account = simulator.state.add_account(Account("o2", "organisation", profile=ORGANISATION))
    request = document("list-available-profiles")["requests"][1]
    assert asked(simulator, request, account) == {"profiles": []}
    there = request | {"url": "https://management.eu-central-1.kiro.dev/List-Available-Profiles"}
    assert asked(simulator, there, account)["profiles"][0]["arn"] == ORGANISATION


def test_the_search_finds_a_page(simulator: KiroSimulator) -> None:
    recorded = document("mcp-web-search")
    answer: Any = asked(simulator, recorded["request"])["result"]
    found: Any = loads(answer["content"][0]["text"])
    assert found["results"][0]["url"] == "https://example.com/found"
    assert simulator.searches == ["example"]
    simulator.search_fault = "tool-error"
    assert asked(simulator, recorded["request"])["result"]["isError"] is True


# Logins


def test_the_portal_gives_a_code_that_works_once(
    simulator: KiroSimulator, http: httpx.Client
) -> None:
    verifier = "dGVzdC12ZXJpZmllci0zMi1ieXRlcy1maXh0dXJlLTA"
    digest = hashlib.sha256(verifier.encode()).digest()
    query = {
        "state": "s",
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
        "redirect_uri": "http://localhost:3128",
        "redirect_from": "kirocli",
    }
    callback = http.get("/signin", params=query).headers["location"]
    given = {key: value[0] for key, value in parse_qs(urlsplit(callback).query).items()}
    assert (given["login_option"], given["state"]) == ("google", "s")
    back = "http://localhost:3128/oauth/callback?login_option=google"
    sent = {"code": given["code"], "code_verifier": verifier, "redirect_uri": back}
    granted = http.post("/auth/us-east-1/oauth/token", json=sent).json()
    assert simulator.state.account_of(granted["accessToken"]) is (
        simulator.state.account_with("social")
    )
    assert granted["profileArn"] == PROFILE
    again = http.post("/auth/us-east-1/oauth/token", json=sent)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")

    callback = http.get("/signin", params=query).headers["location"]
    sent["code"] = parse_qs(urlsplit(callback).query)["code"][0]
    sent["redirect_uri"] = "http://localhost:3128"
    bare = http.post("/auth/us-east-1/oauth/token", json=sent)
    assert (bare.status_code, bare.json()) == (500, {"message": "Oops, something went wrong."})
    assert simulator.login.violations.pop().startswith("the exchange names another address")


def test_a_social_login_is_renewed_and_rotates(
    simulator: KiroSimulator, http: httpx.Client
) -> None:
    tokens = simulator.state.log_in(simulator.account.id)
    path, sent = "/auth/us-east-1/refreshToken", {"refreshToken": tokens.refresh}
    assert http.post(path, json=sent).json()["refreshToken"] != tokens.refresh
    dead = http.post(path, json=sent)
    assert (dead.status_code, dead.json()["error"]) == (400, "invalid_grant")


def test_a_device_login_at_kiro(simulator: KiroSimulator, http: httpx.Client) -> None:
    recorded = document("auth-social-device")
    simulator.login.device_answers.append("authorization_pending")
    path = "/auth/us-east-1/oauth/device"
    begun = http.post(f"{path}/authorization", json=recorded["start"]["request"]["body"]).json()
    assert begun.keys() == recorded["start"]["response"]["body"].keys()
    sent = {"clientId": "kiro-cli", "deviceCode": begun["deviceCode"]}
    answers = [http.post(f"{path}/poll", json=sent).json() for _ in range(3)]
    assert [one["status"] for one in answers] == ["authorization_pending", "success", "expired"]
    expected = recorded["poll"]["responses"][1]["body"].keys()
    assert answers[1].keys() == expected


def test_a_device_login_at_aws(simulator: KiroSimulator, http: httpx.Client) -> None:
    recorded = document("auth-oidc")
    simulator.state.add_account(Account("b2", "builder"))
    root = "/oidc/us-east-1"
    sent = recorded["register_device"]["request"]["body"]
    client = http.post(f"{root}/client/register", json=sent).json()
    assert client.keys() == recorded["register_device"]["response"]["body"].keys()
    known = {key: client[key] for key in ("clientId", "clientSecret")}
    start = known | {"startUrl": "https://view.awsapps.com/start"}
    begun = http.post(f"{root}/device_authorization", json=start).json()
    assert begun.keys() == recorded["device_authorization"]["response"]["body"].keys()
    other = http.post(f"{root}/device_authorization", json=known | {"startUrl": START_URL})
    assert other.status_code == 400

    simulator.login.device_answers.append("slow_down")
    poll = known | {"grantType": DEVICE, "deviceCode": begun["deviceCode"]}
    slower = http.post(f"{root}/token", json=poll)
    assert slower.headers["x-amzn-errortype"] == "SlowDownException"
    granted = http.post(f"{root}/token", json=poll).json()
    renew = known | {"grantType": "refresh_token", "refreshToken": granted["refreshToken"]}
    assert http.post(f"{root}/token", json=renew).json()["accessToken"].startswith("aoa")
    wrong = http.post(f"{root}/token", json=renew | {"clientSecret": "x"})
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    form = http.post(f"{root}/token", data=renew)
    assert (form.status_code, form.json()["error"]) == (400, "invalid_request")
    assert "the body is no JSON" in simulator.login.violations.pop()
