"""When a provider that refused may be asked again."""

import pytest

from gateway_core.batches.patience import Patience, is_refusal
from gateway_core.errors import (
    Forbidden,
    GatewayError,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    UpstreamFailed,
)

NOW = 1000.0


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (RateLimited("slow"), True),
        (Overloaded("busy"), True),
        (QuotaExhausted("used up", retry_after=60), True),
        (QuotaExhausted("used up"), False),
        (UpstreamFailed("broken"), False),
        (Forbidden("no"), False),
    ],
)
def test_only_what_ends_by_itself_is_waited_out(error: GatewayError, refusal: bool) -> None:
    assert is_refusal(error) is refusal


@pytest.mark.parametrize(
    ("says", "seconds"), [(30, 30.0), (None, 5.0), (0, 5.0), (100_000, 3600.0)]
)
def test_a_provider_is_held_for_as_long_as_it_says(says: float | None, seconds: float) -> None:
    patience = Patience()
    patience.refused("p", RateLimited("slow", retry_after=says), NOW)
    assert patience.next_end(NOW) == NOW + seconds
    assert patience.held(NOW + seconds - 0.1) == {"p"}
    assert patience.held(NOW + seconds) == set()
    assert patience.next_end(NOW + seconds) is None


def test_the_pause_doubles_until_an_answer_comes() -> None:
    patience, now, pauses = Patience(), NOW, []
    for _ in range(8):
        patience.refused("p", RateLimited("slow"), now)
        end = patience.next_end(now)
        assert end is not None
        pauses.append(end - now)
        now = end
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300]
    patience.answered("p")
    patience.refused("p", RateLimited("slow"), now)
    assert patience.next_end(now) == now + 5


def test_what_is_refused_together_counts_once() -> None:
    patience = Patience()
    for _ in range(4):
        patience.refused("p", RateLimited("slow"), NOW)
    assert patience.next_end(NOW) == NOW + 5


def test_a_shorter_word_does_not_end_a_longer_one() -> None:
    patience = Patience()
    patience.refused("p", RateLimited("slow", retry_after=60), NOW)
    patience.refused("p", RateLimited("slow", retry_after=1), NOW)
    patience.refused("q", RateLimited("slow", retry_after=20), NOW)
    assert patience.held(NOW + 30) == {"p"}
    assert patience.next_end(NOW) == NOW + 20
