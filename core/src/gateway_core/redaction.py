"""Secrets out of text: for log lines, tracebacks and error messages.

Works by names (`authorization: ...`, `refresh_token=...`), by shapes (JWTs, known key prefixes),
and by value for secrets that were registered. Knows nothing of logging.
"""

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["REDACTED", "redact", "redact_fields", "redact_message", "register_secret"]

REDACTED: Final = "[redacted]"

_NAMES = (
    r"(?:proxy-)?authorization|(?:x-)?(?:goog-)?api[-_ ]?key|(?:set-)?cookie"
    r"|(?:access|refresh|id|auth|bearer|session|csrf|security)[-_ ]?token|token"
    r"|client[-_ ]?secret|secret|password|passwd|private[-_ ]?key|code[-_]?verifier"
    r"|device[-_]?code|chatgpt-account-id|credential"
)
_QUOTED = r"b?\"(?:[^\"\\]|\\.)*\"|b?'(?:[^'\\]|\\.)*'"
_RANDOM = r"(?=[^\s\"'&,;)}\]]{0,64}\d)(?=[^\s\"'&,;)}\]]{0,64}[A-Za-z])[^\s\"'&,;)}\]]+"

# Texts come from upstreams and clients, so each pattern takes time in proportion to the text: what
# may repeat without bound is tried from one place only, or ends where the next try could begin.
_PATTERNS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    # headers whose value has blanks in it
    (
        re.compile(
            r"(?i)\b((?:set-)?cookie|(?:proxy-)?authorization)(['\"]?\s*+[:=,]\s*+)"
            rf"(?:{_QUOTED}|(?<![,\s])\s*+[^\r\n'\"]+|(?<=[:=]\s)[^\r\n'\"]+)"
        ),
        rf"\1\2{REDACTED}",
    ),
    (
        re.compile(r"(?i)\b(bearer|basic)\s+(?=\S*[^\sA-Za-z.,;:)'\"]|\S{20})[^\s\"',;)}]+"),
        rf"\1 {REDACTED}",
    ),
    # looks first whether a dot ends the word at all, once for each word
    (
        re.compile(
            r"(?<![\w-])(?=[\w-]*+\.[\w-]{4})([\w-]*?)\beyJ[\w-]{6,}\.[\w-]{4,}(?:\.[\w-]*)*"
        ),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"\b(?:sk|gw|xai|ksk|rk|pk|key)-[\w-]{12,}"), REDACTED),
    (re.compile(r"\b(?:crsr|gh[pousr]|github_pat|aoa|aor|ac|rt|at)_[\w-]{12,}"), REDACTED),
    (re.compile(r"\bAIza[\w-]{20,}"), REDACTED),
    # name: value, name=value, "name": "value", ('name', b'value')
    (
        re.compile(
            rf"(?i)((?<![a-z])(?:{_NAMES})\b['\"]?\s*+(?:[:=]|,(?=\s*b?['\"]))\s*+)"
            rf"(?:{_QUOTED}|(?!None\b|null\b|SecretStr|\[redacted\])[^\s\"'&,;)}}\]]+)"
        ),
        rf"\1{REDACTED}",
    ),
    # an authorization code or state: in a query always, elsewhere when it looks random, because
    # error codes and states of things are worth reading
    (re.compile(r"([?&](?:code|state|session_token|user_code)=)[^&\s\"']+"), rf"\1{REDACTED}"),
    (
        re.compile(rf"(?i)(\b(?:code|state)['\"]?\s*[:=]\s*['\"]?){_RANDOM}"),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"(://)[^/\s:@]+:[^/\s@]+@"), rf"\1{REDACTED}@"),
)
# A line with none of these words matches no pattern; most lines have none, and the patterns cost
# a hundred times as much.
_HINTS: Final = (
    *("auth", "bearer", "basic", "cookie", "key", "token", "secret", "passw", "verifier"),
    *(
        "account-id",
        "credential",
        "state",
        "eyj",
        "aiza",
        "://",
        "sk-",
        "gw-",
        "xai-",
        "rk-",
        "pk-",
    ),
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    *("crsr_", "aoa_", "aor_", "ac_", "rt_", "at_"),
)
_CODE: Final = re.compile(r"code(?!x)")
"""A hint as well, but half of our lines name Codex."""
_SECRET_KEY: Final = re.compile(rf"(?i)(?:[\w-]*[_-])?(?:{_NAMES})")

_SHORTEST_SECRET = 6  # a shorter one would shred ordinary words
_MOST_SECRETS = 256
_registered: dict[str, None] = {}


def register_secret(value: str) -> None:
    """Have this very text redacted from now on. The latest 256 are remembered."""
    if len(value) < _SHORTEST_SECRET:
        return
    _registered.pop(value, None)
    _registered[value] = None
    while len(_registered) > _MOST_SECRETS:
        _registered.pop(next(iter(_registered)))


def redact(text: str) -> str:
    """The text with everything that looks like a secret replaced by `[redacted]`."""
    for secret in tuple(_registered):
        if secret in text:
            text = text.replace(secret, REDACTED)
    lower = text.lower()
    if any(hint in lower for hint in _HINTS) or ("code" in lower and _CODE.search(lower)):
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
    return text


def redact_message(text: str, limit: int = 2000) -> str:
    """The text without secrets, at most `limit` characters long: for what others have written."""
    text = redact(text)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def redact_fields(fields: Mapping[str, object]) -> dict[str, object]:
    """Structured fields, redacted by their names and inside their texts."""
    return {
        key: REDACTED if value and _SECRET_KEY.fullmatch(key) else _redact_value(value)
        for key, value in fields.items()
    }


def _redact_value(value: object) -> object:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return redact_fields({str(key): item for key, item in value.items()})
    if isinstance(value, list | tuple):
        return [_redact_value(item) for item in value]
    return value
