"""Every recorded request of a real client, sent through a gateway with the Grok provider.

What comes out at the other end must be what xAI takes.
"""

from collections.abc import Iterator

import httpx
import pytest

from simulators.grok.installed import grok_gateway
from simulators.grok.server import GrokSimulator
from support.about import about
from support.recordings import Recording, recordings

MODELS = ("grok-4.6", "grok-4.3", "grok-build-0.1", "grok-composer-2.5-fast")
"""With the tool for pictures; with the effort `none`; without efforts; without eyes."""
RECORDINGS = list(recordings())
WITH_A_FILE = "openai-python-3.52-responses-tools"
WITH_IMAGES = (
    "anthropic-python-2.11-messages-tools",
    "claude-2.1.329-mcp-image-result",
    "openai-python-3.52-chat-tools",
)
"""In tool results or earlier turns."""
IMPOSSIBLE = {(WITH_A_FILE, model): "takes files by URL only" for model in MODELS}
"""What a model cannot do at all. The gateway itself says so, and asks nobody."""


@pytest.fixture(scope="module")
def simulator() -> Iterator[GrokSimulator]:
    with GrokSimulator() as simulator:
        simulator.play("text: All well")
        yield simulator


@pytest.fixture(scope="module")
def http(
    simulator: GrokSimulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    with (
        grok_gateway(simulator, tmp_path_factory.mktemp("home")) as gateway,
        gateway.http() as http,
    ):
        yield http


@pytest.mark.parametrize("model", MODELS)
def test_recorded_requests_suit_every_kind_of_model(
    simulator: GrokSimulator, http: httpx.Client, model: str
) -> None:
    for recording in RECORDINGS:
        with about(recording):
            check_recorded(simulator, http, recording, model)


def check_recorded(
    simulator: GrokSimulator, http: httpx.Client, recording: Recording, model: str
) -> None:
    simulator.backend.requests.clear()
    body = recording.body | {"model": model}
    response = http.post(recording.path, json=body, headers=recording.headers)
    assert simulator.violations == []
    if (recording.name, model) in IMPOSSIBLE:
        assert response.status_code == 400
        assert IMPOSSIBLE[recording.name, model] in response.text
        assert simulator.requests == []
    else:
        assert response.status_code == 200, response.text
        assert simulator.requests[-1].body["model"] == model
        unseen = recording.name in WITH_IMAGES and model == "grok-composer-2.5-fast"
        assert ("omitted_image" in response.headers.get("x-gateway-notice", "")) is unseen
