"""The plugin's README keeps up with its settings."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway_kiro.settings import KiroSettings
from support.about import each

README = Path(__file__).parents[2] / "plugins" / "kiro" / "README.md"


def test_every_setting_is_documented_and_no_other() -> None:
    table = README.read_text().partition("## Settings")[2].partition("\n## ")[0]
    names = [
        name
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    ]
    assert sorted(names) == sorted(KiroSettings.model_fields)


@each(
    "wrong",
    [
        {"runtime_url": "runtime.kiro.dev"},
        {"runtime_url": "https://{host}.kiro.dev"},
        {"user_agent": "two\nlines"},
        {"region": "us-east-1.evil.example"},
        {"profile_arn": "team"},
        {"payload_limit_bytes": -1},
        {"unknown": 1},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        KiroSettings.model_validate(wrong)
