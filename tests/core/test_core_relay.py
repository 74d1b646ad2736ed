"""What a provider returns is held against its hook's type, and its failures are named."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from gateway_core import (
    Account,
    Claim,
    Credential,
    Model,
    Request,
    Route,
    UpstreamCall,
    hookimpl,
    load_settings,
)
from gateway_core.errors import (
    ContextOverflow,
    GatewayError,
    Internal,
    LoginRequired,
    Unsupported,
)
from gateway_core.http import Transport
from gateway_core.plugins import PluginSet
from gateway_core.relay import Relay
from gateway_core.tokens import count_request, count_text
from support.about import about
from support.login_prompt import ScriptedPrompt
from support.providers import LineDecoder, LineProvider

REQUEST = Request("line-1", [])
ROUTE = Route("lines", "line-1", "line-1")
CALL = UpstreamCall("POST", "lines:", {})


class Returns(LineProvider):
    """Every hook of a turn returns the one value it was given."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self._value = value

    @hookimpl
    async def gateway_models(self) -> Any:
        return self._value

    @hookimpl
    def gateway_claim(self, name: str) -> Any:
        return self._value

    @hookimpl
    def gateway_translate(self, request: Request, route: Route) -> Any:
        return self._value

    @hookimpl
    def gateway_open(self, call: UpstreamCall) -> Any:
        return self._value

    @hookimpl
    def gateway_decoder(self) -> Any:
        return self._value

    @hookimpl
    def gateway_error(self) -> Any:
        return self._value

    @hookimpl
    def gateway_count_tokens(self) -> Any:
        return self._value


MakeRelay = Callable[[LineProvider], Relay]
Ask = Callable[[Relay, Transport], Any]

ASK: dict[str, Ask] = {
    "gateway_claim": lambda relay, _: relay.claim("line-9"),
    "gateway_translate": lambda relay, _: relay.translate(REQUEST, ROUTE, None),
    "gateway_open": lambda relay, transport: relay.open(CALL, transport),
    "gateway_decoder": lambda relay, _: relay.decoder(CALL, ROUTE, {}),
    "gateway_error": lambda relay, _: relay.error(500, {}, b"", CALL),
    "gateway_count_tokens": lambda relay, _: relay.count_tokens(REQUEST, ROUTE),
}


@pytest.fixture
def make_relay(tmp_path: Path) -> MakeRelay:
    def make(provider: LineProvider) -> Relay:
        settings = load_settings(
            environ={"GATEWAY_HOME": str(tmp_path), "GATEWAY_PLUGINS": "none-at-all"}
        )
        return PluginSet(settings, [provider]).providers["lines"]

    return make


@pytest.mark.parametrize("hook", ASK)
def test_a_result_of_the_wrong_type_names_provider_and_hook(
    make_relay: MakeRelay, transport: Transport, caplog: pytest.LogCaptureFixture, hook: str
) -> None:
    with pytest.raises(Internal, match=f"provider 'lines' failed in {hook} "):
        ASK[hook](make_relay(Returns({"id": "x"})), transport)
    assert "WrongResult: returned dict, not " in caplog.text


@pytest.mark.parametrize("hook", ["gateway_translate", "gateway_decoder"])
def test_no_result_where_one_is_needed_is_wrong_too(
    make_relay: MakeRelay, transport: Transport, hook: str
) -> None:
    with pytest.raises(Internal, match=hook):
        ASK[hook](make_relay(Returns(None)), transport)


def test_a_claim_whose_options_are_no_mapping_is_wrong(
    make_relay: MakeRelay, transport: Transport
) -> None:
    with pytest.raises(Internal, match="gateway_claim"):
        ASK["gateway_claim"](make_relay(Returns(Claim("big", ["fast"]))), transport)  # type: ignore[arg-type]


def credential(provider: str = "lines") -> Credential:
    return Credential(provider=provider, account="ann", access_token=SecretStr("token-canary"))


