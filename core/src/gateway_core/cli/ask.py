"""`gateway ask`: one prompt through the whole stack, over HTTP as any client would send it."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click
import httpx

from gateway_core.addresses import Address
from gateway_core.app import create_app
from gateway_core.cli.common import command_settings, echo_json, find_provider, known_key
from gateway_core.cli.group import Failure
from gateway_core.cli.server import Server, listen, loop_factory, probe
from gateway_core.errors import UpstreamProtocol
from gateway_core.json import JsonObject, loads_object
from gateway_core.logs import register_secret
from gateway_core.plugins import PluginSet
from gateway_core.runtime import Runtime
from gateway_core.settings import Settings
from gateway_core.sse import SSEReader

__all__ = ["ask_once"]

_MAX_TOKENS = 16_000


def ask_once(
    prompt: str, model: str | None, system: str | None, provider: str | None, *, as_json: bool
) -> None:
    """Print the answer as it comes; thinking goes to stderr. Reads stdin when there is no prompt.

    Raises `Failure` with the gateway's own message when the answer fails.
    """
    text = prompt or ("" if sys.stdin.isatty() else sys.stdin.read())
    if not text.strip():
        raise click.UsageError('a prompt is missing; write gateway ask "Hello"')
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_ask(text, model, system, provider, as_json))


async def _ask(
    prompt: str, model: str | None, system: str | None, provider: str | None, as_json: bool
) -> None:
    settings = command_settings()
    async with _server(settings, provider) as (url, key):
        headers = {"anthropic-version": "2023-06-01"}
        if key is not None:
            headers["x-api-key"] = key
        async with httpx.AsyncClient(
            base_url=url, headers=headers, timeout=settings.timeouts.total, trust_env=False
        ) as http:
            name = model or await _first_model(http, settings, provider)
            if provider is not None and not name.startswith((f"{provider}/", f"{provider}:")):
                name = f"{provider}/{name}"
            body: JsonObject = {
                "model": name,
                "max_tokens": _MAX_TOKENS,
                "messages": [{"role": "user", "content": prompt}],
                "stream": not as_json,
            }
            if system:
                body["system"] = system
            if as_json:
                answer = await http.post("/v1/messages", json=body)
                if answer.status_code != 200:
                    raise _failure(answer.content, answer.status_code)
                echo_json(answer.json())
            else:
                await _stream(http, body)


@asynccontextmanager
async def _server(
    settings: Settings, provider: str | None
) -> AsyncIterator[tuple[str, str | None]]:
    """URL and key of the running gateway, else of a private one that lives as long as this."""
    key = known_key(settings)
    if key is not None:
        register_secret(key)
    for address in settings.server.addresses():
        if address.port and await asyncio.to_thread(probe, address, key) == "ours":
            yield address.url, key
            return
    private_key = secrets.token_urlsafe(24)
    async with Runtime(settings, only_provider=provider) as runtime:
        if provider is not None:
            find_provider(provider, runtime.plugins.providers)
        ready = asyncio.Event()

        async def tell() -> None:
            ready.set()

        with listen(Address("127.0.0.1", 0)) as listener:
            server = Server(create_app(runtime, key=private_key), on_ready=tell, signals=False)
            serving = asyncio.create_task(server.serve([listener]))
            try:
                await ready.wait()
                yield Address("127.0.0.1", listener.getsockname()[1]).url, private_key
            finally:
                server.stop(at_once=True)
                await serving


async def _first_model(http: httpx.AsyncClient, settings: Settings, provider: str | None) -> str:
    """The first that is listed, of providers that may be asked without being named."""
    answer = await http.get("/v1/models", params={"limit": 1000})
    if answer.status_code != 200:
        raise _failure(answer.content, answer.status_code)
    entries = loads_object(answer.content)["data"]
    if provider is None:
        relays = PluginSet(settings).providers
        named_only = {id for id, relay in relays.items() if relay.info.login_optional}
        listed = [entry["id"] for entry in entries if entry.get("owned_by") not in named_only]
    else:
        listed = [entry["id"] for entry in entries if entry.get("owned_by") == provider]
    if not listed:
        raise Failure("no model is available; run `gateway login`, or name one with --model")
    return str(listed[0])


async def _stream(http: httpx.AsyncClient, body: JsonObject) -> None:
    printer = _Printer()
    async with http.stream("POST", "/v1/messages", json=body) as answer:
        if answer.status_code != 200:
            raise _failure(await answer.aread(), answer.status_code)
        reader = SSEReader()
        try:
            async for chunk in answer.aiter_bytes():
                for event in reader.feed(chunk):
                    printer.show(loads_object(event.data))
        except httpx.HTTPError as error:
            raise UpstreamProtocol("the gateway broke off the answer; see its log") from error
        finally:
            printer.finish()
    if not printer.complete:
        raise Failure("the answer ended too early; see the log of `gateway serve`")


class _Printer:
    """Events of the Messages stream on a terminal: text to stdout, everything else to stderr."""

    def __init__(self) -> None:
        self.complete = False
        self._open_line = ""

    def show(self, event: JsonObject) -> None:
        """Print one event. Raises `Failure` for an error event."""
        match event.get("type"):
            case "content_block_start" if event["content_block"]["type"] == "tool_use":
                self._write(f"[tool {event['content_block']['name']}] ", aside=True)
            case "content_block_delta":
                delta = event["delta"]
                match delta["type"]:
                    case "text_delta":
                        self._write(delta["text"], aside=False)
                    case "thinking_delta":
                        self._write(delta["thinking"], aside=True)
                    case "input_json_delta":
                        self._write(delta["partial_json"], aside=True)
            case "content_block_stop":
                self._end_aside()
            case "message_stop":
                self.complete = True
            case "error":
                self.finish()
                raise Failure(str(event["error"].get("message", "the answer failed")))

    def finish(self) -> None:
        """End the line that is open."""
        if self._open_line:
            click.echo(err=self._open_line == "aside")
            self._open_line = ""

    def _write(self, text: str, *, aside: bool) -> None:
        if not text:
            return
        if not aside:
            self._end_aside()
        shown = click.style(text, dim=True) if aside else text
        click.echo(shown, nl=False, err=aside)
        if text.endswith("\n"):
            self._open_line = ""
        else:
            self._open_line = "aside" if aside else "text"

    def _end_aside(self) -> None:
        if self._open_line == "aside":
            self.finish()


def _failure(body: bytes, status: int) -> Failure:
    try:
        message = loads_object(body)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = f"the gateway answered with HTTP status {status}"
    return Failure(str(message))
