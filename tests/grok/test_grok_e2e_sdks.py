"""The real SDKs through a gateway with the Grok provider: whole conversations, nothing refused."""

from typing import Any

from gateway_core.json import JsonObject
from simulators.grok.installed import GrokServed
from simulators.grok.state import Account
from support.about import about
from support.conversations import AnthropicTalk, ResponsesTalk, Spent, Turn
from support.pictures import PNG_BASE64
from support.provider_sdks import FILTERED, UP_TO_HERE, ProviderSeals, Sdks
from support.served import KINDS, results_for


class TestSdks(ProviderSeals[GrokServed]):
    sdks = Sdks(
        shapes=(
            "split crlf",
            "unknown bare",
            "empty-output done",
            "done-mark",
            "no-deltas",
            "no-deltas empty-output bare",
        ),
        usages={
            "usage: input=100 cached=60 output=20 reasoning=8": Spent(40, 60, 20),
            # Now and then xAI tells more cached tokens than there are.
            "usage: input=100 cached=160 output=20 reasoning=8": Spent(0, 100, 20),
        },
        without_usage=("shape: no-usage", "shape: no-details"),
        stops={"stop: max_output_tokens": UP_TO_HERE, "stop: content_filter": FILTERED},
        huge=("burst: 50000", 50_000),
        patch="tool: patch *** Begin\n*** End",  # xAI gets a function, the client its own kind back
        names=(
            ("xai/grok-4.6-xhigh", "medium", ("grok-4.6", "xhigh")),
            ("grok-4.5(low)", "medium", ("grok-4.5", "low")),
            ("grok-build-0.1-high", "medium", ("grok-build-0.1", None)),
            ("claude-opus-4-8", "medium", ("grok-4.5", "medium")),
            ("claude-haiku-4-5-20251001", "medium", ("grok-build-0.1", None)),
        ),
        listed=frozenset({"grok-4.5", "grok-4.6"}),
    )

    def chosen(self, served: GrokServed) -> object:
        request = served.simulator.requests[-1]
        assert request.headers["x-grok-model-override"] == request.body["model"]
        return request.body["model"], request.body["reasoning"].get("effort")

    def check_turns(self, served: GrokServed, last: Turn) -> None:
        """Each repeats the earlier input byte for byte, so that xAI's cache hits."""
        requests = served.simulator.requests
        caches = [request.cache for request in requests]
        assert len(caches) == 6
        assert last.spent is not None and last.spent.cached > 0
        assert all(cache is not None and cache.broken_at is None for cache in caches)
        assert len(requests[-1].of_type("function_call_output")) == 10
        assert {request.rail for request in requests} == {"proxy"}
        conversations = {request.headers["x-grok-conv-id"] for request in requests}
        assert conversations == {requests[-1].body["prompt_cache_key"]}

    def reasoning(self, served: GrokServed) -> list[JsonObject]:
        found = served.simulator.requests[-1].of_type("reasoning")
        assert all(item["encrypted_content"] for item in found)
        return found

    def forget_seals(self, served: GrokServed) -> None:
        served.simulator.state.forget_seals()

    def another_account(self, served: GrokServed) -> Account:
        return served.simulator.state.add_account(Account("u-other", email="eve@example.com"))

    def test_pictures(self, served: GrokServed) -> None:
        super().test_pictures(served)
        request = served.simulator.requests[-1]
        message, result = request.of_type("message")[-1], request.of_type("function_call_output")[0]
        assert [part["type"] for part in message["content"]] == ["input_text", "input_image"]
        assert result["output"][0]["image_url"] == f"data:image/png;base64,{PNG_BASE64}"


def test_reasoning_in_every_form_comes_back(served: GrokServed) -> None:
    for shape in ("bare", "hidden-reasoning", "raw-reasoning"):
        for kind in (AnthropicTalk, ResponsesTalk):
            with about(shape, kind):
                served.play(f"shape: {shape}\nthink: Deep.\ntool: clock\n---\ntext: It is late.")
                talk = served.talk(kind)
                assert talk.give(results_for(talk.say(f"{shape}?"))).text == "It is late."
                (reasoning,) = served.simulator.requests[-1].of_type("reasoning")
                assert reasoning["encrypted_content"]


