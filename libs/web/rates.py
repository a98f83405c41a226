"""How often a key may ask, over all servers together. Redis away: nobody is refused for that, and it is counted."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any, Protocol

from fastapi import Depends, Request
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.bus.limits import Rate
from libs.contracts.errors import BusUnavailable
from libs.web.api_keys import Caller
from libs.web.errors import TooManyRequests

_log = logging.getLogger(__name__)


class RateSettings(BaseSettings):
    """Environment: BOTEL_RATE_*. Per key and second; 0 is no limit. A burst is what a rested key may ask at once."""

    model_config = SettingsConfigDict(env_prefix="BOTEL_RATE_", frozen=True, extra="ignore", env_ignore_empty=True)

    turns_per_s: float = Field(default=100.0, ge=0, le=100_000)
    """Messages, and cancels counted for themselves. A hotel of a thousand rooms sends a few."""
    turns_burst: int = Field(default=500, ge=1)
    """Of them at once."""
    sessions_per_s: float = Field(default=20.0, ge=0, le=100_000)
    """Voice sessions."""
    sessions_burst: int = Field(default=100, ge=1)
    """Of them at once."""
    streams_per_s: float = Field(default=100.0, ge=0, le=100_000)
    """Event streams begun: after a restart of a gateway all come at once."""
    streams_burst: int = Field(default=2_000, ge=1)
    """Of them at once."""
    reads_per_s: float = Field(default=200.0, ge=0, le=100_000)
    """Requests to the context store."""
    reads_burst: int = Field(default=1_000, ge=1)
    """Of them at once."""

    def limits(self) -> dict[str, Rate]:
        """By what is asked; without those that have no limit."""
        all_ = {
            "turns": Rate(self.turns_per_s, self.turns_burst),
            "cancels": Rate(self.turns_per_s, self.turns_burst),
            "sessions": Rate(self.sessions_per_s, self.sessions_burst),
            "streams": Rate(self.streams_per_s, self.streams_burst),
            "reads": Rate(self.reads_per_s, self.reads_burst),
        }
        return {what: rate for what, rate in all_.items() if rate.per_s > 0}


class Buckets(Protocol):
    """`libs.bus.limits.Buckets` fits as it is."""

    async def spend(self, property_id: str, caller: str, what: str, rate: Rate) -> int:
        """0, or milliseconds until there is a token. Raises `BusUnavailable`."""


class RateWatcher(Protocol):
    """Told of what was not let through, and of what nobody could count. `property_id` is one of those with a key."""

    def limited(self, property_id: str, what: str) -> None: ...

    def uncounted(self, what: str) -> None: ...


class Rates:
    """The application keeps one in `app.state.rates`."""

    def __init__(self, buckets: Buckets, limits: Mapping[str, Rate], watcher: RateWatcher) -> None:
        self._buckets, self._limits, self._watcher = buckets, limits, watcher
        self._counts = True

    async def admit(self, property_id: str, caller: str, what: str) -> None:
        """`TooManyRequests` when the caller has no token left for this."""
        rate = self._limits.get(what)
        if rate is None:
            return
        try:
            wait_ms = await self._buckets.spend(property_id, caller, what, rate)
        except BusUnavailable as error:
            if self._counts:
                _log.warning("rates are not counted", extra={"reason": error.detail})
            self._counts = False
            self._watcher.uncounted(what)
            return
        self._counts = True
        if wait_ms:
            self._watcher.limited(property_id, what)
            raise TooManyRequests(what, max(1, math.ceil(wait_ms / 1000)))


def at_rate(what: str) -> Any:
    """Dependency of a route: the request counts as one of these. Checks the key first: 401 before 429."""

    async def admit(request: Request, property_id: Caller) -> None:
        rates: Rates | None = request.app.state.rates
        if rates:
            await rates.admit(property_id, request.state.key_id, what)

    return Depends(admit)
