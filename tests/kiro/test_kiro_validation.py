"""What the simulated service takes and what it refuses, rule by rule."""

from collections.abc import Iterator
from typing import Any

import pytest

from gateway_core.json import JsonObject
from simulators.kiro.catalogue import MODELS
from simulators.kiro.fixtures import document
from simulators.kiro.server import KiroSimulator
from simulators.kiro.validation import body_problems
from support.about import each
from support.kiro_requests import READ_FILE, assistant, body, result, send, use, user
from support.pictures import PDF_BASE64, PNG_BASE64

INVALID: list[JsonObject] = document("invalid-requests")


@pytest.fixture(scope="module")
def simulator() -> Iterator[KiroSimulator]:
    with KiroSimulator() as simulator:
        yield simulator


@pytest.mark.parametrize("recorded", INVALID, ids=lambda recorded: str(recorded["name"]))
def test_recorded_breaches_are_refused_in_the_recorded_words(
    simulator: KiroSimulator, recorded: JsonObject
) -> None:
    response = send(simulator, recorded["body"])
    assert (response.status_code, response.json()) == (recorded["status"], recorded["response"])
    assert simulator.requests[-1].violations
    assert simulator.requests[-1].status == recorded["status"]


def test_there_are_nineteen_of_them() -> None:
    assert len(INVALID) == 19


def problems(sent: JsonObject, *, signed: bool = True) -> list[str]:
    return [str(problem) for problem in body_problems(sent, MODELS, lambda reasoning: signed)]


def tool(name: str = "t", description: str = "d", **schema: Any) -> JsonObject:
    root = {"type": "object", "properties": {}, **schema}
    specification = {"name": name, "description": description, "inputSchema": {"json": root}}
    return {"toolSpecification": specification}


def with_media(**media: Any) -> JsonObject:
    message = user()
    message["userInputMessage"].update(media)
    return body(message)


def image(format: str = "png", data: str = PNG_BASE64) -> JsonObject:
    return {"format": format, "source": {"bytes": data}}


def paper(name: str = "notes", format: str = "pdf") -> JsonObject:
    return {"name": name, "format": format, "source": {"bytes": PDF_BASE64}}


CALLED = [user("Q"), assistant("A", use())]
FINE: dict[str, JsonObject] = {
    "a question": body(),
    "a history": body(user("Q"), assistant(), user()),
    "a blank answer": body(user("Q"), assistant(" "), user()),
    "a use and its result": body(*CALLED, user(toolResults=[result()], tools=[READ_FILE])),
    "results in the history": body(
        *CALLED, user(toolResults=[result()]), assistant(), user(tools=[READ_FILE])
    ),
    "a failed result": body(
        *CALLED, user(toolResults=[{**result(), "status": "error"}], tools=[READ_FILE])
    ),
    "a property named like a keyword": body(
        user(tools=[tool(properties={"additionalProperties": {"type": "string"}})])
    ),
    "a name of 64 letters": body(user(tools=[tool("x" * 64)])),
    "an image and a document": with_media(images=[image()], documents=[paper()]),
}


@each("name", FINE)
def test_what_is_taken(name: str) -> None:
    assert problems(FINE[name]) == []


