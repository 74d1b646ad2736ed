"""The demo provider through its hooks: each verb as the events of an answer."""

import asyncio
from base64 import b64decode
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway_core import (
    CONTRACT,
    CustomTool,
    Event,
    HostedCall,
    HostedTool,
    Media,
    Message,
    Overloaded,
    RateLimited,
    Reasoning,
    Request,
    Response,
    Route,
    Seal,
    Text,
    ToolCall,
    ToolResult,
    UpstreamProtocol,
    Usage,
    collect,
)
from gateway_core.errors import ERROR_KINDS
from gateway_core.events import Begin, Delta, End, Fail, Open
from gateway_core.image_size import image_size
from gateway_core.provider import Capabilities
from gateway_core.request import SessionHints
from gateway_demo.plugin import DemoProvider, DemoSettings

Play = Callable[..., Awaitable[list[Event]]]


@pytest.fixture
def answer(play: Play) -> Callable[..., Awaitable[Response]]:
    """The whole answer to a prompt or request."""

    async def answer(*arguments: object) -> Response:
        return collect(await play(*arguments))

    return answer


Answer = Callable[..., Awaitable[Response]]


def test_it_introduces_itself(provider: DemoProvider) -> None:
    info = provider.gateway_provider()
    assert (info.id, info.contract, info.login) == ("demo", CONTRACT, "none")
    assert info.capabilities.sampling > Capabilities().sampling


async def test_its_models_have_the_facts_that_clients_ask_for(provider: DemoProvider) -> None:
    models = {model.id: model for model in await provider.gateway_models()}
    assert list(models) == ["demo", "demo-thinking"]
    assert models["demo"].aliases == ("demo-1",)
    assert models["demo"].context_window == 200_000


async def test_thoughts_come_with_a_seal_of_the_issuer(answer: Answer) -> None:
    thoughts, text = (await answer("think: let me see\ntext: hello")).parts
    assert isinstance(thoughts, Reasoning)
    assert thoughts.text == "let me see"
    assert isinstance(thoughts.seal, Seal)
    assert thoughts.seal.issuer == "demo"
    assert text == Text("hello")


async def test_thoughts_without_words_are_only_a_seal(answer: Answer) -> None:
    (thoughts, _) = (await answer("think:\ntext: hello")).parts
    assert isinstance(thoughts, Reasoning)
    assert thoughts.redacted
    assert thoughts.seal is not None


async def test_a_seal_that_comes_back_is_noticed(answer: Answer) -> None:
    first = await answer("think: let me see\ntext: hello")
    history = [Message("assistant", first.parts), Message("user", [Text("and now?")])]
    (text,) = (await answer(Request("demo", history))).parts
    assert isinstance(text, Text)
    assert "1 of my sealed thoughts" in text.text


async def test_several_tools_are_parallel_calls(answer: Answer) -> None:
    response = await answer('tool: Write {"file_path": "a.txt"}\ntool: Bash {"command": "ls"}')
    assert response.parts == [
        ToolCall("call_1_1", "Write", '{"file_path": "a.txt"}'),
        ToolCall("call_1_2", "Bash", '{"command": "ls"}'),
    ]
    assert response.stop == "tool_use"


async def test_a_free_form_tool_is_called_with_free_text(answer: Answer) -> None:
    prompt = Message("user", [Text("tool: apply_patch *** Begin\n+é\n*** End")])
    request = Request("demo", [prompt], tools=[CustomTool("apply_patch", None)])
    assert (await answer(request)).parts == [
        ToolCall("call_1_1", "apply_patch", "*** Begin\n+é\n*** End", custom=True)
    ]


async def test_a_script_leads_through_an_agentic_task(answer: Answer) -> None:
    messages = [Message("user", [Text("tool: Bash {}\n---\ntool: Read {}\n---\ntext: done")])]
    answers = []
    for _ in range(4):
        response = await answer(Request("demo", list(messages)))
        answers.append(response.parts[0])
        messages.append(Message("assistant", response.parts))
        messages.append(Message("user", [ToolResult("c", [Text("ok")])]))
    assert answers == [
        ToolCall("call_1_1", "Bash", "{}"),
        ToolCall("call_3_1", "Read", "{}"),
        Text("done"),
        Text("That was the whole script."),
    ]


async def test_an_image_is_a_real_png(answer: Answer) -> None:
    (image,) = (await answer("image: 20x10 red")).parts
    assert isinstance(image, Media)
    assert image.type == "image/png"
    assert image.data is not None
    assert image_size(image.data) == (20, 10)
    assert b64decode(image.data).endswith(b"IEND\xaeB`\x82")


async def test_an_image_is_the_outcome_of_the_image_tool_where_it_was_offered(
    answer: Answer,
) -> None:
    tool = HostedTool("image_generation", "image_generation")
    request = Request("demo", [Message("user", [Text("image: 4x4")])], tools=[tool])
    (call,) = (await answer(request)).parts
    assert isinstance(call, HostedCall)
    assert call.name == "image_generation"
    assert call.result is not None
    assert call.result["media_type"] == "image/png"


async def test_a_search_has_sources(answer: Answer) -> None:
    (search, _) = (await answer("search: best pelicans\ntext: found")).parts
    assert isinstance(search, HostedCall)
    assert (search.name, search.arguments) == ("web_search", '{"query":"best pelicans"}')
    assert search.result is not None
    assert [set(source) for source in search.result["sources"]] == [{"url", "title"}] * 2


async def test_searches_are_counted(answer: Answer) -> None:
    usage = (await answer("search: pelicans\nsearch: herons\ntext: found")).usage
    assert usage is not None
    assert usage.web_searches == 2


