"""`gateway usage`: what requests have cost, in a table or as JSON."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from openai import BadRequestError

from gateway_core.content import Text
from gateway_core.events import Close, Delta, End, Event, Open, Usage
from support.command import GatewayCommand
from support.scripted_provider import ScriptedProvider
from support.server import running_gateway

ANSWER: list[Event] = [
    Open(0, Text("")),
    Delta(0, "Hi"),
    Close(0),
    End("stop", usage=Usage(input=1200, cache_read=1000, output=34, reasoning=4)),
]


@pytest.fixture
def used(gateway: GatewayCommand) -> GatewayCommand:
    """The command after one request in each of the formats."""
    provider = ScriptedProvider([ANSWER] * 3)
    with running_gateway(gateway.home, extra_plugins=[provider]) as served:
        with served.anthropic() as client:
            client.messages.create(
                model="scripted-1", max_tokens=9, messages=[{"role": "user", "content": "Hello"}]
            )
        with served.openai() as client:
            client.chat.completions.create(
                model="scripted-1", messages=[{"role": "user", "content": "Hello"}]
            )
            client.responses.create(model="scripted-1", input="Hello")
    return gateway


def test_a_table_has_a_line_for_each_model(used: GatewayCommand) -> None:
    title, line = used.output("usage").splitlines()
    assert title.split() == [
        "model", "requests", "failed", "input", "cached", "output", "reasoning",
        "first", "byte", "duration",
    ]  # fmt: skip
    name, *numbers = line.split()
    assert name == "scripted/scripted-1"
    assert numbers[:6] == ["3", "0", "3,600", "3,000", "102", "12"]


def test_scripts_get_json(used: GatewayCommand) -> None:
    told = json.loads(used.output("usage", "--by", "day", "--since", "today", "--json"))
    assert told["by"] == "day"
    [day] = told["usage"]
    assert day["name"] == f"{datetime.now():%Y-%m-%d}"
    assert (day["requests"], day["input"], day["output"]) == (3, 3600, 102)


def test_several_groups_are_added_up(logged_in: GatewayCommand) -> None:
    logged_in.output("ask", "--model", "acme-1", "Hello")
    assert logged_in.run("ask", "--model", "acme-2", "Hello").returncode == 1
    lines = logged_in.output("usage").splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["acme/acme-1", "1", "0"],
        ["acme/acme-2", "1", "1"],
        ["all", "2", "1"],
    ]
    assert "acme anna" in logged_in.output("usage", "--by", "account")


def test_what_is_refused_here_is_not_counted(gateway: GatewayCommand) -> None:
    provider = ScriptedProvider([])
    served = running_gateway(gateway.home, extra_plugins=[provider])
    with served as running, running.openai() as client, pytest.raises(BadRequestError):
        client.responses.create(
            model="scripted-1",
            input="Hello",
            tools=[{"type": "code_interpreter", "container": "c"}],
        )
    assert gateway.output("usage").startswith("no request since")


def test_nothing_used_is_said_and_leaves_nothing(gateway: GatewayCommand) -> None:
    assert gateway.output("usage", "--since", "7d").startswith("no request since 20")
    told = json.loads(gateway.output("usage", "--json", "--since", "3000w"))
    assert told == {"since": "1970-01-01T00:00:00+00:00", "by": "model", "usage": []}
    assert list(Path(gateway.home).rglob("*.sqlite3")) == []


def test_a_ledger_that_is_switched_off_says_so(gateway: GatewayCommand) -> None:
    gateway.output("config", "set", "state.usage_days", "0")
    assert gateway.output("usage") == "no usage is written down: state.usage_days is 0\n"


@pytest.mark.parametrize("time", ["yesterday", "7", "99999999d", "2026-13-01", ""])
def test_a_time_that_is_none_is_refused(gateway: GatewayCommand, time: str) -> None:
    assert "write 12h, 7d, 2w, today or 2026-01-31" in gateway.failure("usage", "--since", time)
