"""The real SDKs through a gateway with the Codex provider: whole conversations, nothing refused."""

from base64 import b64decode
from typing import Any

from gateway_core.json import JsonObject
from simulators.codex.installed import CodexServed
from simulators.codex.state import Account
from support.about import about
from support.conversations import AnthropicTalk, ResponsesTalk, Spent, Turn
from support.dialects import ANTHROPIC
from support.pictures import PDF_BASE64, PNG_BASE64
from support.provider_sdks import FILTERED, UP_TO_HERE, ProviderSeals, Sdks
from support.served import KINDS, results_for

STEP = 'tool: lookup {{"topic": "number {number}"}}\ntool: clock\n'


class TestSdks(ProviderSeals[CodexServed]):
    sdks = Sdks(
        shapes=(
            "split",
            "crlf",
            "unknown",
            "empty-output",
            "null-ids",
            "no-deltas",
            "no-added",
            "no-deltas no-added",
            "no-deltas no-added no-done",
            "interleave",
            "interleave split",
        ),
        usages={"usage: input=100 cached=60 output=20 reasoning=8": Spent(40, 60, 20)},
        without_usage=("shape: null-usage", "shape: null-details"),
        stops={"stop: max_output_tokens": UP_TO_HERE, "stop: content_filter": FILTERED},
        huge=("shape: no-deltas\nburst: 500000", 500_000),  # one frame of five megabytes
        patch="tool: patch *** Begin\n*** End",
        said="commentary",
        names=(
            ("gpt-5.5-high", None, ("gpt-5.5", "high", None)),
            ("gpt-5.4_low", "high", ("gpt-5.4", "low", None)),
            ("gpt-5.5-xhigh[1m]", None, ("gpt-5.5", "xhigh", None)),
            ("gpt-5.5-fast", "low", ("gpt-5.5", "low", "priority")),
        ),
        listed=frozenset({"gpt-5.5", "gpt-5.6-luna"}),
        unlisted=frozenset({"codex-auto-review"}),
    )

    def chosen(self, served: CodexServed) -> object:
        body = served.requests[-1].body
        return body["model"], body["reasoning"]["effort"], body.get("service_tier")

    def check_turns(self, served: CodexServed, last: Turn) -> None:
        """Each repeats the earlier input byte for byte, so that the backend's cache hits."""
        caches = [request.cache for request in served.requests]
        assert len(caches) == 6
        assert last.spent is not None and last.spent.cached > 0
        assert all(cache is not None and cache.broken_at is None for cache in caches)
        assert len(served.requests[-1].of_type("function_call_output")) == 10
        assert len({request.body["prompt_cache_key"] for request in served.requests}) == 1

    def reasoning(self, served: CodexServed) -> list[JsonObject]:
        found = served.simulator.requests[-1].of_type("reasoning")
        assert all(item["encrypted_content"].startswith("gAAAA") for item in found)
        return found

    def forget_seals(self, served: CodexServed) -> None:
        served.simulator.state.forget_seals()

    def another_account(self, served: CodexServed) -> Account:
        return served.simulator.state.add_account(Account("99999999-2222-3333-4444-555555555555"))

    def test_pictures(self, served: CodexServed) -> None:
        super().test_pictures(served)
        request = served.simulator.requests[-1]
        message, result = request.of_type("message")[-1], request.of_type("function_call_output")[0]
        assert [part["type"] for part in message["content"]] == ["input_text", "input_image"]
        assert result["output"][0]["image_url"] == f"data:image/png;base64,{PNG_BASE64}"


def test_the_lite_lane(served: CodexServed) -> None:
    for model in ("gpt-5.6-sol", "gpt-5.6-luna"):
        for kind in KINDS:
            with about(model, kind):
                served.play("think: Hm.\ntool: clock\n---\ntext: It is late.")
                talk = served.talk(kind, model == "gpt-5.6-sol", model)
                turn = talk.give(results_for(talk.say("What time is it?")))
                assert turn.text == "It is late."
                assert all(request.lite for request in served.simulator.requests)


def test_claude_names(served: CodexServed) -> None:
    for name in ("claude-opus-4-8", "claude-sonnet-5", "claude-haiku-4-5-20251001"):
        with about(name):
            served.play("text: Here I am.")
            assert served.talk(AnthropicTalk, True, name).say("Hello").text == "Here I am."


