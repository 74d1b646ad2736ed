"""The usage ledger: how requests add up."""

from datetime import datetime, timedelta

from gateway_core.state.store import UsageGroup, UsageRecord
from gateway_core.testing.store_cases.case import StoreArea, Stores

__all__ = ["AREA"]

AREA = StoreArea("SU", "usage ledger")

_NOON = datetime(2026, 3, 1, 12)  # local time, as days are


def record(
    model: str = "one",
    provider: str = "acme",
    account: str | None = "anna@example.com",
    *,
    error: str | None = None,
    at: datetime = _NOON,
    output: int | None = None,
) -> UsageRecord:
    """A request of two seconds; only one that did not fail has a first event."""
    return UsageRecord(
        at=at.timestamp(),
        format="anthropic",
        provider=provider,
        account=account,
        model=model,
        status=502 if error else 200,
        error=error,
        input=None if output is None else 10 * output,
        cache_read=None,
        cache_write=0 if output else None,
        output=output,
        reasoning=None,
        first_event=None if error else 0.5,
        duration=2.0,
    )


@AREA.case(1)
async def requests_add_up(stores: Stores) -> None:
    """The sums of a group are those of all its requests, of whichever process; what no request told
    is unknown, which is not zero.
    """
    await stores.open().usage.add([record(output=20), record(output=1)])
    await stores.open().usage.add([record(), record("two", error="overloaded")])
    one, two = await stores.open().usage.sums("model", 0)
    assert (one.name, one.requests, one.failed) == ("acme/one", 3, 0)
    assert (one.input, one.output, one.cache_write) == (210, 21, 0)
    assert (one.cache_read, one.reasoning) == (None, None)
    assert (one.first_event, one.duration) == (0.5, 2.0)
    assert (two.name, two.requests, two.failed) == ("acme/two", 1, 1)
    assert (two.input, two.output, two.first_event) == (None, None, None)


@AREA.case(2)
async def groups_have_names_and_an_order(stores: Stores) -> None:
    """Groups are named as people read them, and come by their output, most first; days in order and
    in local time.
    """
    usage = stores.open().usage
    later = _NOON + timedelta(days=2)
    await usage.add(
        [
            record(output=9, account=None),
            record("two", output=10),
            record(provider="beta", at=later, output=1),
        ]
    )
    expected: dict[UsageGroup, list[str]] = {
        "model": ["acme/two", "acme/one", "beta/one"],
        "provider": ["acme", "beta"],
        "account": ["acme anna@example.com", "acme -", "beta anna@example.com"],
        "day": ["2026-03-01", "2026-03-03"],
    }
    for by, names in expected.items():
        assert [group.name for group in await usage.sums(by, 0)] == names


@AREA.case(3)
async def only_what_is_recent_is_counted(stores: Stores) -> None:
    """Sums are of the requests from a time on."""
    usage = stores.open().usage
    hour = _NOON + timedelta(hours=1)
    await usage.add([record(), record(at=hour)])
    [group] = await usage.sums("model", hour.timestamp())
    assert group.requests == 1
    assert await usage.sums("model", hour.timestamp() + 1) == []


@AREA.case(4)
async def what_is_too_old_is_removed(stores: Stores) -> None:
    """Pruning removes what began before a time, and says how many requests those were."""
    usage = stores.open().usage
    hour = _NOON + timedelta(hours=1)
    await usage.add([record(), record(), record(at=hour)])
    assert await usage.prune(hour.timestamp()) == 2
    assert await usage.prune(hour.timestamp()) == 0
    [group] = await usage.sums("model", 0)
    assert group.requests == 1


@AREA.case(5)
async def an_empty_ledger_has_no_group(stores: Stores) -> None:
    """Nothing adds up to no group."""
    usage = stores.open().usage
    await usage.add([])
    assert await usage.sums("day", 0) == []
    assert await usage.prune(2e10) == 0


@AREA.case(6)
async def large_numbers_fit(stores: Stores) -> None:
    """Token counts go up to a million millions in one request."""
    usage = stores.open().usage
    await usage.add([record(output=10**11)] * 50)
    [group] = await usage.sums("provider", 0)
    assert (group.input, group.output) == (50 * 10**12, 50 * 10**11)