async def test_usage_is_told_as_scripted(answer: Answer) -> None:
    response = await answer("text: x\nusage: input=12 cached=5 output=7 reasoning=3")
    assert response.usage == Usage(input=12, cache_read=5, output=7, reasoning=3)


async def test_a_stop_reason_can_be_scripted(answer: Answer) -> None:
    assert (await answer("text: no\nstop: refusal")).stop == "refusal"


async def test_a_burst_is_as_many_deltas_as_words(play: Play) -> None:
    events = await play("burst: 500 words")
    assert sum(type(event) is Delta for event in events) == 500
    assert collect(events).parts == [Text("".join(f"word{n} " for n in range(500)))]


async def test_a_burst_comes_in_reads_that_end_anywhere(
    provider: DemoProvider, route: Route
) -> None:
    request = Request("demo", [Message("user", [Text("burst: 500 words")])])
    call = provider.gateway_translate(request, route, DemoSettings())
    async with provider.gateway_open(call) as stream:
        reads = [data async for data in stream]
    assert len(reads) < 20
    assert any(not data.endswith(b"\n") for data in reads)


async def test_a_cut_answer_fails(play: Play) -> None:
    events = await play("text: half an\ncut:")
    assert isinstance(events[-1], Fail)
    assert isinstance(events[-1].error, UpstreamProtocol)


@pytest.mark.parametrize("kind", ERROR_KINDS)
async def test_an_error_before_anything_else_is_an_answer_with_its_status(
    play: Play, kind: str
) -> None:
    with pytest.raises(Exception, match="so it goes") as failed:
        await play(f"error: {kind} so it goes")
    assert getattr(failed.value, "kind", None) == kind


async def test_an_error_after_nothing_but_a_wait_is_an_answer_with_its_status_too(
    play: Play,
) -> None:
    with pytest.raises(RateLimited) as failed:
        await play("wait: 1ms\nerror: rate_limited slow down retry_after=1.5")
    assert failed.value == RateLimited("slow down", retry_after=1.5)


async def test_an_error_after_content_breaks_the_stream_off(play: Play) -> None:
    events = await play("text: half\nerror: overloaded too busy\ntext: never")
    assert events == [
        Begin(model="demo"),
        Open(0, Text("")),
        Delta(0, "half"),
        *events[3:4],
        Fail(Overloaded("too busy")),
    ]


async def test_an_error_with_times_fails_only_so_many_attempts(play: Play) -> None:
    script = "error: overloaded busy times=2\ntext: at last"
    for _ in range(2):
        with pytest.raises(Overloaded):
            await play(script)
    assert collect(await play(script)).parts == [Text("at last")]


async def test_attempts_are_counted_for_each_prompt_and_session_alone(play: Play) -> None:
    for prompt in ("error: overloaded a times=1\ntext: x", "error: overloaded b times=1\ntext: x"):
        for session in ("s1", "s2"):
            hints = SessionHints(session_id=session)
            with pytest.raises(Overloaded):
                await play(Request("demo", [Message("user", [Text(prompt)])], session=hints))


async def test_a_retry_with_other_instructions_is_the_same_attempt_again(play: Play) -> None:
    prompt = Message("user", [Text("error: overloaded busy times=1\ntext: x")])
    with pytest.raises(Overloaded):
        await play(Request("demo", [prompt], instructions=[Text("Be brief.")]))
    assert isinstance((await play(Request("demo", [prompt])))[-1], End)


async def test_an_error_with_times_can_come_after_content_too(play: Play) -> None:
    script = "text: half\nerror: upstream_failed gone times=1\ntext: whole"
    assert isinstance((await play(script))[-1], Fail)
    assert isinstance((await play(script))[-1], End)


async def test_waits_and_delays_pause_the_stream_and_can_be_cancelled(play: Play) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await play("text: one\nwait: 60s\ntext: two")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await play("text: one two", DemoSettings(delay_ms=60_000))


async def test_leaving_the_stream_stops_the_performance(
    provider: DemoProvider, route: Route
) -> None:
    request = Request("demo", [Message("user", [Text("text: one two three")])])
    call = provider.gateway_translate(request, route, DemoSettings())
    async with provider.gateway_open(call) as stream:
        reads = aiter(stream)
        await anext(reads)
    assert await anext(reads, None) is None


async def test_the_script_file_answers_every_prompt(answer: Answer, tmp_path: Path) -> None:
    file = tmp_path / "script.txt"
    file.write_text("match: title\ntext: A Title\n---\ntext: from the file, grüezi\n", "utf-8")
    settings = DemoSettings(script=file)
    assert (await answer("hello", settings)).parts == [Text("from the file, grüezi")]
    assert (await answer("a title please", settings)).parts == [Text("A Title")]


def test_a_script_file_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="cannot read the script"):
        DemoSettings(script=tmp_path / "missing.txt")


def test_a_script_file_with_a_mistake_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "script.txt"
    file.write_text("text: a\nwait: long\n", "utf-8")
    with pytest.raises(ValidationError, match="line 2: expected a time"):
        DemoSettings(script=file)


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValidationError, match="delay"):
        DemoSettings.model_validate({"delay": 3})


def test_calls_are_values(provider: DemoProvider, route: Route) -> None:
    request = Request("demo", [Message("user", [Text("hi")])])
    calls = [provider.gateway_translate(request, route, DemoSettings()) for _ in range(3)]
    assert all(one == other for one, other in pairwise(calls))


def test_an_error_body_of_somebody_else_is_left_to_the_core(provider: DemoProvider) -> None:
    assert provider.gateway_error(502, {}, b"<html>Bad Gateway</html>") is None
