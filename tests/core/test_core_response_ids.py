"""Ids of responses: the way back to a provider, the gateway's own, and those of nobody known."""

from gateway_core import Request
from gateway_core.content import Text
from gateway_core.events import Close, Delta, End, Open
from gateway_core.formats.responses import StreamWriter
from gateway_core.parts import collect
from gateway_core.response_ids import StoredId, is_bare, new_id, pack_id, unpack_id
from support.about import each


@each("provider", ["grok", "my-cloud", "x1"])
@each("upstream", ["resp_01", "0b1c-2d", "a_b_c", "ü/7", "two\nlines"])
def test_an_id_leads_back_to_its_keeper(provider: str, upstream: str) -> None:
    id = pack_id(provider, upstream)
    assert unpack_id(id) == StoredId(provider, upstream)
    assert not is_bare(id)


@each("id", ["resp_0123abcd", "0b1c-2d", "resp__x", "msg_grok_1", "resp_GROK_1", "grok_1"])
def test_any_other_id_may_be_one_of_an_upstream(id: str) -> None:
    assert unpack_id(id) is None
    assert is_bare(id)


@each("id", ["", ".", "..", "resp_grok_", "resp_grok_.."])
def test_what_is_a_step_in_a_path_is_nobodys(id: str) -> None:
    assert unpack_id(id) is None
    assert not is_bare(id)


def test_ids_that_the_gateway_makes_up_are_its_own() -> None:
    body = StreamWriter(Request("m", []), "m").body(
        collect([Open(0, Text("")), Delta(0, "Hi"), Close(0), End("stop")])
    )
    for id in (body["id"], new_id()):
        assert id.startswith("resp_")
        assert unpack_id(id) is None
        assert not is_bare(id)
