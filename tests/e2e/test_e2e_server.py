"""The HTTP surface on a real socket: routes, models, counting, and who may ask at all."""

from collections.abc import Iterator

import httpx
import pytest

from gateway_core.json import loads
from support.dialects import ANTHROPIC, CHAT, DIALECTS, RESPONSES, Dialect
from support.providers import LineProvider
from support.replay import ReplayProvider
from support.server import KEY, Gateway, running_gateway

MAX_BODY = 4096


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(
        tmp_path_factory.mktemp("home"),
        extra_plugins=[ReplayProvider(), LineProvider()],
        settings={"server.max_body_bytes": MAX_BODY},
    ) as gateway:
        yield gateway


@pytest.fixture
def http(gateway: Gateway) -> Iterator[httpx.Client]:
    """A client with the key."""
    with gateway.http() as client:
        yield client


@pytest.fixture
def stranger(gateway: Gateway) -> Iterator[httpx.Client]:
    """A client without the key."""
    with httpx.Client(base_url=gateway.url) as client:
        yield client


@pytest.fixture(params=DIALECTS, ids=str)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found


def test_openai_clients_list_models(gateway: Gateway) -> None:
    with gateway.openai() as client:
        models = {model.id: model for model in client.models.list()}
    assert models["line-1"].owned_by == "lines"
    assert models["replay-text"].object == "model"


def test_anthropic_clients_page_through_models(gateway: Gateway) -> None:
    with gateway.openai() as client:
        expected = [model.id for model in client.models.list()]
    with gateway.anthropic() as client:
        paged = [model.id for model in client.models.list(limit=7)]
    assert paged == expected


def test_openai_clients_retrieve_a_model(gateway: Gateway) -> None:
    with gateway.openai() as client:
        assert client.models.retrieve("line-1").id == "line-1"


def test_anthropic_clients_retrieve_a_model(gateway: Gateway) -> None:
    with gateway.anthropic() as client:
        assert client.models.retrieve("line-1").type == "model"


def test_a_model_can_be_retrieved_by_its_full_name(gateway: Gateway) -> None:
    with gateway.openai() as client:
        assert client.models.retrieve("lines/line-1").id == "lines/line-1"


@pytest.mark.parametrize("headers", [{}, {"anthropic-version": "2023-06-01"}])
def test_an_unknown_model_is_not_found(http: httpx.Client, headers: dict[str, str]) -> None:
    response = http.get("/v1/models/no-such-model", headers=headers)
    assert response.status_code == 404
    assert "no-such-model" in (ANTHROPIC if headers else CHAT).error(response.content)["message"]


@pytest.mark.parametrize("query", ["limit=x", "limit=0", "after_id=no-such-model"])
def test_a_wrong_page_of_models_is_refused(http: httpx.Client, query: str) -> None:
    response = http.get(f"/v1/models?{query}", headers={"anthropic-version": "2023-06-01"})
    assert response.status_code == 400
    assert query.partition("=")[0] in ANTHROPIC.error(response.content)["message"]


def test_asking_an_unknown_model_is_not_found(http: httpx.Client, dialect: Dialect) -> None:
    response = http.post(dialect.path, json=dialect.body("no-such-model"))
    assert response.status_code == 404
    assert response.headers["x-should-retry"] == "false"
    assert "no-such-model" in dialect.error(response.content)["message"]


def test_tokens_are_counted(gateway: Gateway) -> None:
    with gateway.anthropic() as client:
        count = client.messages.count_tokens(
            model="line-1", messages=[{"role": "user", "content": "Hello"}]
        )
        longer = client.messages.count_tokens(
            model="line-1",
            system="Be brief.",
            messages=[{"role": "user", "content": "Hello " * 100}],
        )
    assert 0 < count.input_tokens < 30
    assert 100 < longer.input_tokens < 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/", "/healthz", "/api/hello"])
def test_signs_of_life_need_no_key(stranger: httpx.Client, method: str, path: str) -> None:
    assert stranger.request(method, path).status_code == 200


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/messages/nothing", ANTHROPIC),
        ("/v1/nothing", CHAT),
        ("/v1/v1/chat/completions", CHAT),
        ("/v1/responses/resp_1", RESPONSES),
        ("/v1/models/", CHAT),
    ],
)
def test_an_unknown_route_is_not_found(http: httpx.Client, path: str, dialect: Dialect) -> None:
    response = http.get(path)
    assert response.status_code == 404
    assert dialect.error(response.content)["message"]


def test_a_wrong_method_is_refused(http: httpx.Client, dialect: Dialect) -> None:
    response = http.delete(dialect.path)
    assert response.status_code == 405
    assert "DELETE" in dialect.error(response.content)["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer {KEY}"},
        {"x-api-key": KEY},
        {"x-api-key": KEY, "authorization": "Bearer something-else"},
        {"x-api-key": "something-else", "authorization": f"Bearer {KEY}"},
    ],
)
def test_the_key_may_come_either_way(stranger: httpx.Client, headers: dict[str, str]) -> None:
    assert stranger.get("/v1/models", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"x-api-key": "wrong"},
        {"authorization": KEY},
        {"authorization": f"Basic {KEY}"},
        {"x-api-key": KEY[:-1]},
        {"x-api-key": ""},
    ],
)
def test_without_the_key_nothing_is_answered(
    stranger: httpx.Client, dialect: Dialect, headers: dict[str, str]
) -> None:
    response = stranger.post(dialect.path, json=dialect.body("line-1"), headers=headers)
    assert response.status_code == 401
    assert "gateway config key" in dialect.error(response.content)["message"]
    assert KEY not in response.text


