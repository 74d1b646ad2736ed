"""The conformance kit: what a plugin author runs against a plugin.

Subclass `ProviderConformance` in a test module for a provider, or run its cases without pytest
through `run_cases`; subclass `StateStoreConformance` for a place where state is kept. Names load on
first use, so that pytest's own start pays nothing for the kit.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway_core.testing.case import Case, NotApplicable, Result, Violation
    from gateway_core.testing.conformance import ProviderConformance
    from gateway_core.testing.conversations import CONVERSATIONS
    from gateway_core.testing.credentials import fake_credential
    from gateway_core.testing.stores import StateStoreConformance
    from gateway_core.testing.subject import Subject
    from gateway_core.testing.suite import CASES, run_case, run_cases
    from gateway_core.testing.transcripts import Transcript, load_transcripts
    from gateway_core.testing.vendor import KeyVendor, OAuthVendor, Vendor

_HOMES = {
    "CASES": "suite",
    "CONVERSATIONS": "conversations",
    "Case": "case",
    "KeyVendor": "vendor",
    "NotApplicable": "case",
    "OAuthVendor": "vendor",
    "ProviderConformance": "conformance",
    "Result": "case",
    "StateStoreConformance": "stores",
    "Subject": "subject",
    "Transcript": "transcripts",
    "Vendor": "vendor",
    "Violation": "case",
    "fake_credential": "credentials",
    "load_transcripts": "transcripts",
    "run_case": "suite",
    "run_cases": "suite",
}

__all__ = [
    "CASES",
    "CONVERSATIONS",
    "Case",
    "KeyVendor",
    "NotApplicable",
    "OAuthVendor",
    "ProviderConformance",
    "Result",
    "StateStoreConformance",
    "Subject",
    "Transcript",
    "Vendor",
    "Violation",
    "fake_credential",
    "load_transcripts",
    "run_case",
    "run_cases",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
