"""Ids of responses: the way back to a provider, the gateway's own, and those of nobody known."""

from gateway_core import Request
from gateway_core.content import Text
from gateway_core.events import Close, Delta, End, Open
from gateway_core.formats.responses import StreamWriter
from gateway_core.parts import collect
from gateway_core.response_ids import StoredId, is_own, new_id, pack_id, unpack_id
from support.about import each

PROVIDERS = ["grok", "my-cloud", "x1"]


@each("provider", PROVIDERS)
@each("upstream", ["resp_01", "0b1c-2d", "a_b_c", "ü/7"])
def test_an_id_leads_back_to_its_keeper(provider: str, upstream: str) -> None:
    assert unpack_id(pack_id(provider, upstream), PROVIDERS) == StoredId(provider, upstream)


@each(
    "id",
    [
        *("", "resp_", "resp_0123abcd", "resp__x", "resp_grok_", "msg_grok_1", "resp_grok_.."),
        *("resp_other_1", "resp_GROK_1", "grok_1"),
    ],
)
def test_any_other_id_names_nobody(id: str) -> None:
    assert unpack_id(id, PROVIDERS) is None


def test_ids_that_the_gateway_makes_up_are_its_own_and_name_nobody() -> None:
    body = StreamWriter(Request("m", []), "m").body(
        collect([Open(0, Text("")), Delta(0, "Hi"), Close(0), End("stop")])
    )
    for id in (body["id"], new_id()):
        assert is_own(id)
        assert unpack_id(id, PROVIDERS) is None


@each("id", ["", "resp_01", "resp_grok_" + "0" * 48, "resp_" + "0" * 47, "resp_" + "G" * 48])
def test_no_other_id_is_the_gateways_own(id: str) -> None:
    assert not is_own(id)
