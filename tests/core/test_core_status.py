"""Which models `gateway status` shows as a provider's strongest."""

import pytest

from gateway_core import Model
from gateway_core.status import highlights


@pytest.mark.parametrize(
    ("ids", "shown"),
    [
        (["gpt-5.2", "gpt-5.4-mini", "gpt-5.10", "gpt-5.4"], ["gpt-5.10", "gpt-5.4", "gpt-5.2"]),
        (
            ["claude-haiku-4-5", "claude-sonnet-4-5", "auto"],
            ["claude-sonnet-4-5", "auto", "claude-haiku-4-5"],
        ),
        (["only-mini"], ["only-mini"]),
        ([], []),
    ],
)
def test_full_size_models_come_first_then_higher_versions(ids: list[str], shown: list[str]) -> None:
    assert highlights([Model(id) for id in ids]) == shown
