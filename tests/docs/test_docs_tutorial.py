"""`docs/write-a-provider.md`, done as it says: the files are written, tested, installed, served."""

import os
import re
import subprocess
import sys
from pathlib import Path

import openai
import pytest

from gateway_core.json import loads_object
from gateway_core.testing.upstream import ThreadedUpstream, chunks
from support.building import install
from support.command import WITHOUT_OTHER_PLUGINS, GatewayCommand

TUTORIAL = Path(__file__).parents[2] / "docs" / "write-a-provider.md"
FILE = re.compile(r"^```\w+ (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = dict(FILE.findall(TUTORIAL.read_text("utf-8")))


@pytest.fixture(scope="module")
def lyre(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distribution as the tutorial writes it, and its wheel in `packages` beside it."""
    folder = tmp_path_factory.mktemp("tutorial") / "lyre"
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    install(folder, folder.with_name("packages"))
    return folder


def test_the_provider_has_at_most_200_lines_of_code() -> None:
    lines = [
        line
        for name, text in FILES.items()
        for line in text.splitlines()
        if name.startswith("src/") and line.strip()
    ]
    assert 100 < len(lines) <= 200


@pytest.mark.timeout(60)
def test_it_passes_the_kit_as_its_author_runs_it(lyre: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(lyre.with_name("packages"))}
    command = [sys.executable, "-m", "pytest", "-q", *WITHOUT_OTHER_PLUGINS, "tests"]
    result = subprocess.run(
        command, cwd=lyre, env=environment, capture_output=True, text=True, timeout=55, check=False
    )
    assert result.returncode == 0, result.stdout
    assert re.search(r"\b\d\d passed", result.stdout), result.stdout


def test_installed_it_logs_in_and_serves(lyre: Path, upstream: ThreadedUpstream) -> None:
    home = lyre.with_name("home")
    home.mkdir()
    gateway = GatewayCommand(
        home,
        {"GATEWAY_PLUGINS": "lyre", "GATEWAY_PROVIDERS__LYRE__BASE_URL": upstream.url},
    )
    login = gateway.spawn("login", "lyre", answers="lyre-key\n")
    assert login.returncode == 0, login.stderr
    upstream.answer(chunks(FILES["tests/transcripts/text.jsonl"].encode()))
    with gateway.serve() as serving:
        client = openai.OpenAI(base_url=f"{serving.url}/v1", api_key=serving.key, max_retries=0)
        answer = client.chat.completions.create(
            model="lyre-1", messages=[{"role": "user", "content": "The weather?"}]
        )
    assert answer.choices[0].message.content == "It is sunny in Zürich."
    request = upstream.requests[0]
    assert request.headers["authorization"] == "Bearer lyre-key"
    assert loads_object(request.body)["messages"] == [{"role": "user", "text": "The weather?"}]
