"""The demo provider conforms, and the transcripts that prove it are what its upstream says."""

from pathlib import Path

import pytest

from gateway_core.testing import ProviderConformance, load_transcripts
from gateway_demo.plugin import DemoProvider
from support.about import each
from support.demo_scripts import SCRIPTS, performed

TRANSCRIPTS = Path(__file__).parent / "transcripts"


class TestDemo(ProviderConformance):
    """The whole kit."""

    transcripts = TRANSCRIPTS

    @pytest.fixture
    def provider(self) -> type[DemoProvider]:
        return DemoProvider


@each("name", SCRIPTS)
async def test_a_transcript_is_what_the_upstream_answers(name: str) -> None:
    (kept,) = (t for t in load_transcripts(TRANSCRIPTS) if f"{t.name}.{t.suffix}" == name)
    assert await performed(SCRIPTS[name]) == (kept.status, kept.data)


def test_every_transcript_has_its_script() -> None:
    kept = {f"{t.name}.{t.suffix}" for t in load_transcripts(TRANSCRIPTS)}
    assert kept == SCRIPTS.keys()
