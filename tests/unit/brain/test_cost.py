"""What tokens cost, by the prices of the operator."""

from __future__ import annotations

import pytest

from services.brain.domain.cost import Prices
from services.brain.settings import ModelSettings

GPT = Prices(input=0.40, output=1.60, cached=0.10)


@pytest.mark.parametrize(
    ("read", "written", "cached", "micro"),
    [
        (1_000_000, 0, 0, 400_000),
        (0, 1_000_000, 0, 1_600_000),
        (1_000_000, 0, 1_000_000, 100_000),
        (1_000, 100, 400, 440),
        (0, 0, 0, 0),
        (3, 0, 0, 1),
        (100, 0, 900, 10),
    ],
    ids=["input", "output", "cached", "a reply", "nothing", "rounded", "more cached than read"],
)
def test_a_cost_is_in_millionths_of_the_currency(read: int, written: int, cached: int, micro: int) -> None:
    assert GPT.cost_micro(input_tokens=read, output_tokens=written, cached_tokens=cached) == micro


def test_without_prices_nothing_costs_anything() -> None:
    assert Prices().cost_micro(input_tokens=10_000, output_tokens=10_000, cached_tokens=1) == 0


def test_prices_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN_PRICE_INPUT", "0.40")
    monkeypatch.setenv("BRAIN_PRICE_OUTPUT", "1.60")

    assert ModelSettings().prices() == Prices(input=0.40, output=1.60, cached=0.40)

    monkeypatch.setenv("BRAIN_PRICE_CACHED", "0")
    assert ModelSettings().prices().cached == 0


def test_a_price_below_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN_PRICE_INPUT", "-1")

    with pytest.raises(ValueError, match="greater than or equal to 0"):
        ModelSettings()
