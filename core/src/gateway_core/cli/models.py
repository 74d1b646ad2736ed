"""`gateway models`: the model table, and why a name goes where it goes."""

from typing import TYPE_CHECKING

import click

from gateway_core.cli.common import command_settings, echo_json, find_provider, run
from gateway_core.cli.group import Failure
from gateway_core.runtime import Runtime
from gateway_core.settings import Settings

if TYPE_CHECKING:
    from gateway_core.provider import Model

__all__ = ["show_models"]


def show_models(provider: str | None, explain: str | None, *, refresh: bool, as_json: bool) -> None:
    """Print the models, or the steps that lead from a name to a provider."""
    run(_models(command_settings(), provider, explain, refresh, as_json))


async def _models(
    settings: Settings, provider: str | None, explain: str | None, refresh: bool, as_json: bool
) -> None:
    async with Runtime(settings) as runtime:
        if provider is not None:
            find_provider(provider, runtime.plugins.providers)
        if refresh:
            await runtime.refresh_models(provider)
        if explain is not None:
            steps = runtime.router.explain(explain)
            if as_json:
                echo_json({"name": explain, "steps": steps})
            else:
                click.echo("\n".join(steps))
            return
        table = runtime.router.models(provider)
        if as_json:
            echo_json([_facts(owner, model) for owner, model in table])
            return
        if not table:
            raise Failure("no model is available; run `gateway login`, then `gateway status`")
        _print(table, {id: relay.info.title for id, relay in runtime.plugins.providers.items()})
        for conflict in runtime.router.conflicts():
            click.echo(f"note: {conflict}", err=True)


def _facts(provider: str, model: "Model") -> dict[str, object]:
    """A model for JSON output; unknown facts are left out."""
    facts: dict[str, object] = {
        "provider": provider,
        "id": model.id,
        "title": model.title,
        "aliases": list(model.aliases),
        "context_window": model.context_window,
        "max_output_tokens": model.max_output_tokens,
        "input": list(model.input),
        "efforts": list(model.efforts),
        "default_effort": model.default_effort,
    }
    return {key: value for key, value in facts.items() if value not in (None, [])}


def _print(table: "list[tuple[str, Model]]", titles: dict[str, str]) -> None:
    width = max(len(model.id) for _, model in table)
    current = None
    for provider, model in table:
        if provider != current:
            click.echo(f"{provider} ({titles[provider]})")
            current = provider
        click.echo(f"  {model.id:{width}}  {_details(model)}".rstrip())


def _details(model: "Model") -> str:
    details = []
    if model.title and model.title != model.id:
        details.append(model.title)
    if model.context_window:
        details.append(f"{_thousands(model.context_window)} context")
    if model.efforts:
        details.append(f"efforts {'/'.join(model.efforts)}")
    if len(model.input) > 1:
        details.append(" + ".join(model.input))
    if model.aliases:
        details.append(f"also {', '.join(model.aliases)}")
    return ", ".join(details)


def _thousands(tokens: int) -> str:
    return f"{tokens // 1000}k" if tokens >= 1000 else str(tokens)
