"""Area T, continued: the call that a translation makes: its ids, names, address and form."""

from fnmatch import fnmatchcase
from functools import partial
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from gateway_core.content import ToolCall
from gateway_core.events import Open
from gateway_core.json import dumps_text, loads
from gateway_core.provider import UpstreamCall
from gateway_core.testing.asking import Asked, as_handed_on, ask, asked
from gateway_core.testing.bodies import surroundings
from gateway_core.testing.case import Findings, NotApplicable, Violation
from gateway_core.testing.cases.translation import AREA
from gateway_core.testing.conversations import CONVERSATIONS, SESSIONS
from gateway_core.testing.conversations.sessions import TURNS
from gateway_core.testing.subject import Subject
from gateway_core.testing.transcripts import Transcript

__all__ = ["AREA"]

_LONGEST = 24 * 3600.0  # seconds
_TEXT_FRAMINGS: Final = frozenset({"sse", "jsonl", "ndjson", "json"})
_PAIRED: Final = ("calls-with-ids-of-another-service", "calls-parallel-of-which-some-failed")
_NAMED: Final = ("tools-with-long-names", "tools-with-dots-in-their-names")


@AREA.case(
    8,
    rule="A result refers to its call, whatever ids the client uses.",
    why="Ids come from other services and are long or have odd characters. Upstreams refuse a "
    "history in which a result names no call, or give a result to another call.",
    cure="When an id must be rewritten, derive the new one from the old one by a function and use "
    "it for calls and results alike.",
    static=True,
)
def pairs_results_with_calls(subject: Subject) -> None:
    findings = Findings()
    seen = False
    for translated in _all_asked(subject, _PAIRED):
        with findings.about(translated.name):
            seen |= _expect_pairs(translated, surroundings(_body(subject, translated.call)))
    findings.settle()
    if not seen:
        raise NotApplicable("the body shows no ids that belong to one call alone")


def _expect_pairs(translated: Asked, around: dict[str, frozenset[str]]) -> bool:
    """False when the body does not show ids."""
    calls = {mark.call_id: mark.word for mark in translated.marks if mark.sort == "call"}
    own = _unique({id: around.get(word, frozenset()) for id, word in calls.items()})
    if not any(own.values()):
        return False
    for id, words in own.items():
        if not words:
            raise Violation(f"the call {id!r} has no id of its own")
    for mark in translated.marks:
        if mark.sort != "result" or mark.word not in around or mark.call_id not in own:
            continue
        beside = around[mark.word]
        if not beside & own[mark.call_id]:
            raise Violation(f"nothing beside {mark.path} says that it answers {mark.call_id!r}")
        for id, words in own.items():
            if id != mark.call_id and beside & words:
                raise Violation(f"{mark.path} answers {mark.call_id!r}, but is sent for {id!r}")
    return True


@AREA.case(
    9,
    rule="Each tool has a name of its own, and calls in the history use the name of their tool.",
    why="Upstreams cut long names and refuse dots. Two tools that become one, or a call that names "
    "a tool which was not offered, break the turn or run the wrong tool.",
    cure="Make an alias from the name and a hash of it, and use it for tools, choice and history: "
    "`gateway_core.ToolAliases` does that.",
    static=True,
)
def names_tools_apart(subject: Subject) -> None:
    findings = Findings()
    seen = False
    for translated in _all_asked(subject, _NAMED):
        with findings.about(translated.name):
            seen |= bool(_tool_names(subject, translated))
    findings.settle()
    if not seen:
        raise NotApplicable("the body does not show tools as JSON objects with descriptions")


def _tool_names(subject: Subject, translated: Asked) -> dict[str, frozenset[str]]:
    """By name, what stands beside each tool's description and no other's: its name on the wire.

    Empty when the body does not show it. Raises `Violation` when calls do not use it.
    """
    around = surroundings(_body(subject, translated.call))
    tools = [mark for mark in translated.marks if mark.sort == "tool" and mark.word in around]
    own = _unique({mark.name: around[mark.word] for mark in tools})
    if len(own) < 2:
        return {}
    for name, words in own.items():
        if not words:
            raise Violation(f"the tool {name!r} has no name of its own")
    for mark in translated.marks:
        if mark.sort == "call" and mark.word in around and mark.name in own:
            beside = around[mark.word]
            if not beside & own[mark.name]:
                raise Violation(f"the call {mark.path} does not use the name of {mark.name!r}")
    return own


@AREA.case(
    10,
    rule="A call comes back under the name that the client gave the tool.",
    why="The client knows no other name: it answers a call to an unknown tool with an error, and "
    "the agent is stuck.",
    cure="Keep the map of aliases in `UpstreamCall.state` and let the decoder undo it.",
)
def gives_names_back(subject: Subject) -> None:
    sessions = _all_asked(subject, _NAMED)
    if not sessions:
        raise NotApplicable("it takes no conversations with tools")
    transcript, name = _transcript_with_call(subject)
    seen = False
    for translated in sessions:
        for wanted, wires in _tool_names(subject, translated).items():
            for wire in wires:
                names = _names_called(subject, translated.call, transcript, name, wire)
                seen |= wanted in names
                if wire != wanted and wire in names:
                    raise Violation(f"a call to {wanted!r} comes back as {wire!r}")
    if not seen:
        raise NotApplicable("no tool's name could be followed through the body and a transcript")


