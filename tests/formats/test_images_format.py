"""The images API: what it reads, and the pictures it answers with."""

from base64 import b64decode
from typing import Any

import pytest

from gateway_core.content import HostedCall, Media, Message, Text
from gateway_core.errors import GatewayError, InvalidRequest, Unsupported, UpstreamProtocol
from gateway_core.events import StopReason, Usage
from gateway_core.formats.images import (
    Order,
    body_of_form,
    image_model,
    images_body,
    read_edit,
    read_request,
    use_image_model,
)
from gateway_core.json import JsonObject
from gateway_core.multipart import FormField
from gateway_core.parts import Response
from gateway_core.request import HostedTool, ToolChoice
from support.about import each
from support.pictures import GIF_BASE64, PNG_BASE64


def ordered(**fields: Any) -> Order:
    return read_request({"prompt": "A red dot", **fields})


def tool_of(order: Order) -> HostedTool:
    (tool,) = order.request.tools
    assert isinstance(tool, HostedTool)
    return tool


def notices_of(order: Order) -> list[str]:
    return [f"{notice.code}: {notice.message}" for notice in order.request.notices]


def drawn(
    data: str = PNG_BASE64, prompt: str = '{"prompt":"One red dot"}', **told: Any
) -> Response:
    result = {"media_type": "image/png", "data": data}
    extras = {"responses": told} if told else None
    return Response([HostedCall("ig_1", "image_generation", prompt, result, extras=extras)])


# --- the order -------------------------------------------------------------------------------


def test_the_prompt_is_a_message_and_the_tool_is_forced() -> None:
    order = ordered(model="gpt-image-2")
    assert order.request.model == "gpt-image-2"
    assert order.request.messages == [Message("user", [Text("A red dot")])]
    assert order.request.tools == [HostedTool("image_generation", "image_generation")]
    assert order.request.tool_choice == ToolChoice("tool", ["image_generation"])
    assert (order.count, order.request.stream, order.request.notices) == (1, False, [])


def test_options_go_to_the_tool() -> None:
    options = {
        "size": "1536x1024",
        "quality": "low",
        "background": "transparent",
        "output_format": "webp",
    }
    assert tool_of(ordered(**options)).options == options


def test_options_of_the_same_tool_in_the_responses_format_go_along() -> None:
    tool = tool_of(ordered(output_compression=50, moderation="low"))
    assert tool.options == {}
    assert tool.extras == {"responses": {"output_compression": 50, "moderation": "low"}}


@pytest.mark.parametrize(("old", "new"), [("standard", "auto"), ("hd", "high")])
def test_qualities_of_retired_models_are_translated(old: str, new: str) -> None:
    assert tool_of(ordered(quality=old)).options == {"quality": new}


def test_the_model_may_be_left_out() -> None:
    assert ordered().request.model == ""


@pytest.mark.parametrize(
    ("fields", "user"),
    [({"user": "u"}, "u"), ({"user": "u", "safety_identifier": "s"}, "s"), ({}, None)],
)
def test_the_user_is_known(fields: JsonObject, user: str | None) -> None:
    assert ordered(**fields).request.session.user == user


def test_null_counts_as_absent() -> None:
    absent = dict.fromkeys(["model", "n", "response_format", "size", "stream", "user", "style"])
    order = ordered(**absent)
    assert (order.count, tool_of(order).options, order.request.notices) == (1, {}, [])


def test_fields_without_effect_are_told() -> None:
    assert notices_of(ordered(style="vivid", frame_count=3)) == [
        "unknown_field: the field 'frame_count' is not known: left out",
        "ignored_field: the field 'style' has no effect here",
    ]


@pytest.mark.parametrize("count", [1, 10])
def test_several_pictures_can_be_ordered(count: int) -> None:
    assert ordered(n=count).count == count


PICTURE = {"image_url": f"data:image/png;base64,{PNG_BASE64}"}


def test_pictures_to_change_come_before_the_prompt() -> None:
    body = {"prompt": "Bluer", "images": [PICTURE, {"image_url": "https://example.com/a.png"}]}
    request = read_edit(body).request
    [message] = request.messages
    assert message.parts == [
        Media("image", type="image/png", data=PNG_BASE64),
        Media("image", url="https://example.com/a.png"),
        Text("Bluer"),
    ]
    assert request.notices == []


@each(
    "fields, param",
    [
        ({"images": None}, "images"),
        ({"images": []}, "images"),
        ({"images": [PICTURE] * 17}, "images"),
        ({"images": [7]}, "images[0]"),
        ({"images": [{}]}, "images[0].image_url"),
        ({"images": [PICTURE, {"file_id": "file-1"}]}, "images[1].file_id"),
        ({"mask": PICTURE}, "mask"),
        ({"prompt": ""}, "prompt"),
    ],
)
def test_what_is_wrong_with_an_edit_is_named(fields: JsonObject, param: str) -> None:
    with pytest.raises((InvalidRequest, Unsupported)) as caught:
        read_edit({"prompt": "Bluer", "images": [PICTURE], **fields})
    assert caught.value.param == param


