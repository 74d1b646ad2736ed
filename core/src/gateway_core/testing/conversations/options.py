"""Conversations with knobs: the shape of the answer, sampling, hints about the session."""

from gateway_core.request import OutputSpec, Request, Sampling, SessionHints
from gateway_core.testing.conversations.builders import CITY_SCHEMA, CONVERSATIONS, ask


@CONVERSATIONS
def output_json_schema() -> Request:
    request = ask("Paris as JSON")
    request.output = OutputSpec("json_schema", "city", schema=dict(CITY_SCHEMA), strict=True)
    return request


@CONVERSATIONS
def output_json_schema_without_a_name() -> Request:
    request = ask("Paris as JSON")
    request.output = OutputSpec("json_schema", schema=dict(CITY_SCHEMA))
    return request


@CONVERSATIONS
def output_any_json() -> Request:
    request = ask("Paris as JSON")
    request.output = OutputSpec("json")
    return request


@CONVERSATIONS
def output_verbosity() -> Request:
    request = ask("Hello")
    request.output = OutputSpec(verbosity="low")
    return request


@CONVERSATIONS
def sampling() -> Request:
    request = ask("Hello")
    request.sampling = Sampling(max_output_tokens=900, temperature=0.5, top_p=0.9)
    return request


@CONVERSATIONS
def sampling_at_its_ends() -> Request:
    request = ask("Hello")
    request.sampling = Sampling(max_output_tokens=1, temperature=0.0, top_p=1.0)
    return request


@CONVERSATIONS
def sampling_rare_knobs() -> Request:
    request = ask("Hello")
    request.sampling = Sampling(top_k=40, seed=7, presence_penalty=0.5, frequency_penalty=-0.5)
    return request


@CONVERSATIONS
def stop_sequences() -> Request:
    request = ask("Count")
    request.sampling = Sampling(max_output_tokens=100, stop=["END", "\n\n"])
    return request


@CONVERSATIONS
def session_hints() -> Request:
    request = ask("Hello")
    request.session = SessionHints(
        session_id="6a5c1b1e-0000-4000-8000-000000000001",
        user="someone",
        cache_key="key-1",
        service_tier="priority",
        metadata={"k": "v"},
    )
    return request
