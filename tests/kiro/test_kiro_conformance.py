"""The conformance kit, held against the Kiro plugin."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from gateway_core import Credential, UpstreamCall
from gateway_core.json import loads_object
from gateway_core.testing import ProviderConformance
from gateway_core.testing.subject import Subject
from gateway_core.testing.suite import CASES
from gateway_kiro.eventstream import encode_message
from gateway_kiro.plugin import KiroProvider
from support.kiro_asking import CREDENTIAL, messages_of
from support.kiro_vendor import KIRO_SETTINGS, BuilderVendor, KiroVendor
from support.kit import judged


class TestKiro(ProviderConformance):
    transcripts = Path(__file__).parent / "transcripts"
    unknown_event = encode_message(
        {":message-type": "event", ":event-type": "neverHeardOfEvent"}, b'{"a":1}'
    )

    end_marker = False  # HTTP tells a cut from an end; cut calls are noticed

    @pytest.fixture
    def provider(self) -> object:
        return KiroProvider

    @pytest.fixture
    def credential(self) -> Credential:
        return CREDENTIAL

    @pytest.fixture
    def settings(self) -> Mapping[str, object]:
        return KIRO_SETTINGS

    @pytest.fixture
    def vendor(self) -> type[KiroVendor]:
        return KiroVendor

    def conversation(self, call: UpstreamCall) -> Sequence[object]:
        """Without the tools, which stand with the latest message only."""
        messages = messages_of(loads_object(call.body))
        for message in messages:
            context = message.get("userInputMessageContext", {})
            context.pop("tools", None)
            if not context:
                message.pop("userInputMessageContext", None)
        return messages


@pytest.mark.parametrize("case", [case.id for case in CASES if case.id[0] in "LR"])
def test_a_builder_id_conforms_too(case: str) -> None:
    subject = Subject(
        make=KiroProvider, credential=CREDENTIAL, settings=KIRO_SETTINGS, vendor=BuilderVendor
    )
    result = judged(case, subject)
    assert result.outcome != "failed", result.explanation
