"""Images."""

import hashlib
from base64 import b64decode, b64encode
from typing import Any

import pytest

from gateway_core import InvalidRequest, Media, Unsupported
from gateway_cursor.media import result_image, selected_image
from support.about import about
from support.cursor_asking import fixture
from support.pictures import GIF_BASE64, PNG_BASE64

PATH = "messages[0].content[1]"


def image(data: str | None = PNG_BASE64, type: str | None = "image/png", **more: Any) -> Media:
    return Media("image", type, data=data, **more)


def test_an_image_is_attached_as_in_the_fixture() -> None:
    context = fixture("c03").run_request.action.user_message_action.user_message.selected_context
    (expected,) = context.selected_images
    data = b64encode(expected.blob_id_with_data.data).decode()
    attached, raw = selected_image(image(data), PATH, 1)
    assert len(attached.uuid) == 36
    expected.uuid = attached.uuid
    assert attached == expected
    assert raw == b64decode(data)
    assert attached.blob_id_with_data.blob_id == hashlib.sha256(raw).digest()


def test_an_image_of_a_result_is_as_in_the_fixture() -> None:
    expected = fixture("c13").exec_client_message.mcp_result.success.content[1].image
    assert result_image(image(b64encode(expected.data).decode()), PATH) == expected


def test_the_format_is_the_one_that_the_bytes_show() -> None:
    attached, _ = selected_image(image(GIF_BASE64, "image/png"), PATH, 2)
    assert attached.path == "image-2.gif"
    assert attached.mime_type == "image/gif"
    webp = b64encode(b"RIFF\x10\x00\x00\x00WEBPVP8 ").decode()
    assert result_image(image(webp, None), PATH).mime_type == "image/webp"


def test_an_image_without_a_size_in_its_head_has_none() -> None:
    jpeg = b64encode(b"\xff\xd8\xff\xe0").decode()
    attached, _ = selected_image(image(jpeg, "image/jpg"), PATH, 1)
    assert attached.mime_type == "image/jpeg"
    assert not attached.HasField("dimension")


def test_other_images_are_refused_by_name() -> None:
    for media, words in [
        (image("AAAA", "image/tiff"), "image/tiff"),
        (image("AAAA"), "PNG, JPEG, GIF or WebP"),
        (image(None, url="https://example.com/a.png"), "by URL"),
        (image(None, file="file_1"), "by file id"),
    ]:
        with about(media):
            with pytest.raises(Unsupported, match=words) as refusal:
                selected_image(media, PATH, 1)
            assert refusal.value.param == PATH
            assert PATH in refusal.value.message


def test_an_image_that_is_no_base64_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no base64"):
        result_image(image("AAAAA"), PATH)
