"""`gateway serve`: checks the settings, listens, and tells people how to use what it serves."""

import asyncio
import logging
import shlex
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version

import click

from gateway_core.addresses import Address
from gateway_core.app import create_app
from gateway_core.cli.common import find_provider
from gateway_core.cli.group import Failure, debug_wanted
from gateway_core.cli.server import Server, listen, loop_factory, settle
from gateway_core.json import dumps_text
from gateway_core.logs import configure_logging, register_secret
from gateway_core.plugins import unknown_names
from gateway_core.provider import Model
from gateway_core.runtime import Runtime
from gateway_core.settings import Settings, load_settings, local_key

__all__ = ["banner", "run_server"]

log = logging.getLogger(__name__)

_MODELS_SHOWN = 6


def run_server(flags: Mapping[str, object], provider: str | None) -> None:
    """Serve until Ctrl-C or SIGTERM.

    flags: settings by dotted key. provider: serve this one alone.
    Raises `Failure` or `SettingsError` when it cannot start.
    """
    level = {"log.level": "debug"} if debug_wanted() else {}
    settings = load_settings({**flags, **level})
    try:
        configure_logging(settings)
    except OSError as error:
        raise Failure(
            f"the log file cannot be written: {error}; see `gateway config get log`"
        ) from error
    addresses = settings.server.addresses()
    _refuse_exposure(settings, addresses)
    key = local_key(settings) if settings.server.require_key else None
    if key is not None:
        register_secret(key)
    with ExitStack() as stack:
        sockets = [stack.enter_context(listen(address)) for address in addresses]
        bound = [
            Address(address.host, listener.getsockname()[1])
            for address, listener in zip(addresses, sockets, strict=True)
        ]
        try:
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                runner.run(_serve(settings, provider, key, bound, sockets))
        except KeyboardInterrupt:  # before the server took over the signals
            pass
    click.echo("gateway: stopped", err=True)


async def _serve(
    settings: Settings,
    provider: str | None,
    key: str | None,
    addresses: Sequence[Address],
    sockets: list[socket.socket],
) -> None:
    runtime = Runtime(settings, only_provider=provider, takes_over=True)
    if provider is not None:
        find_provider(provider, runtime.plugins.providers)
    broken = [report for report in runtime.plugins.reports if report.state == "broken"]
    if settings.plugins.strict and broken:
        raise Failure(
            f"plugin {broken[0].name!r} is broken: {broken[0].reason}; remove it, "
            f"or run `gateway config set plugins.strict false`"
        )
    unknown = unknown_names(settings, runtime.plugins)
    async with runtime:
        if provider is not None and not runtime.is_ready(provider):
            raise Failure(f"not logged in to {provider}; run `gateway login {provider}`")

        if problem := runtime.router.unserved_fallback():
            place = settings.origins["routing.fallback"]
            unknown.append(f"{place}: routing.fallback: {problem}")
        for line in unknown:
            log.warning("%s", line)

        async def tell() -> None:
            click.echo(banner(runtime, addresses, key, unknown))
            settle()

        server = Server(
            create_app(runtime, key=key),
            on_ready=tell,
            largest_message=settings.server.max_body_bytes,
        )
        await server.serve(sockets)


def banner(
    runtime: Runtime, addresses: Sequence[Address], key: str | None, notes: Sequence[str] = ()
) -> str:
    """What people need to use the server: address, key, models, notes, lines to paste."""
    settings = runtime.settings
    rows = [("address", ", ".join(address.url for address in addresses))]
    if key is None:
        rows.append(("key", "none needed (any program on this machine may call)"))
    elif settings.server.api_key is None:
        rows.append(("key", f"{key}  (kept in {settings.paths.key_file})"))
    else:
        rows.append(("key", key))
    model_ids: dict[str, list[str]] = {}
    for provider, model in runtime.router.models():
        model_ids.setdefault(provider, []).append(model.id)
    rows += [(id, _shortened(ids)) for id, ids in model_ids.items()]
    waiting = [id for id in sorted(runtime.plugins.providers) if not runtime.is_ready(id)]
    rows += [(id, f"not logged in: gateway login {id}") for id in waiting]
    rows += [
        (report.name, f"left out: {report.reason}")
        for report in runtime.plugins.reports
        if report.state == "broken"
    ]
    if fallback := settings.routing.fallback:
        rows.append(("claude-*", f"means {fallback} where nobody has the name"))
    width = max(len(name) for name, _ in rows)
    lines = [f"gateway {version('gateway-core')} is serving", ""]
    lines += [f"  {name:{width}}  {text}" for name, text in rows]
    lines += [f"  note: {note}" for note in (*notes, *runtime.router.conflicts())]
    first = next((model for _, model in runtime.router.models()), None)
    if first is None:
        lines += ["", "No model is available yet; run `gateway login` in another terminal."]
    else:
        lines += ["", *_examples(addresses[0].url, key or "none", first)]
    return "\n".join([*lines, "", "Ctrl-C stops it."])


def _examples(url: str, key: str, model: Model) -> list[str]:
    body = dumps_text({"model": model.id, "messages": [{"role": "user", "content": "Hello"}]})
    quoted_key, quoted_model = shlex.quote(key), shlex.quote(model.id)
    # Claude Code takes an unknown model for one with a window of a million tokens. Older versions
    # make room in time by the first of these alone.
    window = "".join(
        f"{name}={model.context_window} "
        for name in ("CLAUDE_CODE_AUTO_COMPACT_WINDOW", "CLAUDE_CODE_MAX_CONTEXT_TOKENS")
        if model.context_window
    )
    provider = f'{{name="gateway",base_url="{url}/v1",env_key="GATEWAY_KEY",wire_api="responses"}}'
    return [
        "curl:",
        f"  curl {url}/v1/chat/completions -H {shlex.quote(f'authorization: Bearer {key}')} "
        f"-H 'content-type: application/json' -d {shlex.quote(body)}",
        "Claude Code (the address is the root, without /v1; to a question about a custom API key, "
        "say yes):",
        f"  ANTHROPIC_BASE_URL={url} ANTHROPIC_AUTH_TOKEN={quoted_key} "
        f"ANTHROPIC_MODEL={quoted_model} ANTHROPIC_SMALL_FAST_MODEL={quoted_model} "
        f"ANTHROPIC_DEFAULT_HAIKU_MODEL={quoted_model} "
        f"{window}CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 claude",
        "Codex CLI:",
        f"  GATEWAY_KEY={quoted_key} codex -m {quoted_model} -c model_provider=gateway "
        f"-c {shlex.quote(f'model_providers.gateway={provider}')}",
    ]


def _shortened(ids: Sequence[str]) -> str:
    shown = ", ".join(ids[:_MODELS_SHOWN])
    rest = len(ids) - _MODELS_SHOWN
    return f"{shown} and {rest} more (gateway models)" if rest > 0 else shown


def _refuse_exposure(settings: Settings, addresses: Sequence[Address]) -> None:
    exposed = [address for address in addresses if not address.loopback]
    if exposed and not settings.server.require_key:
        raise Failure(
            f"{exposed[0]} can be reached by other machines, so clients must send a key; "
            f"leave out --no-key, or bind 127.0.0.1"
        )
