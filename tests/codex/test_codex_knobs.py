"""The knobs of a request to the Codex backend: reasoning, tier, verbosity, shape of the answer."""

from dataclasses import replace

import pytest
from inline_snapshot import snapshot
from pydantic import SecretStr

from gateway_codex.plugin import CodexProvider
from gateway_codex.settings import CodexSettings
from gateway_core import Credential, Message, Reasoning, Request, Seal, Text, Unsupported
from gateway_core.json import JsonObject
from gateway_core.request import OutputSpec, ReasoningSpec, SessionHints, Source
from support.about import each
from support.codex_asking import ACCOUNT, CREDENTIAL, asked, body_of, route_to, translated
from support.corpus import CONVERSATIONS


def hello(text: str = "Hello") -> Request:
    return Request("gpt-5.5", [Message("user", [Text(text)])])


def from_client(format: str, **body: object) -> Request:
    """A request that a client sent in this format; `body` is what only the provider reads."""
    return replace(hello(), source=Source(format, body))


@each(
    "model, asked_for, sent",
    [
        ("gpt-5.5", "high", "high"),
        ("gpt-5.5", "max", "xhigh"),
        ("gpt-5.5", "minimal", "low"),
        ("gpt-5.5", "none", "low"),
        ("gpt-5.1", "none", "none"),
        ("gpt-5.1", "xhigh", "high"),
        ("gpt-5.1-codex-mini", "low", "medium"),
        ("gpt-5.6-sol", "max", "max"),
    ],
)
def test_efforts_are_mapped_to_those_of_the_model(model: str, asked_for: str, sent: str) -> None:
    request = replace(hello(), reasoning=ReasoningSpec(effort=asked_for))
    call = CodexProvider().gateway_translate(request, route_to(model), CREDENTIAL, CodexSettings())
    assert body_of(call)["reasoning"]["effort"] == sent


def test_the_effort_of_the_name_wins_then_the_request_then_the_settings() -> None:
    settings = CodexSettings(effort="low")
    request = replace(hello(), reasoning=ReasoningSpec(effort="medium"))
    assert asked(request, "gpt-5.5", settings, {"effort": "high"})["reasoning"]["effort"] == "high"
    assert asked(request, "gpt-5.5", settings)["reasoning"]["effort"] == "medium"
    assert asked(hello(), "gpt-5.5", settings)["reasoning"]["effort"] == "low"
    assert "effort" not in asked(hello())["reasoning"]


@each(
    "format, enabled, summary",
    [
        ("anthropic", True, "auto"),
        ("anthropic", None, None),
        ("anthropic", False, None),
        ("chat", None, "auto"),
        ("responses", None, None),
    ],
)
def test_summaries_are_asked_for_where_they_are_shown(
    format: str, enabled: bool | None, summary: str | None
) -> None:
    request = replace(from_client(format), reasoning=ReasoningSpec(enabled=enabled))
    assert asked(request).get("reasoning", {}).get("summary") == summary


def test_summaries_as_the_request_then_the_settings_say() -> None:
    settings = CodexSettings(summary="detailed")
    assert asked(from_client("responses"), settings=settings)["reasoning"]["summary"] == "detailed"
    concise = replace(from_client("responses"), reasoning=ReasoningSpec(summary="concise"))
    assert asked(concise, settings=settings)["reasoning"]["summary"] == "concise"
    none = replace(hello(), reasoning=ReasoningSpec(summary="none"))
    assert "reasoning" not in asked(none)


def test_a_model_without_summaries_is_not_asked_for_one() -> None:
    assert "reasoning" not in asked(hello(), "gpt-5.3-codex-spark")


def sealed(seal: Seal) -> Request:
    request = hello()
    thought = Reasoning("**Greeting**", seal)
    request.messages += [
        Message("assistant", [thought, Text("Hi.")]),
        Message("user", [Text("And?")]),
    ]
    return request


def seal_of(account: str) -> Seal:
    """A seal as the decoder stamps it for an account."""
    state = translated(
        hello(),
        credential=Credential(provider="codex", account=account, access_token=SecretStr("t")),
    ).state
    return Seal("codex", "gAAAAsealed", "rs_1", state.scope)


def test_own_seals_come_back_as_encrypted_reasoning() -> None:
    assert asked(sealed(seal_of(ACCOUNT)))["input"][1] == {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "**Greeting**"}],
        "encrypted_content": "gAAAAsealed",
    }


