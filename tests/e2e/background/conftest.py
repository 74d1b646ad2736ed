"""Gateways in front of an upstream that is in the test's hands, and the real SDK."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import openai
import pytest

from gateway_core.testing.upstream import ThreadedUpstream, threaded_upstream
from support.background import Start
from support.line_http import LineHttpProvider
from support.server import Gateway, running_gateway


@pytest.fixture
def upstream() -> Iterator[ThreadedUpstream]:
    with threaded_upstream() as upstream:
        yield upstream


@pytest.fixture
def start(upstream: ThreadedUpstream, tmp_path: Path) -> Start:
    """Gateways on one home, each running within a `with`; arguments are settings with `__` for
    dots.
    """

    def start(
        provider: LineHttpProvider | None = None, *, grace: int = 2, **settings: object
    ) -> AbstractContextManager[Gateway]:
        dotted = {name.replace("__", "."): value for name, value in settings.items()}
        plugins = [provider or LineHttpProvider(upstream.url)]
        return running_gateway(tmp_path, extra_plugins=plugins, settings=dotted, grace=grace)

    return start


@pytest.fixture
def gateway(start: Start) -> Iterator[Gateway]:
    with start() as gateway:
        yield gateway


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with gateway.openai() as client:
        yield client
