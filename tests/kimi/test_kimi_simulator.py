"""The simulated Kimi refuses what Kimi refuses: otherwise nothing else here proves anything."""

from typing import Any

from simulators.kimi.validation import problems
from support.about import each

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLING = {"role": "assistant", "reasoning_content": "", "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c", "content": ""}
HEADERS = {
    "user-agent": "KimiCLI/1.49.0",
    **{
        f"x-msh-{name}": "x"
        for name in (
            *("platform", "version", "device-name"),
            *("device-model", "os-version", "device-id"),
        )
    },
}


def body(*messages: object, **more: Any) -> dict[str, Any]:
    return {
        "model": "k3",
        "messages": list(messages),
        "stream": True,
        "stream_options": {"include_usage": True},
        "thinking": {"type": "enabled"},
        **more,
    }


def test_a_careful_request_passes() -> None:
    request_body = body({"role": "user", "content": "Hi"}, CALLING, RESULT)
    assert list(problems(request_body, HEADERS)) == []


@each(
    "request_body, words",
    [
        (body(temperature=1), "unknown fields"),
        (body(thinking={"type": "disabled"}), "cannot be kept from thinking"),
        (body(thinking={"type": "enabled", "effort": "medium"}), "unsupported effort"),
        (body({"role": "assistant", "tool_calls": [CALL]}), "reasoning_content is missing"),
        (body(RESULT), "is not found"),
        (body(CALLING), "are not answered"),
        (body(CALLING, {"role": "user", "content": "Hi"}, RESULT), "are not answered"),
        (body(CALLING, RESULT, RESULT), "is not found"),
        (body({**CALLING, "tool_calls": [CALL, CALL]}, RESULT), "the same id"),
        (
            body({"role": "user", "content": [{"type": "text", "text": ""}]}),
            "text content is empty",
        ),
        (
            body(tools=[{"function": {"name": "f", "parameters": {"properties": {"p": {}}}}}]),
            "type is not defined",
        ),
        *(
            (
                body(tools=[{"function": {"name": name, "parameters": {"type": "object"}}}]),
                "not valid",
            )
            for name in ("x" * 65, "a.b", "3d")
        ),
        (
            body(tool_choice={"type": "function", "function": {"name": "f"}}),
            "chosen and not offered",
        ),
    ],
)
def test_a_careless_request_does_not(request_body: dict[str, Any], words: str) -> None:
    assert any(words in problem for problem in problems(request_body, HEADERS))


def test_unknown_programs_do_not() -> None:
    assert len(list(problems(body(), {"user-agent": "curl/8"}))) == 7
