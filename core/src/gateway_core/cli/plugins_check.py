"""`gateway plugins check`: the rules of the conformance kit that need nothing but the plugin, held
against those that are installed.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import entry_points
from typing import Final
from unittest import mock

import click

from gateway_core.cli.common import command_settings, echo_json
from gateway_core.cli.group import Failure
from gateway_core.cli.plugins import find_report
from gateway_core.content import Message, Text
from gateway_core.errors import GatewayError
from gateway_core.hookspecs import PROJECT
from gateway_core.json import JsonObject, loads
from gateway_core.plugins import PluginReport, PluginSet
from gateway_core.request import Request
from gateway_core.testing.case import NotApplicable, Result, Violation
from gateway_core.testing.cases import contract, models
from gateway_core.testing.credentials import fake_credential
from gateway_core.testing.network import block_network
from gateway_core.testing.subject import Subject
from gateway_core.testing.suite import CASES, run_case

__all__ = ["check_plugins"]

_WORDS: Final = {"passed": "ok", "failed": "failed", "skipped": "not applicable"}
_STATIC: Final = tuple(case for case in CASES if case.static)
_LOADS: Final = next(case for case in CASES if case.id == "C01")
_WITHOUT_CALLS: Final = frozenset({contract.AREA.title, models.AREA.title})
_OF_BODIES: Final = frozenset({"T02", "T03", "T06", "T08", "T09", "B04", "B05"})
_TESTS: Final = "the plugin's own tests do this"


def check_plugins(name: str | None, *, as_json: bool) -> None:
    """Print how one plugin, or each that is installed, keeps the rules. Raises `Failure` when one
    rule does not hold.
    """
    plugins = PluginSet(command_settings())
    reports = [find_report(plugins, name)] if name else plugins.reports
    with _quiet():
        checked = [(report, _check(report, named=name is not None)) for report in reports]
    if as_json:
        echo_json([_facts(report, results) for report, results in checked])
    else:
        for report, results in checked:
            click.echo("\n".join(_lines(report, results)))
    failed = {
        report.name: count
        for report, results in checked
        if (count := sum(result.outcome == "failed" for result in results))
    }
    if failed:
        told = ", ".join(f"{count} of {plugin}" for plugin, count in failed.items())
        raise Failure(f"rules that do not hold: {told}; each says how to cure it")


def _check(report: PluginReport, *, named: bool) -> list[Result]:
    if report.state == "broken":
        return [Result(_LOADS, "failed", report.reason or "it could not be loaded")]
    if report.state == "disabled" and not named:
        return [Result(_LOADS, "skipped", report.reason or "switched off in the settings")]
    make = _maker(report)
    if not hasattr(make, "gateway_provider"):
        reason = "it is no provider, and the rules are for providers; the host loads it"
        return [Result(_LOADS, "skipped", reason)]
    subject = Subject(make=make)
    if subject.info.login != "none":
        subject.credential = fake_credential(subject.info.id)
    results = []
    unfit, reason = _unfit(subject)
    for case in _STATIC:
        skipped = case.id in unfit
        results.append(Result(case, "skipped", reason) if skipped else run_case(case, subject))
    return results


def _maker(report: PluginReport) -> Callable[[], object]:
    entry = next(entry for entry in entry_points(group=PROJECT) if entry.name == report.name)
    loaded = entry.load()
    return loaded if isinstance(loaded, type) else type(loaded)


def _unfit(subject: Subject) -> tuple[frozenset[str], str]:
    """The cases that only the plugin's own tests can hold it to, since they know more, and why."""
    try:
        call = subject.translate(Request("", [Message("user", [Text("Hello")])]))
    except (GatewayError, NotApplicable, Violation):
        calling = frozenset(case.id for case in _STATIC if case.area not in _WITHOUT_CALLS)
        return calling, f"calls need a credential of the provider's own shape; {_TESTS}"
    try:
        loads(call.body)
    except ValueError:
        return _OF_BODIES, f"the body is not one that can be read without being told how; {_TESTS}"
    return frozenset(), ""


@contextmanager
def _quiet() -> Iterator[None]:
    """No network beyond this machine, and no log lines: what goes wrong is in the results."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with ExitStack() as patches:

        def replace(target: object, name: str, value: object) -> None:
            patches.enter_context(mock.patch.object(target, name, value))

        block_network(replace)
        try:
            yield
        finally:
            logging.disable(before)


def _facts(report: PluginReport, results: Sequence[Result]) -> JsonObject:
    return {
        "name": report.name,
        "distribution": report.distribution,
        "version": report.version,
        "results": [
            {
                "id": result.case.id,
                "name": result.case.name,
                "outcome": _WORDS[result.outcome],
                "rule": result.case.rule,
                "seen": result.detail or None,
                "why": result.case.why,
                "cure": result.case.cure,
            }
            for result in results
        ],
    }


def _lines(report: PluginReport, results: Sequence[Result]) -> Iterator[str]:
    source = f"{report.distribution} {report.version}" if report.distribution else "built in"
    yield f"{report.name}  {source}"
    for result in results:
        case = result.case
        told = f"  {_WORDS[result.outcome]:14}  {case.id}  {case.name.replace('-', ' ')}"
        yield f"{told} ({result.detail})" if result.outcome == "skipped" else told
        if result.outcome == "failed":
            yield f"      rule: {case.rule}"
            yield f"      seen: {result.detail.strip()}"
            yield f"      why:  {case.why}"
            yield f"      cure: {case.cure}"
    counts = [
        f"{sum(result.outcome == outcome for result in results)} {word}"
        for outcome, word in _WORDS.items()
    ]
    yield f"  {', '.join(counts)}"
