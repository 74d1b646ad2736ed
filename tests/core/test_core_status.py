"""What `gateway status` says of models and tokens."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from dirty_equals import IsStr
from pydantic import SecretStr

from gateway_core import Credential, Model
from gateway_core.status import LoginStatus, highlights, local_time, login_facts
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


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "JST-9")  # needs no database of zones
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone cannot be chosen here")
@pytest.mark.usefixtures("in_tokyo")
def test_a_time_beyond_the_local_clock_is_shown_in_utc() -> None:
    assert local_time(datetime(2030, 1, 1, 20, 15, tzinfo=UTC)) == "2030-01-02 05:15"
    assert local_time(datetime(9999, 12, 31, 23, 59, tzinfo=UTC)) == "9999-12-31 23:59 UTC"
