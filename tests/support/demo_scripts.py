"""The scripts whose performances are kept as transcripts in `demo/transcripts`, by file name."""

from gateway_core import Message, Request, Route, Text
from gateway_demo.plugin import DemoProvider, DemoSettings

__all__ = ["SCRIPTS", "performed"]

_USAGE = "usage: input=1200 cached=1000 written=50 output=40 reasoning=8"

SCRIPTS = {
    "text.jsonl": f"text: Grüße, 世界!\\n\\nThat is all.\n{_USAGE}",
    "text-estimated.jsonl": "text: Nobody counted the tokens of this one.",
    "thinking.jsonl": f"think: They ask for little.\ntext: Here it is.\n{_USAGE}",
    "thinking-redacted.jsonl": "think:\ntext: My thoughts are my own.\nusage: output=20",
    "tool-call.jsonl": f"think: I must look.\ntext: I look.\n"
    f'tool: get_weather {{"city": "Zürich"}}\n{_USAGE}',
    "tool-calls-parallel.jsonl": 'tool: get_weather {"city":"Paris"}\n'
    'tool: get_weather {"city":"Oslo"}\nusage: input=30 output=20',
    "tool-call-without-arguments.jsonl": "tool: now\nusage: input=30 output=5",
    "search.jsonl": "search: best pelicans\ntext: Found two.\nusage: input=9 output=4 searches=1",
    "image.jsonl": "image: 2x2 red\nusage: input=9 output=400",
    "burst.jsonl": "burst: 30 words\nusage: input=9 output=60",
    "stop-length.jsonl": "text: cut off in the mid\nstop: length\nusage: input=9 output=5",
    "stop-refusal.jsonl": "text: I will not.\nstop: refusal\nusage: input=9 output=5",
    "error-in-stream.jsonl": "text: half\nerror: overloaded too busy retry_after=3",
    "error-rate-limited.json": "error: rate_limited slow down retry_after=20",
    "error-context-overflow.json": "error: context_overflow the prompt is too long",
    "error-overloaded.json": "error: overloaded come back later",
}


async def performed(script: str) -> tuple[int, bytes]:
    """Status and bytes of the upstream's answer to a script."""
    provider = DemoProvider()
    request = Request("demo", [Message("user", [Text(script)])])
    call = provider.gateway_translate(request, Route("demo", "demo", "demo"), DemoSettings())
    async with provider.gateway_open(call) as stream:
        return stream.status, b"".join([data async for data in stream])
