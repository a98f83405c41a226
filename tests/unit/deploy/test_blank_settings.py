"""A line of .env without a value (`BOTEL_BUS_TLS_CA=`) is a setting that was not made, not one that is wrong."""

from __future__ import annotations

import pytest
from pydantic_settings import BaseSettings

from deploy.settings.known import SECTIONS
from deploy.settings.page import rows


@pytest.mark.parametrize("settings", [one.settings for one in SECTIONS], ids=lambda one: one.__name__)
def test_a_setting_left_blank_was_not_made(settings: type[BaseSettings], monkeypatch: pytest.MonkeyPatch) -> None:
    names = [row.name for row in rows(settings)]
    for name in names:
        monkeypatch.delenv(name, raising=False)
    usual = settings()
    for name in names:
        monkeypatch.setenv(name, "")
    assert settings() == usual
