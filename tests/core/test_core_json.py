"""The JSON boundary: what is taken, what is refused, and what is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_core.json import DocumentStream, dumps, dumps_text, dumps_texts, loads, loads_object
from support.about import each

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


@given(value=VALUES)
def test_loads_undoes_dumps(value: object) -> None:
    assert loads(dumps(value)) == value
    assert loads(dumps_text(value)) == value


@given(
    texts=st.lists(
        st.text() | st.sampled_from(['"', "\\", "\U0010ffff", "a\U0010ffff"]), min_size=1
    )
)
def test_texts_written_together_are_those_written_one_by_one(texts: list[str]) -> None:
    assert dumps_texts(texts, b"}\n{") == b"}\n{".join(dumps(text) for text in texts)


def test_writes_compact_utf8_in_the_order_given() -> None:
    assert dumps({"b": ["ü", 1], "a": None}) == '{"b":["ü",1],"a":null}'.encode()


def test_writes_one_line_whatever_the_text() -> None:
    """Server-sent events depend on it."""
    assert b"\n" not in dumps({"text": "a\nb\rc"}) and b"\r" not in dumps({"text": "a\nb\rc"})


def test_keeps_the_order_of_keys() -> None:
    assert list(loads(b'{"b":1,"a":2}')) == ["b", "a"]


def test_keeps_integers_of_any_size() -> None:
    assert loads(b"123456789012345678901234567890") == 123456789012345678901234567890


@each(
    "document", [b"", b"{", b"{'a':1}", b"[1,]", b"nul", b"NaN", b"Infinity", b'{"a":1} x', b"\xff"]
)
def test_refuses_what_is_no_json(document: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        loads(document)


@each(
    "document, expected",
    [
        (rb'"a\ud83d"', "a\ufffd"),
        (rb'"\ude00b"', "\ufffdb"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (rb'["\ud83d", "\ud83d\ude00"]', ["\ufffd", "\U0001f600"]),
        (rb'{"k\ud83d": {"v": "\ud83d"}}', {"k\ufffd": {"v": "\ufffd"}}),
    ],
)
def test_half_a_surrogate_pair_does_not_lose_the_turn(document: bytes, expected: object) -> None:
    """JavaScript clients cut strings at any UTF-16 unit."""
    assert loads(document) == expected


@each(
    "document, expected",
    [
        (rb'"\\ud83d \ud83d"', "\\ud83d \ufffd"),
        (rb'"\ud83d\\ude00"', "\ufffd\\ude00"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"),
        ('"a\ud83d"', "a\ufffd"),
    ],
)
def test_only_the_half_pair_is_replaced(document: bytes | str, expected: str) -> None:
    assert loads(document) == expected


@pytest.mark.parametrize("inner", [rb'"\ud83d"', b'"x"'], ids=["half pair", "text"])
def test_refuses_what_is_nested_too_deep(inner: bytes) -> None:
    with pytest.raises(ValueError, match="recursion limit"):
        loads(b"[" * 100_000 + inner + b"]" * 100_000)


@pytest.mark.parametrize("rest", [rb"NaN]", rb"1] x", b"'\xff']"])
def test_half_a_pair_excuses_nothing_else(rest: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        loads(rb'["\ud83d",' + rest)


def test_a_number_beyond_all_floats_is_written_as_null() -> None:
    """As JavaScript does it: the codec reads it as infinity, for which JSON has no word."""
    value = loads(b'{"most":1e999,"least":-1e999,"large":1e308}')
    assert dumps(value) == b'{"most":null,"least":null,"large":1e+308}'
    assert dumps_text(value) == '{"most":null,"least":null,"large":1e+308}'


def test_a_stream_of_documents_joins_what_was_torn_in_any_field() -> None:
    documents = DocumentStream()
    first = documents.loads(rb'{"a":["x\ud83d","y"],"b":"z\ud83e","k\ud83d":1}')
    between = documents.loads(b'{"type":"ping"}')
    second = documents.loads(rb'{"a":["\ude00!","\ude00"],"b":"\udd16"}')
    assert first == {"a": ["x", "y"], "b": "z", "k\ufffd": 1}
    assert between == {"type": "ping"}
    assert second == {"a": ["\U0001f600!", "\ufffd"], "b": "\U0001f916"}


@each(
    "document",
    [b"{", rb'["\ud83d",NaN]', rb'["\ud83d"', b"[" * 100_000 + rb'"\ud83d"' + b"]" * 100_000],
)
def test_a_stream_of_documents_refuses_what_is_no_json(document: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        DocumentStream().loads(document)


def test_an_object_may_be_asked_for() -> None:
    assert loads_object(b'{"a":1}') == {"a": 1}


@each("document", [b"[]", b"null", b'"{}"', b"1"])
def test_anything_else_is_no_object(document: bytes) -> None:
    with pytest.raises(ValueError, match="expected a JSON object"):
        loads_object(document)
