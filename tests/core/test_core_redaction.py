"""Redaction of texts that others have written: every pattern is reached, and in linear time."""

import time

import pytest

from gateway_core.redaction import redact, redact_message
from support.about import each

JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnkifQ.canary"


@each(
    "text",
    [
        JWT,
        f"x-{JWT}",
        f"prefix_eyJ-{JWT}",
        "AIzacanarycanarycanarycanary",
        *[f"{name}-canary-canary-canary" for name in ["sk", "gw", "xai", "ksk", "rk", "pk", "key"]],
        *[f"{name}_canary_canary_canary" for name in ["crsr", "ghp", "gho", "ghu", "ghs", "ghr"]],
        *[
            f"{name}_canary_canary_canary"
            for name in ["github_pat", "aoa", "aor", "ac", "rt", "at"]
        ],
        "bearer canary1",
        "basic Y2FuYXJ5canary=",
        "cookie: canary=1; b=canary",
        "set-cookie: canary",
        "proxy-authorization: canary",
        "x-goog-api-key: canary",
        "MY-OWN-API-KEY: canary",
        *[
            f"{name}_token=canary"
            for name in ["access", "refresh", "id", "auth", "session", "csrf", "security"]
        ],
        "token: canary",
        "secret: canary",
        "passwd=canary",
        "private key: canary",
        "codeVerifier=canary",
        "device_code=canary",
        "chatgpt-account-id: canary",
        "credential=canary",
        "?user_code=canary",
        "&state=canary",
        "state=canary1",
        "://me:canary@",
    ],
)
def test_each_shape_is_redacted_when_it_stands_alone(text: str) -> None:
    redacted = redact(text)
    assert "canary" not in redacted
    assert "[redacted]" in redacted


@each(
    "name",
    ["max_tokens", "my_codex", "a-token-count", "eyJust-a-word", "eyJ.short", "keyboard-layouts"],
)
def test_words_that_only_look_alike_are_kept(name: str) -> None:
    assert redact(f"{name} is 5 in the code") == f"{name} is 5 in the code"


@pytest.mark.parametrize(
    ("seed", "tail"),
    [
        ("x-", "codex"),
        ("-", " token"),
        ("a_", " token"),
        ("Zm9vYmFy-_", " code"),
        ("eyJ-", ""),
        ("eyJabcdefgh-", ""),
        ("eyJabcdefgh.", ""),
        ("code=", ""),
        ("state: ", ""),
        ("token", " "),
        ("token ", ""),
        ("token,", ""),
        ('token="\\', ""),
        ("cookie,", ""),
        ("cookie ", ""),
        ("bearer ", ""),
        ("bearer", " "),
        (" ", "bearer"),
        ("://a:", ""),
        ("sk-", ""),
    ],
)
def test_time_grows_with_the_length_of_the_text(seed: str, tail: str) -> None:
    """Eight times the text may take three times more than it should; a square takes eight times."""
    small, large = (seed * (size // len(seed)) + tail for size in (10_000, 80_000))
    assert _seconds(large) < 24 * _seconds(small) + 0.2


def _seconds(text: str) -> float:
    times = []
    for _ in range(2):
        start = time.process_time()
        redact(text)
        times.append(time.process_time() - start)
    return min(times)


def test_a_message_is_redacted_before_it_is_cut() -> None:
    message = redact_message("api_key=canary, " + "a" * 5000)
    assert message.startswith("api_key=[redacted], aaa")
    assert message.endswith("a…")
    assert len(message) == 2000


def test_a_short_message_stays_as_it_is() -> None:
    assert redact_message("full", limit=4) == "full"