REFUSED: dict[str, tuple[JsonObject, str]] = {
    "an unknown member": (body(temperature=1), "the body has an unknown member 'temperature'"),
    "a wrong shape": ({"conversationState": {"history": 1}}, "wrong shape"),
    "a conversation without an id": (
        {"conversationState": {**body()["conversationState"], "conversationId": "x"}},
        "conversationId is no UUID",
    ),
    "a NUL": (body(user("a\0b")), "NUL"),
    "two users in a row": (
        body(user(), user(), assistant(), user()),
        "history[1] should be one assistantResponseMessage",
    ),
    "an entry without a model": (
        body({"userInputMessage": {"content": "Q", "origin": "AI_EDITOR"}}, assistant(), user()),
        "messages[0] names no model",
    ),
    "an unknown origin": (
        body({"userInputMessage": {**user()["userInputMessage"], "origin": "ME"}}),
        "has the origin 'ME'",
    ),
    "an empty answer": (body(user("Q"), assistant(""), user()), "messages[1] has no content"),
    "text for the input of a tool": (
        body(
            user(),
            assistant("A", {**use(), "input": "{}"}),
            user(toolResults=[result()], tools=[READ_FILE]),
        ),
        "input is no object",
    ),
    "a malformed id": (
        body(
            user(),
            assistant("A", use("call:1")),
            user(toolResults=[result("call:1")], tools=[READ_FILE]),
        ),
        "a use with the id 'call:1'",
    ),
    "an id that comes twice": (
        body(
            *CALLED,
            user(toolResults=[result()]),
            assistant("A", use()),
            user(toolResults=[result()], tools=[READ_FILE]),
        ),
        "the id of an earlier one",
    ),
    "an empty result": (
        body(*CALLED, user(toolResults=[result(text="")], tools=[READ_FILE])),
        "a result with an empty text",
    ),
    "results in the first message": (
        body(user(toolResults=[result()], tools=[READ_FILE])),
        "a result of no use",
    ),
    "another tool than was used": (
        body(*CALLED, user(toolResults=[result()], tools=[tool()])),
        "uses 'read_file', which is not offered",
    ),
    "tools in the history": (
        body(user(tools=[tool()]), assistant(), user(tools=[tool()])),
        "messages[0] offers tools in the history",
    ),
    "a name that begins with a digit": (body(user(tools=[tool("1st")])), "the name '1st'"),
    "a long description": (
        body(user(tools=[tool(description="d" * 10_001)])),
        "a description of 10001 characters",
    ),
    "too many tools": (
        body(user(tools=[tool(f"t{number}") for number in range(121)])),
        "121 tools are too many",
    ),
    "a schema of a list": (body(user(tools=[tool(type="array")])), "is of no object"),
    "null for required": (body(user(tools=[tool(required=None)])), "an empty required"),
    "a keyword deep inside": (
        body(
            user(
                tools=[tool(properties={"a": {"type": "array", "items": {"required": []}}})],
            )
        ),
        "an empty required",
    ),
    "a keyword in an alternative": (
        body(user(tools=[tool(anyOf=[{"additionalProperties": True}])])),
        "additionalProperties",
    ),
    "a mislabelled image": (with_media(images=[image("jpeg")]), "mislabelled image"),
    "an image that is none": (with_media(images=[image(data="?")]), "an image without bytes"),
    "many images": (with_media(images=[image()] * 21), "too many images"),
    "a document with an ending": (
        with_media(documents=[paper("notes.pdf")]),
        "a document with the name 'notes.pdf'",
    ),
    "two documents of one name": (with_media(documents=[paper(), paper()]), "'notes' twice"),
    "a document of no format": (with_media(documents=[paper(format="zip")]), "the format 'zip'"),
    "an effort of another model": (
        body(
            {"userInputMessage": {**user()["userInputMessage"], "modelId": "claude-opus-4.8"}},
            additionalModelRequestFields={"output_config": {"effort": "none"}},
        ),
        "effort is 'none'",
    ),
    "an output limit out of bounds": (
        body(
            {"userInputMessage": {**user()["userInputMessage"], "modelId": "claude-opus-4.8"}},
            additionalModelRequestFields={"max_tokens": 100},
        ),
        "no number between 1024 and 64000",
    ),
}


@each("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    sent, words = REFUSED[name]
    assert any(words in problem for problem in problems(sent)), problems(sent)


def test_a_thought_that_was_not_signed_here_is_refused() -> None:
    reasoning = {"reasoningText": {"text": "Hm.", "signature": "foreign"}}
    sent = body(user(), assistant("A", reasoningContent=reasoning), user())
    assert problems(sent) == []
    assert problems(sent, signed=False) == ["messages[1] has a foreign signature"]


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"content_type": "application/json"}, "the content type"),
        ({"x_amzn_kiro_agent_mode": ""}, "there is no agent mode"),
        ({"tokentype": "API_KEY"}, "tokentype is 'API_KEY'"),
    ],
)
def test_headers_that_are_refused(
    simulator: KiroSimulator, headers: dict[str, str], words: str
) -> None:
    assert send(simulator, body(), **headers).status_code in (400, 403)
    assert words in simulator.requests[-1].violations[0]


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"user_agent": "python/3"}, "user-agent does not look like a client's"),
        ({"amz_sdk_invocation_id": "1"}, "the invocation has no id"),
        ({"x_amzn_codewhisperer_optout": "false"}, "may be used for training"),
        ({"x_amzn_kiro_profile_arn": "arn"}, "header and body name different profiles"),
    ],
)
def test_headers_that_are_only_noted(
    simulator: KiroSimulator, headers: dict[str, str], words: str
) -> None:
    assert send(simulator, body(), **headers).status_code == 200
    assert any(words in found for found in simulator.requests[-1].violations)


def test_a_profile_of_another_region_is_refused_without_a_word_of_why(
    simulator: KiroSimulator,
) -> None:
    response = send(simulator, body(), "/runtime/eu-central-1/")
    assert response.json() == {"message": "Improperly formed request.", "reason": None}
    assert simulator.requests[-1].violations == ["the profile is of another region"]


def test_the_older_host_refuses_an_origin_that_does_not_fit(simulator: KiroSimulator) -> None:
    message = {"userInputMessage": {**user()["userInputMessage"], "origin": "KIRO_CLI"}}
    response = send(simulator, body(message), "/q/us-east-1/")
    assert response.status_code == 403


def test_what_is_too_large_is_refused_and_no_breach(simulator: KiroSimulator) -> None:
    long = body(*[user("x" * 500_000), assistant()] * 3, user())
    assert send(simulator, long).json()["message"] == "Improperly formed request."
    shorter = body(*[user("x" * 500_000), assistant()] * 2, user())
    assert send(simulator, shorter).json()["reason"] == "CONTENT_LENGTH_EXCEEDS_THRESHOLD"
    assert [request.violations for request in simulator.requests[-2:]] == [[], []]
