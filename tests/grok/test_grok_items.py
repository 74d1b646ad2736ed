"""What the history of a conversation becomes: items, calls in pairs, pictures and files."""

from typing import Any

import pytest

from gateway_core import Foreign, JsonObject, Message, Request, Seal, Text
from gateway_core.content import HostedCall, Media, Part, Reasoning, ToolCall, ToolResult
from gateway_core.errors import Unsupported
from gateway_core.formats.responses import read_request
from gateway_core.pairing import ABORTED
from gateway_core.seals import pack
from gateway_grok.settings import GrokSettings
from support.about import each
from support.grok_asking import asked, hello, translated
from support.pictures import GIF_BASE64, PNG_BASE64

SCOPE = translated(hello()).state.scope


def items(*messages: Message) -> list[JsonObject]:
    found: list[JsonObject] = asked(Request("m", [*messages]))["input"]
    return found


def said(*parts: Part) -> Message:
    return Message("assistant", [*parts])


def told(*parts: Part) -> Message:
    return Message("user", [*parts])


def user(text: str) -> JsonObject:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def assistant(text: str) -> JsonObject:
    content = [{"type": "output_text", "text": text}]
    return {"type": "message", "role": "assistant", "content": content}


def call(id: str, name: str = "run") -> JsonObject:
    return {"type": "function_call", "call_id": id, "name": name, "arguments": "{}"}


def output(id: str, output: Any) -> JsonObject:
    return {"type": "function_call_output", "call_id": id, "output": output}


def test_reasoning_of_the_account_is_replayed() -> None:
    thought = Reasoning("Hm.", Seal("grok", "q0Xh", "rs_1", SCOPE))
    assert items(said(thought, Text("Hi")), told(Text("Go on")))[0] == {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "Hm."}],
        "encrypted_content": "q0Xh",
    }


@each(
    "seal",
    [
        None,
        Seal("codex", "gAAAA", "rs_1"),
        Seal("responses", "gAAAA"),
        Seal("grok", "q0Xh", "rs_1", "another-scope"),
    ],
)
def test_any_other_reasoning_stays_behind(seal: Seal | None) -> None:
    assert items(said(Reasoning("Hm.", seal), Text("Hi"))) == [assistant("Hi")]


def test_reasoning_comes_back_through_a_client() -> None:
    sealed = pack(Seal("grok", "q0Xh", "rs_1", SCOPE))
    item: JsonObject = {
        "type": "reasoning",
        "id": "rs_ours",
        "status": "completed",
        "content": None,
        "summary": [],
        "encrypted_content": sealed,
    }
    body = {"model": "m", "input": [item, {"role": "user", "content": "Hi"}]}
    first = asked(read_request(body, {}))["input"][0]
    assert first == {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [],
        "encrypted_content": "q0Xh",
    }


def test_messages_of_other_services_lose_what_is_theirs() -> None:
    message = {
        "type": "message",
        "id": "msg_theirs",
        "status": "completed",
        "phase": "commentary",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}],
    }
    assert asked(read_request({"model": "m", "input": [message]}, {}))["input"] == [assistant("Hi")]


def test_a_refusal_is_told_as_words() -> None:
    assert items(said(Text("I will not.", refusal=True))) == [assistant("I will not.")]


# --- calls --------------------------------------------------------------------------------------


def test_calls_and_results_stand_in_pairs() -> None:
    found = items(
        said(ToolCall("a", "run", "{}"), ToolCall("b", "run", "")),
        told(ToolResult("b", [Text("two")]), ToolResult("a", [Text("one")])),
    )
    assert found == [call("a"), call("b"), output("a", "one"), output("b", "two")]


def test_a_call_that_nobody_answered_is_answered() -> None:
    found = items(said(ToolCall("a", "run", "{}")), told(Text("Never mind")))
    assert found == [call("a"), output("a", ABORTED), user("Never mind")]


def test_a_result_without_its_call_becomes_words() -> None:
    (found,) = items(told(ToolResult("a", [Text("sun")])))
    assert found["content"][0]["text"].endswith("no longer part of this conversation]\nsun")


def test_a_result_that_comes_twice_counts_once() -> None:
    found = items(
        said(ToolCall("a", "run", "{}")),
        told(ToolResult("a", [Text("one")]), ToolResult("a", [Text("again")])),
    )
    assert found == [call("a"), output("a", "one")]


def test_ids_that_are_counted_anew_are_told_apart() -> None:
    turn = (said(ToolCall("call_0", "run", "{}")), told(ToolResult("call_0", [Text("ok")])))
    found = items(*turn, *turn)
    assert [item["call_id"] for item in found] == ["call_0", "call_0", "call_0_2", "call_0_2"]