def test_raw_reasoning_is_thinking_too(served: GrokServed) -> None:
    for kind in KINDS:
        with about(kind):
            served.play("shape: raw-reasoning\nthink: Let me see.\ntext: Hello")
            assert served.talk(kind).say("Hi").thoughts == "Let me see."


def test_a_name_that_xai_does_not_know_has_a_stand_in(served: GrokServed) -> None:
    served.play("text: Here I am.")
    talk = ResponsesTalk(served.gateway, True, "grok-4.3-fast")
    assert talk.say("Hello").text == "Here I am."
    assert [request.status for request in served.simulator.requests] == [404, 200]
    served.simulator.requests[0].violations.clear()  # that nobody sells it is not known before


def test_web_search_as_server_tool_use(served: GrokServed) -> None:
    """What was found goes back to xAI in the next turn as its own."""
    served.play("search: rain in Riga\ntext: It rains.\n---\nmatch: Sure\ntext: Quite.")
    tools: Any = [
        {"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["example.com"]}
    ]
    messages: Any = [{"role": "user", "content": "Does it rain?"}]
    with served.gateway.anthropic() as client:
        message = client.messages.create(
            model=GrokServed.model, max_tokens=100, messages=messages, tools=tools
        )
        messages += [
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": "Sure?"},
        ]
        client.messages.create(
            model=GrokServed.model, max_tokens=100, messages=messages, tools=tools
        )
    kinds = [block.type for block in message.content]
    assert kinds == ["server_tool_use", "web_search_tool_result", "text"]
    first, second = served.simulator.requests
    assert first.body["tools"][0]["filters"] == {"allowed_domains": ["example.com"]}
    assert [item["action"]["query"] for item in second.of_type("web_search_call")] == [
        "rain in Riga"
    ]


def test_web_search_as_annotations(served: GrokServed) -> None:
    served.play("search: rain in Riga\nopen: https://example.com/found\ntext: It rains.")
    with served.gateway.openai() as client:
        response = client.responses.create(
            model=GrokServed.model,
            input="Does it rain?",
            tools=[{"type": "web_search"}],
            store=False,
        )
    items = [item.model_dump(warnings=False) for item in response.output]
    assert items[0]["action"]["query"] == "rain in Riga"
    assert items[-1]["content"][0]["annotations"][0]["url"] == "https://example.com/found"


def test_what_xai_ran_by_itself_is_no_call_of_the_client(served: GrokServed) -> None:
    served.play("x-search: rain\ncode: print(4)\ntext: People say it rains.")
    for kind in KINDS:
        with about(kind):
            turn = served.talk(kind).say("What do people say?")
            assert turn.calls == []
            assert turn.text.startswith("People say it rains.")


def test_stop_sequences_are_honoured_without_xai(served: GrokServed) -> None:
    served.play("text: one two STOP three")
    with served.gateway.anthropic() as client:
        message = client.messages.create(
            model=GrokServed.model,
            max_tokens=100,
            messages=[{"role": "user", "content": "Count"}],
            stop_sequences=["STOP"],
        )
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "STOP")
    assert message.content[0].model_dump()["text"] == "one two "


def test_what_xai_refuses_is_left_out(served: GrokServed) -> None:
    with served.gateway.openai() as client:
        client.responses.create(
            model="grok-build-0.1",
            input="Hello",
            store=False,
            metadata={"trace": "1"},
            service_tier="priority",
            reasoning={"effort": "high"},
            safety_identifier="somebody",
            truncation="auto",
            text={"verbosity": "low"},
            max_output_tokens=300_000,
        )
        client.chat.completions.create(
            model="grok-4.6",
            messages=[{"role": "user", "content": "Hello"}],
            frequency_penalty=0.5,
            presence_penalty=0.5,
            seed=7,
            stop=["x"],
            parallel_tool_calls=True,
            tool_choice="auto",
            reasoning_effort="minimal",
            stream_options={"include_usage": True},
            stream=True,
        ).close()
    first = served.simulator.requests[0].body
    assert first["max_output_tokens"] == 256_000
    assert "effort" not in first.get("reasoning", {})
