"""Login in a browser: the listener and the paste prompt at the same time, the first one wins.

Knows nothing of token endpoints: what comes out is the callback with its code, which
`gateway_core.credentials.oauth.exchange_code` or a provider's own exchange turns into tokens.
"""

import asyncio
import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from urllib.parse import parse_qsl, urlsplit

from gateway_core.credentials.callback import (
    OTHER_ATTEMPT,
    Callback,
    LoopbackCallback,
    has_code,
    raise_if_declined,
)
from gateway_core.errors import LoginRequired
from gateway_core.provider import LoginPrompt

__all__ = ["PasteRejected", "browser_login", "parse_pasted"]

_QUESTION = (
    "Paste the address (or the code) that the browser ends on, if it cannot come back here: "
)


class PasteRejected(ValueError):
    """What was pasted cannot be the outcome of this login; the message says why, to its author."""


def parse_pasted(
    text: str, expected_state: str, accept: Callable[[Mapping[str, str]], bool] = has_code
) -> Callback:
    """Read what a person copied: a full address with or without its scheme, a query string,
    `code#state`, or a bare code.

    A state must match when there is one; PKCE guards a bare code. Raises `PasteRejected` when it
    is worth asking again, `LoginRequired` when the provider declined.
    """
    pasted = "".join(text.split()).strip("<>\"'`")  # terminals wrap long lines
    if not pasted:
        raise PasteRejected("nothing was pasted")
    path, query = _split(pasted)
    state = query.get("state")
    if state and not secrets.compare_digest(state.encode(), expected_state.encode()):
        raise PasteRejected(OTHER_ATTEMPT)
    raise_if_declined(query)
    if not accept(query):
        raise PasteRejected(
            "there is no code in it; it is the address of the page *after* you agreed that counts"
        )
    return Callback(path, query)


def _split(pasted: str) -> tuple[str, dict[str, str]]:
    main, _, fragment = pasted.partition("#")
    if "?" in main or "://" in main or main.startswith("/"):
        address = main if "://" in main or main.startswith("/") else f"//{main}"
        try:
            url = urlsplit(address)
        except ValueError as error:
            raise PasteRejected("that is not an address") from error
        return url.path or "/", dict(parse_qsl(url.query or fragment, keep_blank_values=True))
    if "&" in main or re.match(r"(code|state|error)=", main):
        return "/", dict(parse_qsl(main, keep_blank_values=True))
    return "/", {"code": main, "state": fragment} if fragment else {"code": main}


async def browser_login(
    prompt: LoginPrompt,
    listener: LoopbackCallback,
    authorize: Callable[[str], str],
    *,
    listen: bool = True,
    timeout: float = 600.0,
) -> Callback:
    """Send the person to the provider and return what comes back, by listener or by paste.

    listener: not yet entered. authorize: makes the URL to open from the redirect URI, whose port is
    known only when the listener has one. listen: False to rely on pasting alone. timeout: seconds.

    Without a free port only pasting remains, without a terminal (`EOFError` from `ask`) only the
    listener. Raises `LoginRequired` when the provider declines, nothing remains, or time is up.
    """
    async with AsyncExitStack() as stack:
        if listen:
            listener.on_stray = listener.on_stray or prompt.show
            try:
                await stack.enter_async_context(listener)
            except OSError as error:
                listen = False
                prompt.show(f"{error.strerror}; the address has to be pasted here instead.")
        url = authorize(listener.redirect_uri)
        if prompt.open_browser(url):
            prompt.show(f"Your browser was opened. If it shows nothing, open this URL:\n\n{url}\n")
        else:
            prompt.show(f"Open this URL in a browser:\n\n{url}\n")
        paste = asyncio.create_task(_paste(prompt, listener, last_resort=not listen))
        ways = {paste, asyncio.create_task(listener.wait())} if listen else {paste}
        try:
            return await _first(ways, timeout)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


async def _first(ways: "set[asyncio.Task[Callback]]", timeout: float) -> Callback:
    done, _ = await asyncio.wait(ways, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    if not done:
        raise LoginRequired(f"the login was not completed within {timeout:g} seconds; start again")
    successes = [way for way in done if way.exception() is None]
    return (successes or list(done))[0].result()


async def _paste(prompt: LoginPrompt, listener: LoopbackCallback, *, last_resort: bool) -> Callback:
    while True:
        try:
            text = await prompt.ask(_QUESTION)
        except EOFError as error:
            if last_resort:
                raise LoginRequired(
                    "there is no terminal to paste into; start the login in a terminal"
                ) from error
            return await listener.wait()
        if not text.strip():
            await asyncio.sleep(0)  # let the listener win even if asking never has to wait
            continue
        try:
            return parse_pasted(text, listener.state, listener.accept)
        except PasteRejected as problem:
            prompt.show(f"That did not work: {problem}.")