def _transcript_with_call(subject: Subject) -> tuple[Transcript, str]:
    for transcript in subject.transcripts:
        if transcript.suffix in _TEXT_FRAMINGS and transcript.status == 200:
            for event in subject.decode(transcript, [transcript.data]):
                if isinstance(event, Open) and isinstance(event.part, ToolCall):
                    name = event.part.name
                    if dumps_text(name).encode() in transcript.data:
                        return transcript, name
    raise NotApplicable("no transcript in a text framing has a tool call: add `tool-call.sse`")


def _names_called(
    subject: Subject, call: UpstreamCall, transcript: Transcript, name: str, wire: str
) -> list[str]:
    """Tools that are called when the upstream answers with another name in this transcript."""
    data = transcript.data.replace(dumps_text(name).encode(), dumps_text(wire).encode())
    decoder = subject.relay.decoder(call, subject.route(), transcript.headers)
    events = [*decoder.feed(data), *decoder.end()]
    parts = [event.part for event in events if isinstance(event, Open)]
    return [part.name for part in parts if isinstance(part, ToolCall)]


@AREA.case(
    11,
    rule="Calls go to declared hosts, by https unless on this machine.",
    why="People decide by the hosts that a plugin declares whether they trust it with a login, and "
    "a conversation must not travel in clear.",
    cure="Name the host in `ProviderInfo.hosts` and use https. A transport of its own has a scheme "
    "of its own.",
    static=True,
)
def goes_to_declared_hosts(subject: Subject) -> None:
    url = urlsplit(_plain_call(subject).url)
    if not url.scheme:
        raise Violation("the URL has no scheme")
    if url.scheme not in ("http", "https", "ws", "wss") or _is_loopback(url.hostname):
        return
    if url.scheme in ("http", "ws"):
        raise Violation(f"the conversation goes to {url.hostname} by {url.scheme}")
    declared = subject.info.hosts
    if not any(_matches(url.hostname or "", host) for host in declared):
        known = ", ".join(declared) or "none"
        raise Violation(f"it goes to {url.hostname}, which is not among the hosts: {known}")


def _matches(host: str, declared: str) -> bool:
    """`*` in a declared name stands for one label or several."""
    return fnmatchcase(host, declared.lower())


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


@AREA.case(
    12,
    rule="A call is well formed: body in bytes, header names and values that HTTP can carry, "
    "timeouts that end.",
    why="What HTTP cannot carry fails when it is sent, far from its cause, and a stream without a "
    "limit holds a connection for ever.",
    cure="Encode the body (`gateway_core.json.dumps` gives bytes); let header values be short text "
    "without line breaks; leave timeouts at None unless the upstream needs others.",
    static=True,
)
def is_well_formed(subject: Subject) -> None:
    call = _plain_call(subject)
    if not isinstance(call.body, bytes):
        raise Violation(f"the body is {type(call.body).__name__}, not bytes")
    if not (call.method.isalpha() and call.method.isupper()):
        raise Violation(f"the method is {call.method!r}")
    for name, value in call.headers.items():
        if not (isinstance(name, str) and name.isascii() and name.strip() and " " not in name):
            raise Violation(f"{name!r} cannot be the name of a header")
        if not isinstance(value, str) or not value.isascii() or not value.isprintable():
            raise Violation(f"the value of the header {name!r} is not printable ASCII")
    for name in ("idle_timeout", "total_timeout"):
        seconds = getattr(call, name)
        if seconds is not None and not 0 < seconds <= _LONGEST:
            raise Violation(f"{name} is {seconds!r}: expected seconds, at most a day")
    idle, total = call.idle_timeout, call.total_timeout
    if idle is not None and total is not None and idle > total:
        raise Violation("idle_timeout is longer than total_timeout")


def _all_asked(subject: Subject, names: tuple[str, ...]) -> list[Asked]:
    """These conversations and the session of a coding assistant, without those refused."""
    found = [asked(subject, name, partial(CONVERSATIONS.__getitem__, name)) for name in names]
    found.append(asked(subject, "a session", partial(SESSIONS["coding-assistant"], TURNS)))
    return [translated for translated in found if translated is not None]


def _body(subject: Subject, call: UpstreamCall) -> object:
    """The body as JSON, else the turns that the author's `conversation` gives."""
    try:
        return loads(call.body)
    except ValueError:
        return list(subject.conversation(call))


def _unique(words: dict[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Of each set what is in no other."""
    return {
        name: own.difference(*(other for key, other in words.items() if key != name))
        for name, own in words.items()
    }


def _plain_call(subject: Subject) -> UpstreamCall:
    request = as_handed_on(subject, CONVERSATIONS["text"], subject.route())
    return ask(subject, request)
