"""The top command group: unknown commands are looked for in plugins, errors become one line.

Imports only click and the standard library, so that help is quick.
"""

import difflib
import sys
from typing import IO, Any

import click

__all__ = ["Failure", "GatewayGroup", "debug_wanted", "json_option"]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
"""For commands whose output scripts may want to read."""

_EXPECTED_ERRORS = (
    ("gateway_core.settings_file", "SettingsError"),
    ("gateway_core.errors", "GatewayError"),
)


class Failure(click.ClickException):
    """A command failed: one line that names the cause and the next command. Exit code 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it on stderr, redacted."""
        from gateway_core.redaction import redact

        text = " ".join(redact(self.message).split())
        text = "".join(letter if letter.isprintable() else "?" for letter in text)
        click.echo(f"gateway: {text}", file=file, err=file is None)


class GatewayGroup(click.Group):
    """Lists commands in the order of their declaration."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands as declared."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it; plugins are asked for an unknown name before it is refused."""
        name = args[0]
        if not name.startswith("-") and name not in self.commands:
            self._add_plugin_commands()
            if name not in self.commands:
                meant = difflib.get_close_matches(name, self.commands, 1, 0.5)
                advice = f"did you mean {ctx.command_path} {meant[0]}?" if meant else ""
                known = advice or f"see {ctx.command_path} --help"
                raise click.UsageError(f"there is no command {name!r}; {known}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what goes wrong leaves as `Failure` unless `--debug` was given."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            if _explains_itself(error):
                raise Failure(str(error)) from error
            raise Failure(
                f"internal error: {type(error).__name__}: {error}; "
                "run it again as `gateway --debug ...` to see where"
            ) from error

    def _add_plugin_commands(self) -> None:
        from gateway_core.plugins import PluginSet
        from gateway_core.settings import load_settings

        PluginSet(load_settings()).add_commands(self)


def debug_wanted() -> bool:
    """Whether `gateway --debug` was asked for."""
    context = click.get_current_context(silent=True)
    return bool(context and context.find_root().params.get("debug"))


def _explains_itself(error: Exception) -> bool:
    """Whether it is one of our errors, whose module is loaded if it can be one."""
    kinds = (getattr(sys.modules.get(module), name, None) for module, name in _EXPECTED_ERRORS)
    return isinstance(error, tuple(kind for kind in kinds if kind is not None))
