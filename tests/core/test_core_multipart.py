"""Form uploads: what goes in comes out, to the byte."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_core.errors import InvalidRequest
from gateway_core.multipart import is_form, read_form

NASTY = [b"", b"\r", b"\n", b"\r\n", b"a\r\n", b"\r\n--", b"--x--\r\n", b"\x85\x0b\x0c\x1c\xff\x00"]
CUT = b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\ncut'


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
    assert (prompt.filename, prompt.type) == (None, None)
    assert [field.data for field in read] == files
    assert {(field.name, field.type) for field in read} == {("image[]", "image/png")}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "multipart/form-data; boundary=x"),
        (b"--x\r\n\r\nno name\r\n--x--", "multipart/form-data; boundary=x"),
        (b"--y\r\n\r\n\r\n--y--", "multipart/form-data; boundary=x"),
        (b"--x--", "multipart/form-data"),
        (CUT, "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data; boundary=\r\nx"),
    ],
)  # fmt: skip
def test_what_is_no_form_is_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(InvalidRequest):
        read_form(body, content_type)


def test_too_many_fields_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="more than 200"):
        read_form(*form(*[b"x"] * 200))


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("multipart/form-data; boundary=x", True),
        ("Multipart/Form-Data;boundary=x", True),
        ("application/json", False),
        ("", False),
    ],
)
def test_forms_are_told_by_their_type(content_type: str, expected: bool) -> None:
    assert is_form(content_type) is expected
