"""Who owns a model name: the order of rules, each with its explanation."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from gateway_core import Claim, Model, ModelNotFound, hookimpl, load_settings
from gateway_core.catalogue import Catalogue
from gateway_core.errors import Internal
from gateway_core.http import Transports
from gateway_core.plugins import PluginSet
from gateway_core.routing import Router
from support.providers import LineProvider

ALPHA = LineProvider(
    "alpha",
    models=[Model("big", aliases=("large",)), Model("shared")],
    claims={"big-fast": Claim("big", {"tier": "fast"})},
    login="browser",
)
BETA = LineProvider("beta", models=[Model("small"), Model("shared")], login="browser")
FREE = LineProvider("aaa-free", models=[Model("free-1")])

MakeRouter = Callable[..., Awaitable[Router]]


@pytest.fixture
def make_router(tmp_path: Path) -> MakeRouter:
    async def make(
        ready: Sequence[str] = ("alpha", "beta", "aaa-free"),
        providers: Sequence[object] = (ALPHA, BETA, FREE),
        **environ: str,
    ) -> Router:
        settings = load_settings(
            environ={"GATEWAY_HOME": str(tmp_path), "GATEWAY_PLUGINS": "none", **environ}
        )
        plugins = PluginSet(settings, providers)
        transports = Transports(settings.timeouts)
        catalogue = Catalogue(plugins.providers, transports, tmp_path)
        await catalogue.load()
        await transports.aclose()
        return Router(settings.routing, plugins.providers, catalogue, lambda id: id in ready)

    return make


@pytest.mark.parametrize(
    ("name", "provider", "model"),
    [
        ("big", "alpha", "big"),
        ("large", "alpha", "big"),
        ("beta/shared", "beta", "shared"),
        ("beta:shared", "beta", "shared"),
        ("shared", "alpha", "shared"),
        ("small[1m]", "beta", "small"),
        ("beta/small[1m]", "beta", "small"),
        ("beta/not-listed", "beta", "not-listed"),
        ("free-1", "aaa-free", "free-1"),
    ],
)
async def test_names_resolve(make_router: MakeRouter, name: str, provider: str, model: str) -> None:
    route = (await make_router()).resolve(name)
    assert (route.provider, route.model, route.requested) == (provider, model, name)


async def test_a_claimed_suffix_becomes_an_option(make_router: MakeRouter) -> None:
    router = await make_router()
    for name in ("big-fast", "alpha/big-fast", "big-fast[1m]"):
        route = router.resolve(name)
        assert (route.provider, route.model, route.options) == ("alpha", "big", {"tier": "fast"})
        assert route.model_info == Model("big", aliases=("large",))


async def test_priority_decides_between_two_owners_and_the_conflict_is_told(
    make_router: MakeRouter,
) -> None:
    router = await make_router(GATEWAY_ROUTING__PRIORITY="beta")
    assert router.resolve("shared").provider == "beta"
    (line,) = router.conflicts()
    assert line.startswith("shared is listed by beta, alpha; beta serves it")


async def test_a_provider_without_login_yields_to_one_with(make_router: MakeRouter) -> None:
    assert (await make_router()).order() == ["alpha", "beta", "aaa-free"]


async def test_an_alias_of_the_settings_wins_over_lists(make_router: MakeRouter) -> None:
    router = await make_router(GATEWAY_ROUTING__ALIASES__BIG="beta/small")
    route = router.resolve("big")
    assert (route.provider, route.model, route.requested) == ("beta", "small", "big")


async def test_claude_names_fall_back_to_the_set_model(make_router: MakeRouter) -> None:
    router = await make_router(GATEWAY_ROUTING__FALLBACK="small")
    for name in ("claude-haiku-4-5-20251001", "sonnet", "opus[1m]"):
        assert router.resolve(name).model == "small"


async def test_claude_names_without_a_fallback_go_to_the_first_model(
    make_router: MakeRouter,
) -> None:
    assert (await make_router()).resolve("claude-opus-5").model == "big"


async def test_a_fallback_to_a_model_nobody_has_ends(make_router: MakeRouter) -> None:
    router = await make_router(GATEWAY_ROUTING__FALLBACK="claude-nowhere")
    with pytest.raises(ModelNotFound, match="claude-nowhere"):
        router.resolve("claude-opus-5")


async def test_an_unknown_name_lists_the_closest_ids(make_router: MakeRouter) -> None:
    with pytest.raises(ModelNotFound, match="closest: small"):
        (await make_router()).resolve("smal")


async def test_a_model_of_a_provider_that_is_not_logged_in_is_routed_there(
    make_router: MakeRouter,
) -> None:
    router = await make_router(ready=("aaa-free",))
    assert router.resolve("big").provider == "alpha"
    assert [provider for provider, _ in router.models()] == ["aaa-free"]


async def test_a_ready_owner_wins_over_one_that_is_not(make_router: MakeRouter) -> None:
    assert (await make_router(ready=("beta",))).resolve("shared").provider == "beta"


async def test_without_any_model_the_error_says_how_to_log_in(make_router: MakeRouter) -> None:
    with pytest.raises(ModelNotFound, match="gateway login"):
        (await make_router(ready=())).resolve("nothing-like-it")


async def test_the_explanation_names_each_step(make_router: MakeRouter) -> None:
    router = await make_router(GATEWAY_ROUTING__FALLBACK="small")
    assert router.explain("claude-x[1m]") == [
        "client hint taken off: claude-x[1m] is asked as claude-x",
        "no ready provider lists or claims claude-x",
        "fallback for Claude names: small",
        "listed by beta",
        "=> beta/small",
    ]


class Grabby(LineProvider):
    """Asked first, and fails over every name."""

    def __init__(self, answer: object) -> None:
        super().__init__("aaa", models=[Model("aaa-1")], login="browser")
        self._answer = answer

    @hookimpl
    def gateway_claim(self, name: str) -> Claim | None:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer  # type: ignore[return-value]  # some are mistakes


@pytest.mark.parametrize(
    "answer",
    [KeyError("name"), ModelNotFound("not mine"), "big", Claim("big", None)],  # type: ignore[arg-type]  # a mistake
    ids=["bug", "refusal", "no claim", "no options"],
)
async def test_a_claim_that_fails_leaves_the_name_to_the_others(
    make_router: MakeRouter, caplog: pytest.LogCaptureFixture, answer: object
) -> None:
    router = await make_router(ready=("aaa", "alpha"), providers=(Grabby(answer), ALPHA))
    assert router.resolve("big-fast").provider == "alpha"
    assert "provider aaa could not say what it owns" in caplog.text
    assert router.explain("big-fast")[0].startswith("aaa failed over big-fast: ")


async def test_a_claim_that_fails_for_the_provider_asked_by_name_is_told(
    make_router: MakeRouter,
) -> None:
    router = await make_router(ready=("aaa",), providers=(Grabby(KeyError("name")),))
    with pytest.raises(Internal, match="provider 'aaa' failed in gateway_claim"):
        router.resolve("aaa/big")


@pytest.mark.parametrize(
    ("fallback", "problem"),
    [
        ("small", None),
        ("beta/unlisted", None),
        ("smal", "no provider serves the model 'smal'; closest: small"),
        ("opus", "no provider serves the model 'opus'; closest: "),
    ],
)
async def test_a_fallback_nobody_serves_is_known_ahead(
    make_router: MakeRouter, fallback: str, problem: str | None
) -> None:
    router = await make_router(
        GATEWAY_ROUTING__FALLBACK=fallback, GATEWAY_ROUTING__ALIASES__OPUS="small"
    )
    said = router.unserved_fallback()
    assert said is None if problem is None else (said or "").startswith(problem)