def test_a_form_is_the_json_that_it_stands_for() -> None:
    form = [
        FormField("prompt", "Bläuer".encode()),
        FormField("n", b"2"),
        FormField("stream", b"false"),
        FormField("image[]", b64decode(PNG_BASE64)),
        FormField("image[]", b"\xff\xd8\xff\xe0"),
        FormField("mask", b"GIF89a"),
    ]
    body = body_of_form(form)
    assert [image["image_url"].partition(";")[0] for image in body.pop("images")] == [
        "data:image/png",
        "data:image/jpeg",
    ]
    assert body.pop("mask")["image_url"].startswith("data:image/gif;base64,")
    assert body == {"prompt": "Bläuer", "n": 2, "stream": False}


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ([], "image"),
        ([FormField("image", b"%PDF")], "image"),
        ([FormField("prompt", b"\xff")], "prompt"),
    ],
)
def test_what_is_wrong_with_a_form_is_named(form: list[FormField], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        body_of_form(form)
    assert caught.value.param == param


@each(
    "fields, param",
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": " "}, "prompt"),
        ({"prompt": 7}, "prompt"),
        ({"n": 0}, "n"),
        ({"n": 11}, "n"),
        ({"n": "2"}, "n"),
        ({"size": 1024}, "size"),
    ],
)
def test_what_is_wrong_is_named(fields: JsonObject, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ordered(**fields)
    assert caught.value.param == param
    assert caught.value.message.startswith(f"{param}: ")


@pytest.mark.parametrize(
    ("fields", "word"),
    [({"stream": True}, "stream"), ({"response_format": "url"}, "response_format: 'url'")],
)
def test_what_is_not_possible_is_refused_by_name(fields: JsonObject, word: str) -> None:
    with pytest.raises(Unsupported, match=word) as caught:
        ordered(**fields)
    assert caught.value.status == 400


# --- the image model -------------------------------------------------------------------------


@each("name", ["gpt-image-2", "gpt-image-1.5", "gpt-image-2.5-flare", "chatgpt-image-latest"])
def test_an_image_model_is_an_option_of_the_tool(name: str) -> None:
    order = ordered(model=name)
    assert image_model(name) == name
    use_image_model(order.request, name)
    assert tool_of(order).options == {"model": name}


def test_a_retired_image_model_is_replaced_with_a_notice() -> None:
    order = ordered(model="dall-e-3")
    assert image_model("dall-e-3") == "dall-e-3"
    use_image_model(order.request, "dall-e-3")
    assert tool_of(order).options == {}
    assert notices_of(order) == [
        "mapped_model: dall-e-3 was retired: the provider's image model was used"
    ]


@each("name", ["", "gpt-5.5", "my-gpt-image-2", "grok-imagine-image"])
def test_other_models_are_no_image_models_of_openai(name: str) -> None:
    assert image_model(name) is None


# --- the answer ------------------------------------------------------------------------------


def test_the_answer_is_what_the_sdk_reads() -> None:
    answer = drawn(quality="low", background="opaque", action="generate")
    answer.usage = Usage(input=20, output=300)
    assert images_body(ordered(), [answer], 1_700_000_000) == {
        "created": 1_700_000_000,
        "data": [{"b64_json": PNG_BASE64, "revised_prompt": "One red dot"}],
        "background": "opaque",
        "quality": "low",
        "output_format": "png",
        "size": "1x1",
        "usage": {
            "input_tokens": 20,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": 20},
            "output_tokens": 300,
            "total_tokens": 320,
        },
    }


def test_a_size_that_the_picture_does_not_tell_is_the_upstreams() -> None:
    assert images_body(ordered(), [drawn("AAAA", size="8x8")])["size"] == "8x8"


def test_a_picture_outside_a_call_is_one_too() -> None:
    answer = Response([Text("Here: "), Media("image", "image/gif", data=GIF_BASE64)])
    body = images_body(ordered(), [answer])
    assert body["data"] == [{"b64_json": GIF_BASE64}]
    assert body["output_format"] == "gif"


@each("arguments", ["", "{}", "no JSON", "[]", '{"prompt":7}'])
def test_a_prompt_that_is_not_told_is_left_out(arguments: str) -> None:
    body = images_body(ordered(), [drawn(prompt=arguments)])
    assert body["data"] == [{"b64_json": PNG_BASE64}]


def test_several_answers_are_several_pictures_and_one_sum() -> None:
    answers = [drawn(), drawn(GIF_BASE64)]
    for answer in answers:
        answer.usage = Usage(input=10, output=100)
    body = images_body(ordered(n=2), answers)
    assert [image["b64_json"] for image in body["data"]] == [PNG_BASE64, GIF_BASE64]
    assert body["usage"]["total_tokens"] == 220


def test_no_more_pictures_are_given_than_were_ordered() -> None:
    answer = Response([*drawn().parts, *drawn(GIF_BASE64).parts])
    assert len(images_body(ordered(), [answer])["data"]) == 1


def test_unknown_usage_is_left_out() -> None:
    assert "usage" not in images_body(ordered(), [drawn()])


@each(
    "parts, stop, error",
    [
        (
            [Text("I would\nrather not.")],
            "stop",
            InvalidRequest(
                "the model made no picture: I would rather not.", param="prompt", code="no_image"
            ),
        ),
        (
            [Text("No.", refusal=True)],
            "refusal",
            InvalidRequest(
                "the model made no picture: No.", param="prompt", code="moderation_blocked"
            ),
        ),
        (
            [],
            "refusal",
            InvalidRequest(
                "the model made no picture: it declined", param="prompt", code="moderation_blocked"
            ),
        ),
        (
            [HostedCall("ig_1", "image_generation", "{}")],
            "stop",
            UpstreamProtocol("the upstream was asked for a picture and sent none"),
        ),
    ],
)
def test_an_answer_without_a_picture_is_an_error(
    parts: list[Any], stop: StopReason, error: GatewayError
) -> None:
    with pytest.raises(type(error)) as caught:
        images_body(ordered(), [Response(parts, stop)])
    assert caught.value == error
