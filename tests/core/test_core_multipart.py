"""Form uploads: what goes in comes out, to the byte."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_core.errors import InvalidRequest
from gateway_core.multipart import is_form, read_form
from support.about import each

NASTY = [b"", b"\r", b"\n", b"\r\n", b"a\r\n", b"\r\n--", b"--x--\r\n", b"\x85\x0b\x0c\x1c\xff\x00"]
HEAD = b'--x\r\ncontent-disposition: form-data; name="a"\r\n'


def form(*files: bytes) -> tuple[bytes, str]:
    """The bytes and the content type of an upload, as a client writes it."""
    request = httpx.Request(
        "POST",
        "http://gateway",
        data={"prompt": "Bläuer\r\nbitte"},
        files=[
            ("image[]", (f"{place}.png", data, "image/png")) for place, data in enumerate(files)
        ],
    )
    return request.read(), request.headers["content-type"]


@given(st.lists(st.binary() | st.sampled_from(NASTY), min_size=1, max_size=3))
def test_files_come_out_as_they_went_in(files: list[bytes]) -> None:
    prompt, *read = read_form(*form(*files))
    assert (prompt.name, prompt.text) == ("prompt", "Bläuer\r\nbitte")
    assert [field.data for field in read] == files
    assert {field.name for field in read} == {"image[]"}


@each("body, content_type", [
        (b"", "multipart/form-data; boundary=x"),
        (b"--x\r\n\r\nno name\r\n--x--", "multipart/form-data; boundary=x"),
        (b"--y\r\n\r\n\r\n--y--", "multipart/form-data; boundary=x"),
        (b"--x--", "multipart/form-data"),
        (b"", "multipart/form-data; boundary=\r\nx"),
        (HEAD + b"\r\ncut", "multipart/form-data; boundary=x"),
        (HEAD.replace(b"--x", b"--xy") + b"\r\n\r\n--x--", "multipart/form-data; boundary=x"),
        (HEAD + b"x: y\r\n" * 2000 + b"\r\n\r\n--x--", "multipart/form-data; boundary=x"),
    ])  # fmt: skip
def test_what_is_no_form_is_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(InvalidRequest):
        read_form(body, content_type)


def test_too_many_fields_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="more than 200"):
        read_form(*form(*[b"x"] * 200))


def test_a_form_of_nothing_but_line_ends_takes_no_time() -> None:
    """What goes line by line takes a minute."""
    data = b"\r\n" * 16_000_000
    _, picture = read_form(*form(data))
    assert picture.data == data


def test_what_is_before_and_after_the_form_is_left_alone() -> None:
    body = b"before\r\n" + HEAD + b"\r\nvalue\r\n--x-- \r\nafter"
    [field] = read_form(body, 'multipart/form-data; boundary="x"')
    assert (field.name, field.text) == ("a", "value")


@each(
    "content_type, expected",
    [
        ("multipart/form-data; boundary=x", True),
        ("Multipart/Form-Data;boundary=x", True),
        ("application/json", False),
        ("", False),
    ],
)
def test_forms_are_told_by_their_type(content_type: str, expected: bool) -> None:
    assert is_form(content_type) is expected
