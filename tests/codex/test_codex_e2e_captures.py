"""Every recorded request of a real client, sent through a gateway with the Codex provider.

What comes out at the other end must be what the backend takes.
"""

from collections.abc import Iterator

import httpx
import pytest

from gateway_core.json import JsonObject
from simulators.codex.installed import codex_gateway
from simulators.codex.server import CodexSimulator
from support.about import about
from support.recordings import Recording, recordings
from support.server import Gateway

MODELS = ("gpt-5.5", "gpt-5.6-luna", "gpt-5.6-sol", "gpt-5.3-codex-spark")
BLIND = "gpt-5.3-codex-spark"
WITH_IMAGES = (
    "anthropic-python-2.11-messages-tools",
    "claude-2.1.329-mcp-image-result",
    "openai-python-3.52-chat-tools",
    "openai-python-3.52-responses-tools",
)
"""In tool results or earlier turns."""
IMPOSSIBLE = {
    ("claude-2.1.197-websearch-inner", "gpt-5.6-luna"): "cannot run the tool 'web_search'"
}
"""What a model cannot do at all. The gateway itself says so, and asks nobody."""


RECORDINGS = list(recordings())


@pytest.fixture(scope="module")
def simulator() -> Iterator[CodexSimulator]:
    with CodexSimulator() as simulator:
        simulator.account.plan = "pro"
        simulator.play("text: All well")
        yield simulator


@pytest.fixture(scope="module")
def gateway(
    simulator: CodexSimulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    with codex_gateway(simulator, tmp_path_factory.mktemp("home")) as gateway:
        yield gateway


@pytest.mark.parametrize("recording", RECORDINGS, ids=str)
def test_recorded_requests_are_taken(
    simulator: CodexSimulator, gateway: Gateway, recording: Recording
) -> None:
    response = send(simulator, gateway, recording, recording.body)
    assert response.status_code == 200, response.text
    assert len(simulator.requests) == 1


@pytest.mark.parametrize("model", MODELS)
def test_recorded_requests_suit_every_kind_of_model(
    simulator: CodexSimulator, gateway: Gateway, model: str
) -> None:
    for recording in RECORDINGS:
        with about(recording):
            check_recorded(simulator, gateway, recording, model)


def check_recorded(
    simulator: CodexSimulator, gateway: Gateway, recording: Recording, model: str
) -> None:
    response = send(simulator, gateway, recording, recording.body | {"model": model})
    if (recording.name, model) in IMPOSSIBLE:
        assert response.status_code == 400
        assert IMPOSSIBLE[recording.name, model] in response.text
        assert simulator.requests == []
    else:
        assert response.status_code == 200, response.text
        assert simulator.requests[-1].body["model"] == model
        unseen = recording.name in WITH_IMAGES and model == BLIND
        assert ("omitted_image" in response.headers.get("x-gateway-notice", "")) is unseen


def send(
    simulator: CodexSimulator, gateway: Gateway, recording: Recording, body: JsonObject
) -> httpx.Response:
    """The gateway's answer; the backend must have found nothing wrong."""
    simulator.backend.requests.clear()
    with gateway.http() as http:
        response = http.post(recording.path, json=body, headers=recording.headers | gateway.headers)
    assert simulator.violations == []
    return response
