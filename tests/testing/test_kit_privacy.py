"""Area P: what is a secret, and that the kit itself tells none. The faults are in
`support.mutants.privacy`.
"""

import logging
from dataclasses import replace

import pytest

from gateway_core import ProviderInfo, hookimpl
from gateway_core.testing.credentials import fake_credential, secrets_of
from gateway_demo.plugin import DemoProvider
from support.about import each
from support.kit import judged
from support.mutants.base import Mutant, demo_subject
from support.mutants.keyed import KeyedDemo, KeyedSettings, keyed_subject
from support.mutants.privacy import MUTANTS


class KeyedByItsSettings(DemoProvider):
    """No login, but a secret in its settings."""

    @hookimpl
    def gateway_provider(self) -> ProviderInfo:
        return replace(super().gateway_provider(), settings=KeyedSettings)


CASES = ["P01", "P02", "P03", "P04", "P05"]


@pytest.mark.parametrize("case", CASES)
def test_a_provider_that_keeps_its_secrets_passes(case: str) -> None:
    assert judged(case, keyed_subject(KeyedDemo)).outcome == "passed"


@each("case", CASES)
def test_without_a_secret_there_is_nothing_to_keep(case: str) -> None:
    assert judged(case, demo_subject()).outcome == "skipped"


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_failure_does_not_tell_the_secret_itself(mutant: Mutant) -> None:
    subject = mutant.subject(mutant.plugin)
    result = judged(mutant.case, subject)
    assert result.outcome == "failed"
    told = result.explanation
    assert not any(secret in told for secret in [*secrets_of(subject.credential), "canary"])


@pytest.mark.parametrize("case", ["P01", "P03", "P05"])
def test_a_secret_setting_is_a_secret_without_a_login_too(case: str) -> None:
    subject = demo_subject(KeyedByItsSettings)
    subject.settings = {"proxy_key": "canary-proxy-key"}
    assert judged(case, subject).outcome == "passed"
    assert judged("P02", subject).outcome == "skipped"


def test_listening_leaves_the_logs_as_they_were() -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    judged("P03", keyed_subject(KeyedDemo))
    assert (root.level, list(root.handlers)) == before


def test_the_secrets_of_a_credential_are_canaries() -> None:
    credential = fake_credential("mine", "ann", secrets={"client": "canary-client"})
    assert secrets_of(credential) == ["canary-access-ann", "canary-refresh-ann", "canary-client"]
    assert secrets_of(None) == []
