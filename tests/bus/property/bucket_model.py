"""What a caller's bucket of tokens holds, as the property test believes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class BucketModel:
    caller: str
    burst: int
    left: float
    """Tokens at least; what real time brought meanwhile comes on top."""
    at: float = 0

    def left_at(self, now: float, each_ms: float) -> float:
        return min(self.burst, self.left + max(0.0, now - self.at) / each_ms)
