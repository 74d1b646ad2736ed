"""The conformance kit, held against the Cursor plugin."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from gateway_core import Credential, Model, UpstreamCall
from gateway_core.testing import ProviderConformance
from gateway_core.testing.subject import Subject
from gateway_core.testing.suite import CASES
from gateway_cursor.connect import frame
from gateway_cursor.models import read_models
from gateway_cursor.plugin import CursorProvider
from gateway_cursor.settings import CursorSettings
from simulators.cursor.catalogue import available_models, usable_models
from support import cursor_asking
from support.about import about
from support.cursor_asking import CREDENTIAL
from support.cursor_vendor import CursorVendor, KeyVendor
from support.kit import judged


@pytest.fixture(autouse=True)
def polls_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kit has less patience than people who log in."""
    monkeypatch.setattr("gateway_cursor.login.FIRST_PAUSE", 0.01)


@cache
def live_models() -> Sequence[Model]:
    """A live list, which has efforts; read once for all cases."""
    return tuple(read_models(usable_models(), available_models(), CursorSettings()))


class TestCursor(ProviderConformance):
    transcripts = Path(__file__).parent / "transcripts"
    unknown_event = frame(b"\xba\x3e\x02\x08\x01")  # field 999 of the server's message

    @pytest.fixture
    def provider(self) -> object:
        return CursorProvider

    @pytest.fixture
    def credential(self) -> Credential:
        return CREDENTIAL

    @pytest.fixture
    def vendor(self) -> type[CursorVendor]:
        return CursorVendor

    @pytest.fixture
    def models(self) -> Sequence[Model]:
        return live_models()

    def readable(self, call: UpstreamCall) -> str:
        """What the blobs say too: the body has their ids only, and is held to them."""
        return cursor_asking.readable(call)

    def conversation(self, call: UpstreamCall) -> Sequence[object]:
        """The messages of the prompt, which are blobs as well."""
        return cursor_asking.conversation(call)


def test_an_api_key_conforms_too() -> None:
    for case in [case.id for case in CASES if case.id[0] in "LR"]:
        with about(case):
            subject = Subject(make=CursorProvider, credential=CREDENTIAL, vendor=KeyVendor)
            result = judged(case, subject)
            assert result.outcome != "failed", result.explanation
