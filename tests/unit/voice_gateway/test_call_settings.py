"""What the settings of calls take, as they come from the environment."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from services.voice_gateway.domain.manners import GREETING
from services.voice_gateway.settings import CallSettings


@pytest.mark.parametrize(("given", "said"), [("off", ""), ("Off ", ""), ("", GREETING), ("Good day.", "Good day.")])
def test_what_the_concierge_says_first(monkeypatch: pytest.MonkeyPatch, given: str, said: str) -> None:
    monkeypatch.setenv("BOTEL_CALL_GREETING", given)
    assert CallSettings().greeting == said


def test_desks_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOTEL_CALL_DESKS", '{"reception": "tel:+4940123"}')
    assert CallSettings().desks == {"reception": "tel:+4940123"}


@pytest.mark.parametrize(
    "given", ["reception=tel:+4940123", "[]", '{"reception": "by the stairs"}', '{"reception": 3}']
)
def test_desks_that_are_none_are_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("BOTEL_CALL_DESKS", given)
    with pytest.raises(ValidationError, match="desks"):
        CallSettings()
