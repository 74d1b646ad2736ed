"""`gateway plugins`: what is installed, what became of it, and what went wrong in it last."""

from dataclasses import asdict

import click

from gateway_core.cli.common import command_settings, echo_json, time_left
from gateway_core.cli.group import Failure
from gateway_core.plugin_health import LastFailure
from gateway_core.plugins import PluginReport, PluginSet

__all__ = ["find_report", "last_failure", "show_plugins", "told_failure"]


def show_plugins(*, as_json: bool) -> None:
    """Print every plugin's state, with the reason when it is not used, and the last failure of one
    that is.
    """
    settings = command_settings()
    plugins = PluginSet(settings)
    found = [(report, last_failure(plugins, report)) for report in plugins.reports]
    if as_json:
        echo_json(
            [
                {**asdict(report), "last_failure": failure.facts() if failure else None}
                for report, failure in found
            ]
        )
        return
    if not found:
        click.echo("no plugin is installed; run `pip install gateway-demo`, or another one")
    sources = [
        f"{report.distribution} {report.version}" if report.distribution else "built in"
        for report, _ in found
    ]
    name_width = max([12, *(len(report.name) for report, _ in found)])
    source_width = max([24, *map(len, sources)])
    for (report, failure), source in zip(found, sources, strict=True):
        brings = []
        if report.provider:
            brings.append(f"provider {report.provider} ({report.title})")
        if report.store:
            used = " (in use)" if report.store == settings.state.store else ""
            brings.append(f"state store {report.store}{used}")
        facts = f"{report.name:{name_width}} {report.state:9} {source:{source_width}}"
        click.echo(f"{facts}  {', '.join(brings) or report.reason or ''}".rstrip())
        if failure is not None:
            click.echo(f"{'':{name_width}} last failure: {told_failure(failure)}")


def find_report(plugins: PluginSet, name: str) -> PluginReport:
    """The plugin of this name or of the provider of this id. Raises `Failure`."""
    for report in plugins.reports:
        if name in (report.name, report.provider):
            return report
    installed = ", ".join(report.name for report in plugins.reports) or "none"
    raise Failure(f"no plugin {name!r} is installed; installed: {installed}")


def last_failure(plugins: PluginSet, report: PluginReport) -> LastFailure | None:
    """What last went wrong in a plugin that is in use, if anything did."""
    if report.state != "active":
        return None
    return plugins.health.last(report.name, report.version)


def told_failure(failure: LastFailure) -> str:
    """A failure in one line, for people."""
    often = "once" if failure.count == 1 else f"{failure.count} times, last"
    return f"{failure.hook} {failure.reason} ({often} {time_left(failure.at)})"
