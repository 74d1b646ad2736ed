"""What `gateway status` says of models and tokens."""

from datetime import UTC, datetime

from dirty_equals import IsStr
from pydantic import SecretStr

from gateway_core import Credential, Model
from gateway_core.status import LoginStatus, highlights, login_facts
from support.about import each


@each(
    "ids, shown",
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


def test_a_token_with_a_time_of_its_own_for_the_refresh_shows_it() -> None:
    login = LoginStatus("acme", "Acme", needed=True)
    login.credential = Credential(
        provider="acme",
        account="anna",
        access_token=SecretStr("t"),
        expires_at=datetime(2030, 1, 1, 0, 15, tzinfo=UTC),
        refresh_at=datetime(2030, 1, 1, 0, 8, tzinfo=UTC),
    )
    assert login_facts(login, datetime(2030, 1, 1, tzinfo=UTC))["token"] == {
        "expires_at": "2030-01-01T00:15:00+00:00",
        "expires_at_local": IsStr(),
        "remaining_seconds": 900,
        "refresh_at": "2030-01-01T00:08:00+00:00",
        "refresh_at_local": IsStr(),
        "refresh_in_seconds": 480,
    }