def test_documents(served: CodexServed) -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": PDF_BASE64}
    content = [{"type": "document", "source": source}]
    body: JsonObject = {"messages": [{"role": "user", "content": content}]}
    assert served.ask(ANTHROPIC, **body).status_code == 200
    message = served.simulator.requests[-1].of_type("message")[-1]
    assert [part["type"] for part in message["content"]] == ["input_file"]


def test_web_search_as_server_tool_use(served: CodexServed) -> None:
    served.play("search: rain in Riga\ntext: It rains.")
    with served.gateway.anthropic() as client:
        message = client.messages.create(
            model="gpt-5.5",
            max_tokens=100,
            messages=[{"role": "user", "content": "Does it rain?"}],
            tools=[{"type": "web_search_20250305", "name": "web_search"}],
        )
    kinds = [block.type for block in message.content]
    assert kinds == ["server_tool_use", "web_search_tool_result", "text"]
    assert message.usage.server_tool_use is not None
    assert message.usage.server_tool_use.web_search_requests == 1


def test_web_search_as_annotations(served: CodexServed) -> None:
    served.play("search: rain in Riga\ntext: It rains.")
    with served.gateway.openai() as client:
        response = client.responses.create(
            model="gpt-5.5", input="Does it rain?", tools=[{"type": "web_search"}]
        )
    search, message = (item.model_dump(warnings=False) for item in response.output)
    assert (search["type"], search["action"]["query"]) == ("web_search_call", "rain in Riga")
    assert message["content"][0]["annotations"][0]["url"] == "https://example.com/found"


def test_image_generation(served: CodexServed) -> None:
    served.play("image: partials=2\ntext: Here it is.")
    with served.gateway.openai() as client:
        tool: Any = {"type": "image_generation", "partial_images": 2}
        events: list[Any] = list(
            client.responses.create(model="gpt-5.5", input="Draw", tools=[tool], stream=True)
        )
    kinds = [event.type for event in events]
    assert kinds.count("response.image_generation_call.partial_image") == 2
    done = [event for event in events if event.type == "response.output_item.done"]
    assert done[0].item.result == PNG_BASE64


def test_a_refusal(served: CodexServed) -> None:
    served.play("refusal: I will not.")
    with served.gateway.openai() as client:
        completion = client.chat.completions.create(
            model="gpt-5.5", messages=[{"role": "user", "content": "Do it"}]
        )
    assert completion.choices[0].message.refusal == "I will not."


def test_compaction_after_some_turns_and_on(served: CodexServed) -> None:
    turns = [STEP.format(number=number) for number in (1, 2, 3)]
    served.play("---\n".join([*turns, "text: Done.\n", "match: afterwards\ntext: Still here.\n"]))
    talk = ResponsesTalk(served.gateway, stream=True)
    turn = talk.say("Look up three things")
    while turn.calls:
        turn = talk.give(results_for(turn))
    with served.gateway.openai() as client:
        compacted = client.responses.compact(model="gpt-5.5", input=talk.items)
    talk.items = [item.model_dump(exclude_none=True, warnings=False) for item in compacted.output]
    assert talk.say("And afterwards?").text == "Still here."
    before, after = served.simulator.requests[3], served.simulator.requests[-1]
    assert len(before.of_type("function_call")) == 2 * 3
    assert after.of_type("function_call", "function_call_output") == []


def test_images_by_their_own_endpoint(served: CodexServed) -> None:
    served.play("image:")
    with served.gateway.openai() as client:
        images = client.images.generate(prompt="A dot", model="gpt-image-2")
    assert images.data is not None
    assert images.data[0].b64_json == PNG_BASE64


def test_uploaded_pictures_are_changed(served: CodexServed) -> None:
    served.play("image:")
    with served.gateway.openai() as client:
        picture = b64decode(PNG_BASE64)
        images = client.images.edit(image=picture, prompt="Make it red", model="gpt-image-2")
    assert images.data is not None
    assert images.data[0].b64_json == PNG_BASE64
    (message,) = served.simulator.requests[-1].of_type("message")
    assert message["content"] == [
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG_BASE64}"},
        {"type": "input_text", "text": "Make it red"},
    ]
