"""What a case says of a plugin that sleeps on the event loop, and of one that raises."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import pytest

from gateway_core import Model, Request, UpstreamCall, hookimpl
from gateway_core.testing.awake import awake
from gateway_core.testing.case import Violation
from gateway_demo.plugin import DemoProvider
from support.kit import judged
from support.mutants.base import demo_subject


def test_the_thread_of_the_loop_is_kept_awake() -> None:
    with pytest.raises(Violation, match=r"it calls time\.sleep on the event loop"), awake():
        time.sleep(600)


def test_another_thread_may_sleep() -> None:
    async def in_a_thread() -> None:
        await asyncio.to_thread(time.sleep, 0.001)

    with awake():
        asyncio.run(in_a_thread())


def test_who_swallows_the_error_is_seen_all_the_same() -> None:
    with pytest.raises(Violation), awake(), suppress(AssertionError):
        time.sleep(600)


NOTHING: Mapping[str, UpstreamCall] = {}


class RaisesInTranslate(DemoProvider):
    @hookimpl
    def gateway_translate(self, request: Request) -> UpstreamCall:  # type: ignore[override]
        return NOTHING["no such key"]


class RaisesInModels(DemoProvider):
    @hookimpl
    async def gateway_models(self) -> Sequence[Model]:
        return [Model(str(1 // 0))]


@pytest.mark.parametrize(
    ("case", "plugin", "cause"),
    [
        ("T04", RaisesInTranslate, "KeyError: 'no such key' (test_kit_awake.py, line "),
        ("M04", RaisesInModels, "ZeroDivisionError"),
    ],
)
def test_what_a_plugin_raised_is_shown_and_where(
    case: str, plugin: type[DemoProvider], cause: str
) -> None:
    result = judged(case, demo_subject(plugin))
    assert result.outcome == "failed"
    assert cause in result.detail
