"""The page of settings has all of them, as they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from deploy.settings.__main__ import DOCS
from deploy.settings.known import SECTIONS
from deploy.settings.page import Row, page, rows


class Sample(BaseSettings):
    """Environment: SAMPLE_*."""

    model_config = SettingsConfigDict(env_prefix="SAMPLE_")

    slots: int = Field(default=64, ge=1, le=1_000)
    """Turns at once,
    or so."""
    key: SecretStr = Field(default=SecretStr(""), validation_alias="OTHER_KEY")
    rest_s: float | None = Field(default=None, gt=0)
    """a | b"""
    on: bool = False


def test_a_row_says_name_default_what_is_taken_and_the_sentence_of_the_source() -> None:
    assert list(rows(Sample)) == [
        Row("SAMPLE_SLOTS", "`64`", "whole number, ≥ 1, ≤ 1000", "Turns at once, or so."),
        Row("OTHER_KEY", "", "secret", ""),
        Row("SAMPLE_REST_S", "", "number, > 0", "a \\| b"),
        Row("SAMPLE_ON", "`false`", "`true`, `false`", ""),
    ]


def test_what_cannot_be_described_is_said_and_not_left_out() -> None:
    class Odd(BaseSettings):
        names: list[str] = Field(default_factory=list)

    with pytest.raises(TypeError, match="list"):
        list(rows(Odd))


def test_every_class_of_settings_is_on_the_page() -> None:
    sources = [path.read_text() for folder in ("libs", "services") for path in Path(folder).rglob("*.py")]
    found = {name for source in sources for name in re.findall(r"class (\w+)\(BaseSettings\)", source)}
    assert found == {one.settings.__name__ for one in SECTIONS}


def test_every_setting_says_what_it_is() -> None:
    assert [row.name for one in SECTIONS for row in rows(one.settings) if not row.about] == []


def test_the_page_is_as_it_would_be_written_and_shows_no_secret() -> None:
    assert DOCS.read_text() == page()
    secret = [row for one in SECTIONS for row in rows(one.settings) if row.takes == "secret" and row.default]
    assert [row.name for row in secret] == ["REDIS_URL"]
