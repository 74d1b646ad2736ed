"""A plugin that is no provider: it adds a command."""

import click

from gateway_core import hookimpl


class Greeter:
    """Adds `gateway greet NAME`."""

    @hookimpl
    def gateway_commands(self, cli: click.Group) -> None:
        @cli.command()
        @click.argument("name")
        def greet(name: str) -> None:
            if name == "nobody":
                raise LookupError("no name in api_key=canary")
            click.echo(f"hello {name}")
