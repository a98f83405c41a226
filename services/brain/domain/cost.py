"""What a reply's tokens cost, by the prices that the operator has set. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Of a million tokens, in whole units of one currency, as providers print them. 0: costs nothing.

    A price per million tokens is a price per token in millionths of the currency: that is what costs are counted in.
    """

    input: float = 0.0
    output: float = 0.0
    cached: float = 0.0
    """Of input tokens that the provider had cached; they are among the input tokens."""

    def cost_micro(self, *, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> int:
        """Millionths of the currency, rounded to the nearest. More cached than read is read as all cached."""
        cached = min(cached_tokens, input_tokens)
        cost = (input_tokens - cached) * self.input + cached * self.cached + output_tokens * self.output
        return round(cost)
