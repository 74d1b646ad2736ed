"""`gateway plugins`: what is installed and what became of it."""

from dataclasses import asdict

import click

from gateway_core.cli.common import command_settings, echo_json
from gateway_core.plugins import PluginSet

__all__ = ["show_plugins"]


def show_plugins(*, as_json: bool) -> None:
    """Print every plugin's state, with the reason when it is not used."""
    reports = PluginSet(command_settings()).reports
    if as_json:
        echo_json([asdict(report) for report in reports])
        return
    if not reports:
        click.echo("no plugin is installed; run `pip install gateway-demo`, or another one")
    for report in reports:
        source = f"{report.distribution} {report.version}" if report.distribution else "built in"
        provider = f"provider {report.provider} ({report.title})" if report.provider else ""
        words = [f"{report.name:12} {report.state:9} {source:24}", provider or report.reason or ""]
        click.echo("  ".join(words).rstrip())