@pytest.mark.parametrize(
    "seal", [seal_of("another account"), Seal("anthropic", "abc"), Seal("responses", "gAAAA")]
)
def test_seals_of_others_stay_here(seal: Seal) -> None:
    items = asked(sealed(seal))["input"]
    assert [item["type"] for item in items] == ["message"] * 3


def test_the_scope_of_a_seal_does_not_name_the_account() -> None:
    scope = seal_of(ACCOUNT).scope
    assert scope is not None
    assert len(scope) == 12
    assert scope not in ACCOUNT


@each(
    "model, wanted, sent",
    [
        ("gpt-5.5", "fast", "priority"),
        ("gpt-5.5", "priority", "priority"),
        ("gpt-5.5", "auto", None),
        ("gpt-5.5", "standard_only", None),
        ("gpt-5.5", "ultrafast", None),
        ("gpt-5.4-mini", "priority", None),
    ],
)
def test_tiers_are_sent_where_the_model_has_them(model: str, wanted: str, sent: str | None) -> None:
    request = replace(hello(), session=SessionHints(service_tier=wanted))
    assert asked(request, model).get("service_tier") == sent


def test_the_tier_of_the_name_of_claude_code_and_of_the_settings() -> None:
    assert asked(hello(), options={"tier": "priority"})["service_tier"] == "priority"
    assert asked(from_client("anthropic", speed="fast"))["service_tier"] == "priority"
    assert asked(hello(), settings=CodexSettings(service_tier="fast"))["service_tier"] == "priority"


def test_a_client_that_wants_standard_speed_gets_it() -> None:
    request = replace(hello(), session=SessionHints(service_tier="default"))
    assert "service_tier" not in asked(request, settings=CodexSettings(service_tier="fast"))


def test_verbosity_of_the_request_else_of_the_settings() -> None:
    settings = CodexSettings(verbosity="high")
    assert asked(hello(), settings=settings)["text"] == {"verbosity": "high"}
    assert asked(CONVERSATIONS["output-verbosity"], settings=settings)["text"] == {
        "verbosity": "low"
    }


def test_any_json_names_json_at_the_front() -> None:
    body = asked(replace(hello(), output=OutputSpec("json")))
    assert body["text"] == {"format": {"type": "json_object"}}
    assert body["input"][0]["role"] == "developer"
    assert "JSON" in body["input"][0]["content"][0]["text"]


def json_schema(schema: JsonObject, strict: bool | None = None, name: str = "x") -> JsonObject:
    output = OutputSpec("json_schema", name, schema=schema, strict=strict)
    format = asked(replace(hello(), output=output))["text"]["format"]
    assert isinstance(format, dict)
    return format


def test_an_answer_schema_is_made_strict() -> None:
    inner = {"type": "object", "properties": {"b": {"type": "string"}}}
    schema: JsonObject = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"a": {"type": "integer"}, "list": {"type": "array", "items": inner}},
        "required": ["list"],
    }
    assert json_schema(schema, name="two words") == snapshot(
        {
            "type": "json_schema",
            "name": "two_words_a03f1d61",
            "schema": {
                "type": "object",
                "properties": {
                    "a": {"type": "integer"},
                    "list": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {"b": {"type": "string"}},
                            "required": ["b"],
                            "additionalProperties": False,
                        },
                    },
                },
                "required": ["list", "a"],
                "additionalProperties": False,
            },
            "strict": True,
        }
    )


@pytest.mark.parametrize(
    "open_schema",
    [
        {"type": "object", "properties": {}, "additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {"a": {"oneOf": [{"type": "string"}]}}},
        {"type": "object", "properties": {"a": {"type": "object"}}},
    ],
    ids=["open", "one of", "no properties"],
)
def test_a_schema_that_cannot_be_strict_is_not(open_schema: JsonObject) -> None:
    format = json_schema(open_schema, strict=True)
    assert (format["schema"], format["strict"]) == (open_schema, False)


def test_a_client_may_refuse_to_be_strict() -> None:
    schema: JsonObject = {"type": "object", "properties": {"a": {}}}
    format = json_schema(schema, strict=False)
    assert (format["schema"], format["strict"]) == (schema, False)


def test_an_answer_that_is_no_object_is_refused_by_name() -> None:
    output = OutputSpec("json_schema", "x", schema={"type": "array", "items": {}})
    with pytest.raises(Unsupported, match="must be of type 'object'"):
        asked(replace(hello(), output=output))
