"""The commands of `gateway plugins`: names, options and help; what they do is imported when they
run.
"""

from pathlib import Path

import click

from gateway_core.cli.group import json_option

__all__ = ["plugins"]


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def plugins(context: click.Context, as_json: bool) -> None:
    """List plugins and what became of them, or look after one.

    \b
    Example:
      gateway plugins
      GATEWAY_PLUGINS=demo gateway plugins --json
    """
    if context.invoked_subcommand is None:
        from gateway_core.cli.plugins import show_plugins

        show_plugins(as_json=as_json)


@plugins.command("show")
@click.argument("name")
@json_option
def plugins_show(name: str, as_json: bool) -> None:
    """Show what a plugin can do, its settings, accounts and last failure.

    \b
    Example:
      gateway plugins show codex
    """
    from gateway_core.cli.plugins_show import show_plugin

    show_plugin(name, as_json=as_json)


@plugins.command("check")
@click.argument("name", required=False)
@json_option
def plugins_check(name: str | None, as_json: bool) -> None:
    """Hold a plugin, or all of them, to the rules of the conformance kit that need no tests.

    The exit code is 1 when one of them does not hold.

    \b
    Example:
      gateway plugins check
      gateway plugins check codex --json
    """
    from gateway_core.cli.plugins_check import check_plugins

    check_plugins(name, as_json=as_json)


@plugins.command("new")
@click.argument("name")
@click.option(
    "--like",
    "kind",
    type=click.Choice(["chat", "responses", "own"]),
    default="chat",
    show_default=True,
    help="What the upstream speaks: OpenAI's Chat Completions, OpenAI's Responses, or its own.",
)
@click.option(
    "--into",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Where to write it. [default: gateway-NAME here]",
)
@click.option("--title", help="What people call the provider. [default: made of NAME]")
@click.option("--host", help="The host of its API. [default: api.NAME.example]")
def plugins_new(
    name: str, kind: str, into: Path | None, title: str | None, host: str | None
) -> None:
    """Write a new provider plugin: a distribution that passes its own tests at once.

    \b
    Example:
      gateway plugins new lyre --like own
      gateway plugins new acme --host api.acme.com --into ~/src/gateway-acme
    """
    from gateway_core.cli.plugins_new import write_plugin

    write_plugin(name, kind, into, title, host)
