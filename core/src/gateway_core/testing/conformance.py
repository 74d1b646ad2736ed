"""The kit as a pytest class: subclass it, say what is under test, inherit the suite."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cache, partial
from pathlib import Path
from typing import ClassVar

import pytest

from gateway_core.credentials.store import Credential
from gateway_core.provider import Model, UpstreamCall
from gateway_core.testing.case import Case
from gateway_core.testing.subject import Subject, conversation_in, readable_text
from gateway_core.testing.suite import CASES, run_case
from gateway_core.testing.transcripts import Transcript, load_transcripts
from gateway_core.testing.vendor import Vendor

__all__ = ["ProviderConformance"]


@pytest.mark.usefixtures("gateway_network_blocked")
class ProviderConformance:
    """Holds one provider to the contract.

    Override the fixture `provider`, and of the rest what applies; a case that was given too little
    is skipped and says what to give:

        class TestMine(ProviderConformance):
            transcripts = Path(__file__).parent / "transcripts"

            @pytest.fixture
            def provider(self) -> type[MyProvider]:
                return MyProvider

            @pytest.fixture
            def credential(self) -> Credential:
                return fake_credential("mine")

    transcripts: the folder with upstream answers; see `gateway_core.testing.transcripts`.
    waived: cases that are known not to hold, by id, each with the reason; they are skipped with it.
    unknown_event: bytes of an upstream event of a kind that does not exist, in the upstream's own
    framing; not needed where transcripts are `.sse` or `.jsonl`.
    end_marker: False where the upstream does not say when an answer is complete, so that between
    two events only the transport can tell a cut from the end.
    """

    transcripts: ClassVar[Path | None] = None
    waived: ClassVar[Mapping[str, str]] = {}
    unknown_event: ClassVar[bytes | None] = None
    end_marker: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if unknown := sorted(cls.waived.keys() - {case.id for case in CASES}):
            raise ValueError(
                f"{cls.__name__} waives {', '.join(unknown)}: the kit has no such cases"
            )

    @pytest.fixture
    def provider(self) -> object:
        """The plugin as its entry point names it: a class without arguments, or an object."""
        raise NotImplementedError("override the fixture `provider` to return your plugin's class")

    @pytest.fixture
    def credential(self) -> Credential | None:
        """A fake credential for a provider with a login; `fake_credential` makes one."""
        return None

    @pytest.fixture
    def settings(self) -> Mapping[str, object]:
        """The provider's settings table."""
        return {}

    @pytest.fixture
    def vendor(self) -> type[Vendor] | None:
        """What makes a fresh scripted vendor, to prove login and refresh with."""
        return None

    @pytest.fixture
    def models(self) -> Sequence[Model] | None:
        """Models to test with, for a provider that cannot list any without a network."""
        return None

    def readable(self, call: UpstreamCall) -> str:
        """All text that a call's body says, in the order of the conversation."""
        return readable_text(call)

    def conversation(self, call: UpstreamCall) -> Sequence[object]:
        """The turns that a call's body carries, oldest first."""
        return conversation_in(call)

    @pytest.fixture
    def subject(
        self,
        provider: object,
        credential: Credential | None,
        settings: Mapping[str, object],
        vendor: type[Vendor] | None,
        models: Sequence[Model] | None,
    ) -> Subject:
        """All of it, as the cases take it."""
        return Subject(
            make=provider if isinstance(provider, type) else partial(deepcopy, provider),
            credential=credential,
            settings=settings,
            transcripts=_transcripts(self.transcripts) if self.transcripts else (),
            vendor=vendor,
            unknown_event=self.unknown_event,
            end_marker=self.end_marker,
            readable=self.readable,
            conversation=self.conversation,
            listed=models,
        )

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_conforms(self, case: Case, subject: Subject) -> None:
        """One rule of the kit."""
        if case.id in self.waived:
            pytest.skip(f"waived: {self.waived[case.id]}")
        result = run_case(case, subject)
        if result.outcome == "skipped":
            pytest.skip(result.detail)
        if result.outcome == "failed":
            pytest.fail(result.explanation, pytrace=False)


@cache
def _transcripts(folder: Path) -> Sequence[Transcript]:
    """Read once for all cases."""
    return tuple(load_transcripts(folder))
