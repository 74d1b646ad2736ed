"""Every command's name, options and help; what it does is imported when it runs.

Imports only click and the standard library: `gateway --help` and the help of every command are
quick, whatever is installed.
"""

from pathlib import Path
from typing import Literal

import click

from gateway_core.cli.accounts_commands import accounts
from gateway_core.cli.group import GatewayGroup, json_option
from gateway_core.cli.plugins_commands import plugins

__all__ = ["cli"]

_provider_option = click.option(
    "--provider",
    metavar="ID",
    envvar="GATEWAY_PROVIDER",
    show_envvar=True,
    help="Use this provider alone.",
)


@click.group(cls=GatewayGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show tracebacks and debug log lines.")
def cli(debug: bool) -> None:
    """Use your AI subscriptions from any OpenAI or Anthropic client, through a local gateway.

    \b
    Example:
      gateway login
      gateway serve
    """


@cli.command()
@click.option(
    "--bind",
    metavar="HOST:PORT[,...]",
    help="Addresses to listen on; 192.168.1.0/24:14550 means the local addresses in that network. "
    "[GATEWAY_BIND; default 127.0.0.1:14550]",
)
@click.option(
    "--api-key",
    metavar="KEY",
    help="The key clients must send; generated and kept when not set. [GATEWAY_API_KEY]",
)
@click.option("--no-key", is_flag=True, help="Ask clients for no key; on loopback only.")
@_provider_option
@click.option(
    "--model-fallback",
    metavar="MODEL",
    help="The model for Claude names that no provider has. [GATEWAY_MODEL_FALLBACK]",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Least level of log lines on stderr. [default info]",
)
@click.option("--debug", is_flag=True, help="The same as gateway --debug serve.")
def serve(
    bind: str | None,
    api_key: str | None,
    no_key: bool,
    provider: str | None,
    model_fallback: str | None,
    log_level: str | None,
    debug: bool,
) -> None:
    """Start the gateway.

    \b
    Example:
      gateway serve
      gateway serve --bind 127.0.0.1:14550,192.168.1.0/24:14550 --model-fallback gpt-5.5
    """
    from gateway_core.cli.serve import run_server

    flags: dict[str, object] = {
        "server.bind": bind,
        "server.api_key": api_key,
        "server.require_key": False if no_key else None,
        "routing.fallback": model_fallback,
        "log.level": log_level,
    }
    if debug:
        click.get_current_context().find_root().params["debug"] = True
    run_server(flags, provider)


@cli.command()
@click.argument("provider", required=False)
@click.option("--device", "method", flag_value="device", help="Log in with a code on any device.")
@click.option("--browser", "method", flag_value="browser", help="Log in with a browser here.")
@click.option(
    "--no-browser",
    "method",
    flag_value="paste",
    help="Only show the address, and take the address you end up at.",
)
@click.option("--label", help="What to call the account.")
def login(provider: str | None, method: str | None, label: str | None) -> None:
    """Log in to a provider. Without a name, show the providers there are.

    \b
    Example:
      gateway login codex --device
    """
    from gateway_core.cli.login import log_in

    log_in(provider, method or "auto", label)


@cli.command("import")
@click.argument("provider")
@click.option(
    "--from",
    "source",
    metavar="WHERE",
    type=click.Path(path_type=Path),
    help="Which program's login, where there are several, or the place it keeps it in.",
)
@click.option(
    "--path",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Where the other program keeps its login, if not in the usual place.",
)
@click.option("--label", help="What to call the account.")
def import_command(
    provider: str, source: Path | None, path: Path | None, label: str | None
) -> None:
    """Take over the login of a provider's official program.

    Only this command ever reads what another program keeps. What can be imported depends on the
    provider.

    \b
    Example:
      gateway import codex
      gateway import codex --from ~/.codex/auth.json
      gateway import kiro --from desktop
    """
    from gateway_core.cli.login import import_login

    import_login(provider, path or source, label)


@cli.command()
@click.argument("provider")
@click.option(
    "--account",
    help="Only this account: a label, an e-mail or an id, or the beginning of one; see gateway "
    "accounts.",
)
def logout(provider: str, account: str | None) -> None:
    """Forget a login. It is also revoked, where the provider can do that.

    \b
    Example:
      gateway logout codex
      gateway logout codex --account ann@example.com
    """
    from gateway_core.cli.login import log_out

    log_out(provider, account)


cli.add_command(accounts)


@cli.command()
@click.argument("provider", required=False)
def refresh(provider: str | None) -> None:
    """Renew tokens now. Without a name, those of all providers.

    \b
    Example:
      gateway refresh codex
    """
    from gateway_core.cli.login import refresh_logins

    refresh_logins(provider)


@cli.command()
@click.argument("provider", required=False)
@click.option("--offline", is_flag=True, help="Do not ask the providers about plan and limits.")
@json_option
def status(provider: str | None, offline: bool, as_json: bool) -> None:
    """Show logins, limits and the running server.

    With PROVIDER, the exit code is 1 when it is not logged in.

    \b
    Example:
      gateway status
      gateway status codex --json
    """
    from gateway_core.cli.status import show_status

    show_status(provider, offline=offline, as_json=as_json)


@cli.command()
@_provider_option
@click.option("--explain", metavar="NAME", help="Say which provider gets NAME, step by step.")
@click.option("--refresh", is_flag=True, help="Ask the providers instead of using known lists.")
@json_option
def models(provider: str | None, explain: str | None, refresh: bool, as_json: bool) -> None:
    """List models, or explain a model name.

    \b
    Example:
      gateway models --provider demo
      gateway models --explain claude-opus-4-8
    """
    from gateway_core.cli.models import show_models

    show_models(provider, explain, refresh=refresh, as_json=as_json)


@cli.command()
@click.argument("prompt", nargs=-1)
@click.option("--model", help="The model; by default the first that is listed.")
@click.option("--system", metavar="TEXT", help="Instructions to go before the prompt.")
@_provider_option
@click.option("--json", "as_json", is_flag=True, help="Print the whole answer as JSON.")
def ask(
    prompt: tuple[str, ...],
    model: str | None,
    system: str | None,
    provider: str | None,
    as_json: bool,
) -> None:
    """Ask one question through the whole stack.

    The prompt may also come on stdin. Uses the running gateway, or a private one when none runs.

    \b
    Example:
      gateway ask --model demo "Why is the sky blue?"
      git diff | gateway ask --system "Write a commit message"
    """
    from gateway_core.cli.ask import ask_once

    ask_once(" ".join(prompt), model, system, provider, as_json=as_json)


@cli.command()
@click.option(
    "--since",
    metavar="TIME",
    default="30d",
    show_default=True,
    help="Count from here on: 12h, 7d, 2w, today, 2026-01-31.",
)
@click.option(
    "--by",
    type=click.Choice(["model", "provider", "account", "day"]),
    default="model",
    show_default=True,
    help="What to add up for.",
)
@json_option
def usage(since: str, by: Literal["model", "provider", "account", "day"], as_json: bool) -> None:
    """Show what requests have cost, in tokens.

    \b
    Example:
      gateway usage
      gateway usage --since 7d --by day
    """
    from gateway_core.cli.usage import show_usage

    show_usage(since, by, as_json=as_json)


cli.add_command(plugins)


@cli.group()
def config() -> None:
    """Show and change settings.

    \b
    Example:
      gateway config show
      gateway config set routing.fallback gpt-5.5
    """


@config.command("show")
@json_option
def config_show(as_json: bool) -> None:
    """Show every setting and where it comes from.

    \b
    Example:
      gateway config show
    """
    from gateway_core.cli.config import show_settings

    show_settings(as_json=as_json)


@config.command("path")
def config_path() -> None:
    """Show where the settings file is, or would be.

    \b
    Example:
      gateway config path
    """
    from gateway_core.cli.config import show_path

    show_path()


@config.command("key")
def config_key() -> None:
    """Show the local key that clients must send. It is generated when there is none yet.

    \b
    Example:
      export ANTHROPIC_AUTH_TOKEN=$(gateway config key)
    """
    from gateway_core.cli.config import show_key

    show_key()


@config.command("get")
@click.argument("key")
def config_get(key: str) -> None:
    """Print the value of one setting, or of the settings in a table.

    \b
    Example:
      gateway config get server.bind
    """
    from gateway_core.cli.config import get_setting

    get_setting(key)


@config.command("set")
@click.argument("key")
@click.argument("value")
def config_set(key: str, value: str) -> None:
    """Write one setting into the file. Comments and order stay.

    \b
    Example:
      gateway config set routing.fallback gpt-5.5
    """
    from gateway_core.cli.config import set_setting

    set_setting(key, value)


@config.command("reset")
@click.argument("key", required=False)
@click.option("--yes", is_flag=True, help="Do not ask before removing all settings.")
def config_reset(key: str | None, yes: bool) -> None:
    """Take a setting, a table, or everything back to the defaults.

    \b
    Example:
      gateway config reset routing.fallback
    """
    from gateway_core.cli.config import reset_settings

    reset_settings(key, confirmed=yes)


@cli.command()
def version() -> None:
    """Show versions.

    \b
    Example:
      gateway version
    """
    from gateway_core.cli.version import show_version

    show_version()
