"""The real SDKs through a gateway with the Cursor provider: texts, thoughts, pictures, tools.

The simulator checks every message.
"""

import base64
import hashlib
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from gateway_cursor.proto import agent_pb2 as pb
from simulators.cursor.installed import CursorServed, cursor_gateway
from simulators.cursor.server import CursorSimulator
from support.about import about
from support.certificates import Authority
from support.conversations import AnthropicTalk, ChatTalk, ResponsesTalk, Spent, Turn
from support.dialects import ANTHROPIC
from support.pictures import PNG_BASE64
from support.provider_sdks import ProviderRepairs, Sdks
from support.served import KINDS, LONG_NAME, Kind, results_for


class TestSdks(ProviderRepairs[CursorServed]):
    sdks = Sdks(
        shapes=(
            "gzip",
            "split",
            "coalesced",
            "partial",
            "step-first",
            "no-announce",
            "no-usage",
            "gzip split partial step-first",
        ),
        usages={"usage: input=100 output=20 read=60": Spent(40, 60, 20)},
        without_usage=("shape: no-usage",),
        stops={},
        huge=("burst: 5000", 5000),  # one message each
        names=(
            ("claude-opus-5", "high", "claude-opus-5-thinking-high"),
            ("claude-opus-5", "low", "claude-opus-5-thinking-low"),
            ("gpt-5.5", "medium", "gpt-5.5-medium"),
            ("gpt-5.5", "xhigh", "gpt-5.5-extra-high"),
            ("gpt-5.5", "none", "gpt-5.5-none"),
            ("gpt-5.5-low-fast", None, "gpt-5.5-low-fast"),
            ("cursor-grok-4.6", "high", "cursor-grok-4.6-high"),
            ("cursor", None, "default"),
            ("auto", None, "default"),
            ("composer-2.5", None, "composer-2.5"),
            ("cursor/gpt-5.6-sol", "max", "gpt-5.6-sol-max"),
        ),
        listed=frozenset({"claude-opus-5", "composer-2.5", "gpt-5.5"}),
    )

    def chosen(self, served: CursorServed) -> object:
        return served.requests[-1].model

    def check_turns(self, served: CursorServed, last: Turn) -> None:
        """One run serves all turns of the client, until the model's own turn is over."""
        (run,) = served.requests
        assert len(run.given) == 10
        told = Counter(run.results.values())
        assert told == {f"the result of {name}": 5 for name in ("lookup", LONG_NAME)}
        served.simulator.wait(lambda: run.half_closed)
        assert (run.model, run.reset_code) == (served.model, None)
        assert "careful assistant" in run.history.system
        assert "careful assistant" in run.context.cloud_rule

    def test_pictures(self, served: CursorServed) -> None:
        for kind in KINDS:
            with about(kind):
                served.play("echo: images")
                talk: Any = served.talk(kind)
                history = talk.items if kind is ResponsesTalk else talk.messages
                history.append(picture_message(kind))
                digest = hashlib.sha256(base64.b64decode(PNG_BASE64)).hexdigest()
                assert talk.say("Well?").text == f"image/png:{digest}"


def test_a_held_run_counts_tokens_once(served: CursorServed) -> None:
    script = """\
text: one two three
tool: clock
context: 1000 200000
---
text: four
usage: input=2500 output=40
"""
    for kind in KINDS:
        with about(kind):
            served.play(script)
            talk = served.talk(kind)
            first = talk.say("Count")
            second = talk.give(results_for(first))
            assert first.spent is not None and second.spent is not None
            assert first.spent.output >= 1
            assert first.spent.output + second.spent.output == 40


def test_odd_things_on_the_way_are_not_shown(served: CursorServed) -> None:
    for kind in KINDS:
        with about(kind):
            served.play("summary:\nodd:\nnative: read_tool_call\nkeep: a note\nmiss:\ntext: Fine.")
            turn = served.talk(kind).say("Hello")
            assert (turn.text, turn.calls) == ("Fine.", [])


