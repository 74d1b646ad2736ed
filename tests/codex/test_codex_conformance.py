"""The Codex provider conforms, and the transcripts that prove it are what its simulator says."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway_codex.plugin import CodexProvider
from gateway_core import Credential
from gateway_core.testing import ProviderConformance, fake_credential, load_transcripts
from support.about import each
from support.codex_transcripts import ANSWERS, ERRORS, performed, refused
from support.codex_vendor import CODEX_SETTINGS, CodexVendor

TRANSCRIPTS = Path(__file__).parent / "transcripts"
KEPT = {f"{item.name}.{item.suffix}": item for item in load_transcripts(TRANSCRIPTS)}


class TestCodex(ProviderConformance):
    """The whole kit."""

    transcripts = TRANSCRIPTS

    @pytest.fixture
    def provider(self) -> type[CodexProvider]:
        return CodexProvider

    @pytest.fixture
    def credential(self) -> Credential:
        return fake_credential("codex")

    @pytest.fixture
    def settings(self) -> Mapping[str, object]:
        return CODEX_SETTINGS

    @pytest.fixture
    def vendor(self) -> type[CodexVendor]:
        return CodexVendor


@each("name", ANSWERS)
def test_a_transcript_is_what_the_backend_streams(name: str) -> None:
    assert KEPT[name].data == performed(ANSWERS[name])


@each("name", ERRORS)
def test_a_transcript_is_what_the_backend_refuses_with(name: str) -> None:
    assert (KEPT[name].status, KEPT[name].data) == refused(ERRORS[name])


def test_every_transcript_has_its_script() -> None:
    assert KEPT.keys() == ANSWERS.keys() | ERRORS.keys()
