"""The commands of `gateway accounts`: names, options and help; what they do is imported when they
run.
"""

import click

from gateway_core.cli.group import json_option

__all__ = ["accounts"]


@click.group(invoke_without_command=True)
@click.option("--provider", metavar="ID", help="Show the accounts of this provider alone.")
@json_option
@click.pass_context
def accounts(context: click.Context, provider: str | None, as_json: bool) -> None:
    """List the accounts that are logged in, or choose the one that serves.

    Each provider is served by one of its accounts: the last one that was logged in, until another
    one is chosen. Add one with gateway login, remove one with gateway logout --account.

    \b
    Example:
      gateway accounts
      gateway accounts use codex ann@example.com
    """
    if context.invoked_subcommand is None:
        from gateway_core.cli.accounts import show_accounts

        show_accounts(provider, as_json=as_json)


@accounts.command("use")
@click.argument("provider")
@click.argument("account")
def accounts_use(provider: str, account: str) -> None:
    """Let another account serve.

    ACCOUNT is a label, an e-mail or an id, or the beginning of one. A running gateway follows at
    its next turn.

    \b
    Example:
      gateway accounts use codex ann@example.com
      gateway accounts use codex work
    """
    from gateway_core.cli.accounts import use

    use(provider, account)


@accounts.command("rename")
@click.argument("provider")
@click.argument("account")
@click.argument("label")
def accounts_rename(provider: str, account: str, label: str) -> None:
    """Call an account something else.

    \b
    Example:
      gateway accounts rename codex ann@example.com work
    """
    from gateway_core.cli.accounts import rename

    rename(provider, account, label)