def test_a_later_prompt_replays_what_was(served: CursorServed) -> None:
    for kind, stream in product(KINDS, (True, False)):
        with about(kind, stream):
            served.play("match: first\ntext: One.\n---\nmatch: second\ntext: Two.")
            talk = served.talk(kind, stream)
            talk.say("The first")
            assert talk.say("The second").text == "Two."
            one, two = served.requests
            assert one.conversation == two.conversation
            roles = [entry["role"] for entry in two.entries]
            assert roles == ["system", "user", "assistant"]
            assert two.said is not None and "The second" in two.said


def picture_message(kind: Kind) -> Any:
    """A picture and a question about it, in a dialect."""
    data = PNG_BASE64
    url = f"data:image/png;base64,{data}"
    question = "What is this?"
    if kind is AnthropicTalk:
        source = {"type": "base64", "media_type": "image/png", "data": data}
        content: list[Any] = [{"type": "image", "source": source}]
        return {"role": "user", "content": [*content, {"type": "text", "text": question}]}
    if kind is ChatTalk:
        content = [{"type": "image_url", "image_url": {"url": url}}]
        return {"role": "user", "content": [*content, {"type": "text", "text": question}]}
    content = [{"type": "input_image", "image_url": url, "detail": "auto"}]
    return {"role": "user", "content": [*content, {"type": "input_text", "text": question}]}


def test_a_tool_that_gives_a_picture(served: CursorServed) -> None:
    served.play("tool: clock\n---\necho: results")
    talk = served.talk(AnthropicTalk)
    (call,) = talk.say("Look").calls
    source = {"type": "base64", "media_type": "image/png", "data": PNG_BASE64}
    result = [{"type": "text", "text": "a dot"}, {"type": "image", "source": source}]
    given: Any = {call.id: result}
    assert talk.give(given).text == "a dot\n[image/png]"


def test_a_picture_that_is_too_large_is_refused(served: CursorServed) -> None:
    data = base64.b64encode(base64.b64decode(PNG_BASE64) + bytes(1_100_000)).decode()
    source = {"type": "base64", "media_type": "image/png", "data": data}
    content = [{"type": "image", "source": source}]
    response = served.ask(ANTHROPIC, messages=[{"role": "user", "content": content}])
    assert response.status_code == 400
    assert "Image too large" in ANTHROPIC.error(response.content)["message"]


def test_everything_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.trust))
    with CursorSimulator(tls=authority.server(["h2", "http/1.1"])) as simulator:
        simulator.play("text: Hidden.")
        simulator.state.end_access_tokens()
        with cursor_gateway(simulator, tmp_path / "gateway") as gateway:
            assert ChatTalk(gateway, True, model=CursorServed.model).say("Hello").text == "Hidden."
        assert (simulator.state.refreshes, simulator.violations) == (1, [])


def test_names_choose_the_mode(served: CursorServed) -> None:
    for name, tools, mode in [
        ("cursor", True, pb.AGENT_MODE_AGENT),
        ("cursor", False, pb.AGENT_MODE_ASK),
        ("cursor-ask", True, pb.AGENT_MODE_ASK),
        ("cursor-plan", False, pb.AGENT_MODE_PLAN),
        ("cursor:gpt-5.5-low", True, pb.AGENT_MODE_AGENT),
        ("cursor-ask:gpt-5.5-low", False, pb.AGENT_MODE_ASK),
    ]:
        with about(name):
            served.play("text: Here I am.")
            talk = served.talk(ChatTalk, True, name)
            if not tools:
                talk.more["tools"] = []
            assert talk.say("Hello").text == "Here I am."
            assert served.requests[0].mode == mode


def test_a_hosted_search_is_cursors_own_where_it_is_allowed(tmp_path: Path) -> None:
    script = 'query: web_search_request_query {"args": {"search_term": "h2"}}'
    settings = {"providers.cursor.allow_web_search": True}
    with CursorServed.running(tmp_path, settings) as served, served.fresh():
        served.play(f"{script}\ntext: It is a protocol.")
        talk = served.talk(ResponsesTalk, True, "composer-2.5")
        talk.more["tools"] = [{"type": "web_search"}]
        assert talk.say("What is h2?").text == "It is a protocol."
        (run,) = served.requests
        assert (len(run.tools), run.context.web_search_enabled) == (0, True)
