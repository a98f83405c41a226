"""Money in minor units. Prices are computed by code and never by a model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount of one currency with two decimals."""

    minor: int
    """Minor units, for example cents."""
    currency: str
    """ISO 4217 code."""

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other).minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other).minor, self.currency)

    def times(self, factor: int) -> Money:
        return Money(self.minor * factor, self.currency)

    def __str__(self) -> str:
        return f"{self.currency} {self.minor // 100}.{self.minor % 100:02d}"

    def _same(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not add up")
        return other