def test_pictures_in_results_stay_there() -> None:
    picture = Media("image", "image/png", data=PNG_BASE64)
    found = items(said(ToolCall("a", "look", "{}")), told(ToolResult("a", [Text("Here"), picture])))
    assert found[1]["output"] == [
        {"type": "input_text", "text": "Here"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG_BASE64}"},
    ]


# --- pictures and files -------------------------------------------------------------------------


@each(
    "media, part",
    [
        (
            Media("image", url="https://a.example/x.webp", extras={"responses": {"detail": "low"}}),
            {"type": "input_image", "image_url": "https://a.example/x.webp", "detail": "low"},
        ),
        (
            Media("image", url="https://a.example/x", extras={"responses": {"detail": "original"}}),
            {"type": "input_image", "image_url": "https://a.example/x"},
        ),
        (
            Media("image", "image/jpeg", data="/9j/"),
            {"type": "input_image", "image_url": "data:image/jpeg;base64,/9j/"},
        ),
        (
            Media("document", url="https://a.example/a.pdf", name="a.pdf"),
            {"type": "input_file", "file_url": "https://a.example/a.pdf"},
        ),
        (Media("document", file="file_1"), {"type": "input_file", "file_id": "file_1"}),
    ],
)
def test_media_that_xai_takes(media: Media, part: JsonObject) -> None:
    assert items(told(media))[0]["content"] == [part]


@each(
    "media, word",
    [
        (Media("image", "image/gif", data=GIF_BASE64), "not as image/gif"),
        (Media("image", file="file_1"), "not a file id"),
        (Media("document", "application/pdf", data="JVBERi0="), "files by URL"),
        (Media("audio", "audio/wav", data="UklG"), "input_audio"),
    ],
)
def test_media_that_xai_does_not_take_are_refused_by_name(media: Media, word: str) -> None:
    with pytest.raises(Unsupported, match=word):
        items(told(media))


# --- hosted calls and items of the format -------------------------------------------------------


def test_a_search_in_the_history_is_told() -> None:
    search = HostedCall(
        "ws_1", "web_search", '{"query":"news"}', {"sources": [{"url": "https://a.example"}]}
    )
    assert items(said(search, Text("News.")))[0] == {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {
            "type": "search",
            "query": "news",
            "sources": [{"type": "url", "url": "https://a.example"}],
        },
    }


def test_hosted_calls_that_say_nothing_to_xai_are_left_out() -> None:
    silent = [HostedCall("s", "web_search", ""), HostedCall("c", "code_execution", "{}", {})]
    assert items(said(*silent, Text("Done."))) == [assistant("Done.")]


def test_a_picture_that_was_made_is_remembered_in_words() -> None:
    made = HostedCall(
        "ig", "image_generation", "{}", {"media_type": "image/png", "data": PNG_BASE64}
    )
    found = items(said(made))
    assert found == [assistant("[A picture was made here and shown to the user.]")]


def test_code_that_xai_ran_goes_back_as_it_came() -> None:
    ran = {"type": "code_interpreter_call", "id": "ci_1", "code": "1", "outputs": None}
    found = items(said(Foreign("responses", "code_interpreter_call", ran), Text("1")))
    assert found[0] == {"type": "code_interpreter_call", "id": "ci_1", "code": "1"}


def test_references_are_for_the_rail_that_stores() -> None:
    reference = {"type": "item_reference", "id": "msg_1"}
    message = said(Foreign("responses", "item_reference", reference))
    assert items(message, told(Text("Hi")))[0] == reference
    with pytest.raises(Unsupported, match="item_reference"):
        asked(Request("grok-4.5", [message]), settings=GrokSettings(rail="proxy"))


def test_the_result_of_a_call_that_is_only_referred_to_stays_a_result() -> None:
    reference = {"type": "item_reference", "id": "fc_1"}
    call = said(Foreign("responses", "item_reference", reference))
    found = items(call, told(ToolResult("call_1", [Text("sun")])))
    assert found == [reference, output("call_1", "sun")]


@pytest.mark.parametrize(
    ("kind", "namespace"), [("local_shell_call", "responses"), ("screenshot", "elsewhere")]
)
def test_items_that_xai_does_not_know_are_refused_by_name(kind: str, namespace: str) -> None:
    with pytest.raises(Unsupported, match=kind):
        items(said(Foreign(namespace, kind, {"type": kind})))


def test_tools_inside_of_the_input_are_promoted() -> None:
    tools = [{"type": "function", "name": "f"}]
    extra = {"type": "additional_tools", "role": "developer", "tools": tools}
    body = {"model": "m", "input": [extra, {"role": "user", "content": "Hi"}]}
    sent = asked(read_request(body, {}))
    assert [tool["name"] for tool in sent["tools"]] == ["f"]
    assert sent["input"] == [user("Hi")]
