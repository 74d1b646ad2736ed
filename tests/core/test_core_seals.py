"""Reasoning seals survive the trip through a client, and only their issuer sees them again."""

from hypothesis import given
from hypothesis import strategies as st

from gateway_core.content import Seal
from gateway_core.seals import PREFIX, pack, replayable, unpack
from support.about import each

ISSUERS = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
SEALS = st.builds(
    Seal,
    issuer=ISSUERS,
    data=st.text(),
    id=st.none() | st.text(min_size=1),
    scope=st.none() | st.text(min_size=1),
)


@given(seal=SEALS)
def test_unpack_undoes_pack(seal: Seal) -> None:
    assert unpack(pack(seal)) == seal


@given(seal=SEALS)
def test_a_packed_seal_is_one_printable_word(seal: Seal) -> None:
    packed = pack(seal)
    assert packed.startswith(f"{PREFIX}{seal.issuer}.")
    assert packed.isascii() and packed.isprintable() and " " not in packed


def test_equal_seals_pack_alike() -> None:
    """Prompt caches depend on it."""
    assert pack(Seal("codex", "data", "rs_1")) == pack(Seal("codex", "data", "rs_1"))


@each("text", ["", "ErcBCkgIARABGAIiQ", "gAAAAABk...", "gw2.codex.e30", "GW1.a.b"])
def test_a_foreign_string_is_no_seal(text: str) -> None:
    assert unpack(text) is None


@each(
    "text",
    [
        PREFIX,
        f"{PREFIX}codex",
        f"{PREFIX}codex.",
        f"{PREFIX}codex.!!!!",
        f"{PREFIX}codex.e30",  # {}
        f"{PREFIX}codex.W10",  # []
        f"{PREFIX}codex.bnVsbA",  # null
        f"{PREFIX}codex.//79",  # not UTF-8
    ],
)
def test_a_damaged_seal_is_no_seal(text: str) -> None:
    assert unpack(text) is None


@given(seal=SEALS, cut=st.integers(min_value=1, max_value=40))
def test_a_cut_seal_never_raises(seal: Seal, cut: int) -> None:
    damaged = unpack(pack(seal)[:-cut])
    assert damaged is None or isinstance(damaged, Seal)


@given(text=st.text())
def test_any_text_after_the_prefix_never_raises(text: str) -> None:
    seal = unpack(PREFIX + text)
    assert seal is None or isinstance(seal, Seal)


@each(
    "seal, expected",
    [
        (None, False),
        (Seal("codex", "d"), True),
        (Seal("codex", "d", scope="acc1"), True),
        (Seal("codex", "d", scope="acc2"), False),
        (Seal("grok", "d"), False),
        (Seal("grok", "d", scope="acc1"), False),
    ],
)
def test_a_seal_goes_back_to_its_issuer_and_account_only(seal: Seal | None, expected: bool) -> None:
    assert replayable(seal, "codex", "acc1") is expected


def test_a_bound_seal_needs_an_account() -> None:
    assert not replayable(Seal("codex", "d", scope="acc1"), "codex")