def test_a_strange_host_name_is_refused(http: httpx.Client, dialect: Dialect) -> None:
    """DNS rebinding: a web page that had its own name point to loopback."""
    response = http.post(
        dialect.path, json=dialect.body("line-1"), headers={"host": "evil.example:14550"}
    )
    assert response.status_code == 403
    assert "evil.example" in dialect.error(response.content)["message"]


@pytest.mark.parametrize("host", ["localhost", "localhost:14550", "127.0.0.1:1", "[::1]:14550"])
def test_our_own_host_names_are_fine(http: httpx.Client, host: str) -> None:
    assert http.get("/v1/models", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_pages_of_other_sites_are_refused(http: httpx.Client, headers: dict[str, str]) -> None:
    response = http.post(CHAT.path, json=CHAT.body("line-1"), headers=headers)
    assert response.status_code == 403


def test_our_own_pages_are_fine(gateway: Gateway, http: httpx.Client) -> None:
    assert http.get("/v1/models", headers={"origin": gateway.url}).status_code == 200


def test_no_page_gets_a_cors_header(stranger: httpx.Client, dialect: Dialect) -> None:
    preflight = {
        "origin": "https://evil.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-api-key",
    }
    response = stranger.options(dialect.path, headers=preflight)
    assert response.status_code == 403
    assert not [name for name in response.headers if name.startswith("access-control-")]


def test_an_answer_has_no_cors_header(http: httpx.Client, dialect: Dialect) -> None:
    response = http.post(dialect.path, json=dialect.body("line-1"))
    assert response.status_code == 200
    assert not [name for name in response.headers if name.startswith("access-control-")]


def test_a_large_body_is_refused_by_its_length(http: httpx.Client, dialect: Dialect) -> None:
    response = http.post(dialect.path, json=dialect.body("line-1", "x" * MAX_BODY))
    assert response.status_code == 413
    assert str(MAX_BODY) in dialect.error(response.content)["message"]


def test_a_large_body_of_unknown_length_is_refused(http: httpx.Client, dialect: Dialect) -> None:
    pieces = (b" " * 1000 for _ in range(6))
    response = http.post(dialect.path, content=pieces)
    assert response.status_code == 413
    assert str(MAX_BODY) in dialect.error(response.content)["message"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff{}", b'{"model": NaN}', b"{} trailing"])
def test_malformed_json_is_refused(http: httpx.Client, dialect: Dialect, content: bytes) -> None:
    response = http.post(dialect.path, content=content)
    assert response.status_code == 400
    assert "not valid JSON" in dialect.error(response.content)["message"]


@pytest.mark.parametrize("content", [b"[]", b"null", b'"text"', b"1"])
def test_anything_but_an_object_is_refused(
    http: httpx.Client, dialect: Dialect, content: bytes
) -> None:
    response = http.post(dialect.path, content=content)
    assert response.status_code == 400
    assert "JSON object" in dialect.error(response.content)["message"]


def test_a_missing_field_is_named(http: httpx.Client, dialect: Dialect) -> None:
    body = dialect.body("line-1")
    del body[dialect.field]
    response = http.post(dialect.path, json=body)
    assert response.status_code == 400
    assert dialect.field in dialect.error(response.content)["message"]


def test_a_wrong_type_is_named(http: httpx.Client, dialect: Dialect) -> None:
    response = http.post(dialect.path, json=dialect.body("line-1", stream="yes"))
    assert response.status_code == 400
    assert "stream" in dialect.error(response.content)["message"]


def test_unknown_fields_and_betas_are_tolerated(http: httpx.Client, dialect: Dialect) -> None:
    response = http.post(
        f"{dialect.path}?beta=true",
        json=dialect.body("line-1", invented_tomorrow={"a": 1}),
        headers={"anthropic-beta": "invented-2030-01-01", "openai-beta": "invented=v9"},
    )
    assert response.status_code == 200
    assert "invented_tomorrow" in response.headers["x-gateway-notice"]


def test_an_answer_names_its_provider(http: httpx.Client, dialect: Dialect) -> None:
    response = http.post(dialect.path, json=dialect.body("line-1"))
    assert response.headers["x-gateway-provider"] == "lines"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("dialect", "knob", "word"),
    [
        (ANTHROPIC, {"top_k": 5}, "top_k"),
        (CHAT, {"seed": 5}, "seed"),
        (RESPONSES, {"text": {"verbosity": "low"}}, "verbosity"),
    ],
    ids=str,
)
def test_a_dropped_knob_is_told_in_a_header(
    http: httpx.Client, dialect: Dialect, knob: dict[str, object], word: str, stream: bool
) -> None:
    response = http.post(dialect.path, json=dialect.body("line-1", stream=stream, **knob))
    assert response.status_code == 200
    assert word in response.headers["x-gateway-notice"]


@pytest.mark.parametrize("model", ["line-1", "no-such-model"])
def test_each_answer_has_an_id_of_its_own(http: httpx.Client, dialect: Dialect, model: str) -> None:
    ids = set()
    for _ in range(2):
        response = http.post(dialect.path, json=dialect.body(model))
        assert response.headers["x-request-id"] == response.headers["request-id"]
        ids.add(response.headers["x-request-id"])
    assert len(ids) == 2


def test_a_stream_is_sent_as_events(http: httpx.Client, dialect: Dialect) -> None:
    response = http.post(dialect.path, json=dialect.body("line-1", stream=True))
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-cache"
    assert dialect.success in response.content


def test_a_plain_answer_is_sent_as_json(http: httpx.Client, dialect: Dialect) -> None:
    response = http.post(dialect.path, json=dialect.body("line-1"))
    assert response.headers["content-type"] == "application/json"
    assert "hello" in str(loads(response.content))