class ReturnsAccount(LineProvider):
    """Every hook around logins returns the one value it was given."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self._value = value

    @hookimpl
    async def gateway_login(self) -> Any:
        return self._value

    @hookimpl
    async def gateway_refresh(self) -> Any:
        return self._value

    @hookimpl
    def gateway_import(self) -> Any:
        return self._value

    @hookimpl
    async def gateway_account(self) -> Any:
        return self._value


LOGIN_HOOKS: dict[str, Callable[[Relay, Transport], Awaitable[Any]]] = {
    "gateway_login": lambda relay, transport: relay.login(ScriptedPrompt(), transport.http),
    "gateway_refresh": lambda relay, transport: relay.refresh(credential(), transport.http),
    "gateway_import": lambda relay, _: relay.import_login(),
}


@pytest.mark.parametrize("hook", LOGIN_HOOKS)
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"access_token": "token-canary"}, "returned dict, not Credential"),
        ("token-canary", "returned str, not Credential"),
        (credential("other"), "returned a Credential of 'other'"),
    ],
    ids=["dict", "token", "another provider's"],
)
async def test_a_login_must_be_a_credential_of_the_provider(
    make_relay: MakeRelay,
    transport: Transport,
    caplog: pytest.LogCaptureFixture,
    hook: str,
    value: object,
    said: str,
) -> None:
    with pytest.raises(Internal) as caught:
        await LOGIN_HOOKS[hook](make_relay(ReturnsAccount(value)), transport)
    assert f"provider 'lines' failed in {hook} ({said})" in caught.value.message
    assert "canary" not in caught.value.message + caplog.text


@pytest.mark.parametrize("hook", LOGIN_HOOKS)
async def test_a_credential_of_the_provider_goes_through(
    make_relay: MakeRelay, transport: Transport, hook: str
) -> None:
    relay = make_relay(ReturnsAccount(credential()))
    assert await LOGIN_HOOKS[hook](relay, transport) == credential()


@pytest.mark.parametrize("value", [None, {"plan": "plus"}], ids=["none", "dict"])
async def test_an_account_must_be_an_account(
    make_relay: MakeRelay, transport: Transport, value: object
) -> None:
    kind = type(value).__name__
    with pytest.raises(Internal, match=f"gateway_account .returned {kind}, not Account."):
        await make_relay(ReturnsAccount(value)).account(credential(), transport.http)


async def test_an_account_goes_through(make_relay: MakeRelay, transport: Transport) -> None:
    relay = make_relay(ReturnsAccount(Account(plan="plus")))
    assert await relay.account(credential(), transport.http) == Account(plan="plus")


class Proper(LineProvider):
    """Returns what the optional hooks are to return."""

    @hookimpl
    def gateway_claim(self, name: str) -> Claim:
        return Claim("line-1", {"tier": "fast"})

    @hookimpl
    def gateway_error(self) -> Internal:
        return Internal("sorry")

    @hookimpl
    def gateway_count_tokens(self) -> int:
        return 7


async def test_results_of_the_right_type_go_through(
    make_relay: MakeRelay, transport: Transport
) -> None:
    relay = make_relay(Proper())
    assert relay.claim("line-9") == Claim("line-1", {"tier": "fast"})
    assert relay.translate(REQUEST, ROUTE, None).body == b"line-1"
    assert isinstance(relay.decoder(CALL, ROUTE, {}), LineDecoder)
    assert relay.error(500, {}, b"", CALL).message == "sorry"
    assert relay.count_tokens(REQUEST, ROUTE) == 7
    assert await relay.models(None, transport) == (Model("line-1"),)
    async with relay.open(CALL, transport) as stream:
        assert stream.status == 200


@pytest.mark.parametrize(
    ("models", "said"),
    [
        (None, "returned NoneType, not a list of Model"),
        ((model for model in [Model("a")]), "returned generator, not a list of Model"),
        (["a", "b"], "returned a list with str in it, not Model"),
        ([Model("a"), Model("b"), Model("a")], "returned 'a' twice"),
        ([Model("")], "returned a model with the id ''"),
        ([Model("a", aliases="abc")], "returned 'a' with aliases that are no tuple"),  # type: ignore[arg-type]
    ],
    ids=["none", "generator", "names", "twice", "no id", "aliases"],
)
async def test_a_wrong_model_list_is_refused(
    make_relay: MakeRelay,
    transport: Transport,
    caplog: pytest.LogCaptureFixture,
    models: object,
    said: str,
) -> None:
    with pytest.raises(Internal, match="gateway_models"):
        await make_relay(Returns(models)).models(None, transport)
    assert said in caplog.text


class Exits(LineProvider):
    """Ends the program from within its hooks."""

    @hookimpl
    async def gateway_models(self) -> list[Model]:
        raise SystemExit("bye")

    @hookimpl
    def gateway_translate(self, request: Request, route: Route) -> UpstreamCall:
        raise SystemExit("bye")


async def test_a_plugin_cannot_end_the_program(make_relay: MakeRelay, transport: Transport) -> None:
    relay = make_relay(Exits())
    with pytest.raises(Internal, match="gateway_translate"):
        relay.translate(REQUEST, ROUTE, None)
    with pytest.raises(Internal, match="gateway_models"):
        await relay.models(None, transport)


class Sends(LineProvider):
    """Sends this body, or fails to translate."""

    def __init__(self, body: bytes | GatewayError) -> None:
        super().__init__()
        self._body = body

    @hookimpl
    def gateway_translate(self, request: Request, route: Route) -> UpstreamCall:
        if isinstance(self._body, GatewayError):
            raise self._body
        return UpstreamCall("POST", "lines:", {}, self._body)


class CountsItself(Sends):
    """Counts the bytes of its calls; those that are empty it leaves to the core."""

    @hookimpl
    def gateway_count_tokens(self, call: UpstreamCall | None) -> int | None:
        return len(call.body) or None if call is not None else None


def test_tokens_are_counted_over_the_call(make_relay: MakeRelay) -> None:
    chat = b'{"messages":[{"role":"user","content":"Words of the plugin"}]}'
    expected = 3 + 4 + count_text("Words of the plugin")
    for provider, tokens in (
        (Sends(chat), expected),
        (Sends(b"\x00not JSON"), count_request(REQUEST)),
        (Sends(LoginRequired("not logged in")), count_request(REQUEST)),
        (Sends(ContextOverflow("too large")), count_request(REQUEST)),
        (CountsItself(b"bytes"), 5),
        (CountsItself(LoginRequired("not logged in")), count_request(REQUEST)),
        (CountsItself(b""), count_request(REQUEST)),
        (Proper(), 7),
    ):
        with about(type(provider).__name__, tokens):
            assert make_relay(provider).count_tokens(REQUEST, ROUTE) == tokens


def test_what_cannot_be_asked_cannot_be_counted(make_relay: MakeRelay) -> None:
    with pytest.raises(Unsupported, match="no pictures"):
        make_relay(Sends(Unsupported("no pictures"))).count_tokens(REQUEST, ROUTE)
