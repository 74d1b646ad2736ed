"""The plugin's README keeps up with its settings."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway_cursor.settings import CursorSettings
from support.about import about

README = Path(__file__).parents[2] / "plugins" / "cursor" / "README.md"


def test_every_setting_is_documented_and_no_other() -> None:
    table = README.read_text().partition("## Settings")[2].partition("\n## ")[0]
    names = [
        name
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    ]
    assert sorted(names) == sorted(CursorSettings.model_fields)


def test_the_settings_are_what_the_table_says_they_are_by_default() -> None:
    settings = CursorSettings()
    assert (settings.held_seconds, settings.held_runs, settings.max_native_calls) == (600, 64, 25)
    assert settings.privacy and not settings.allow_web_search
    assert settings.run_base == settings.base_url == "https://api2.cursor.sh"
    assert settings.agent.startswith("gateway-cursor/")


def test_settings_that_cannot_be_are_refused() -> None:
    for wrong in [
        {"base_url": "api2.cursor.sh"},
        {"user_agent": "two\nlines"},
        {"client_version": ""},
        {"default_mode": "plan"},
        {"login": "github"},
        {"held_seconds": 0},
        {"held_runs": -1},
        {"unknown": 1},
    ]:
        with about(wrong), pytest.raises(ValidationError):
            CursorSettings.model_validate(wrong)
