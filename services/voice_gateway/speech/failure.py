"""What is told of a provider that fails or comes back: who, of which part, and why, without keys and without words."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from livekit.agents import APIError, APIStatusError

from services.voice_gateway.domain.roster import Roster

_log = logging.getLogger(__name__)

Part = Literal["stt", "tts"]


@dataclass(frozen=True)
class ProviderChange:
    """A provider went out of use or came back."""

    part: Part
    provider: str
    works: bool
    reason: str = ""
    """A kind of error, with the HTTP status if there was one."""


ProviderWatch = Callable[[ProviderChange], None]
"""Told changes; must not raise or wait."""


class ProviderFailed(APIError):
    """What a session is told when a provider was given up for another one. `kind` is meant for people."""

    def __init__(self, provider: str, reason: str) -> None:
        super().__init__(f"{provider} failed: {reason}")
        self.kind = f"{provider}: {reason}"


class ProviderSilent(APIError):
    """A provider that is connected and does not answer."""

    def __init__(self) -> None:
        super().__init__("no answer")


def reason_of(error: BaseException | None) -> str:
    """The kind of an error, never its text: texts of HTTP errors may hold keys, and of voices what was said."""
    if error is None:
        return "Closed"
    if isinstance(error, APIStatusError) and error.status_code > 0:
        return f"{type(error).__name__} {error.status_code}"
    if error.__cause__ is not None and type(error) in (APIError, APIStatusError):
        return reason_of(error.__cause__)
    return type(error).__name__


class Ledger:
    """The roster of one part's providers, and who is told of its changes. Shared by the calls of a process."""

    def __init__(self, part: Part, providers: tuple[str, ...], rest_s: float, watch: ProviderWatch | None) -> None:
        self.part, self.providers = part, providers
        self.roster = Roster(len(providers), rest_s)
        self._watch = watch

    def failed(self, place: int, error: BaseException | None) -> ProviderFailed:
        provider, reason = self.providers[place], reason_of(error)
        _log.warning("a speech provider failed", extra={"part": self.part, "provider": provider, "reason": reason})
        self.roster.failed(place, time.monotonic())
        self._tell(ProviderChange(self.part, provider, works=False, reason=reason))
        return ProviderFailed(provider, reason)

    def works(self, place: int) -> None:
        if self.roster.works(place):
            provider = self.providers[place]
            _log.info("a speech provider is back", extra={"part": self.part, "provider": provider})
            self._tell(ProviderChange(self.part, provider, works=True))

    def due(self) -> list[int]:
        return self.roster.due(time.monotonic())

    def _tell(self, change: ProviderChange) -> None:
        if self._watch:
            self._watch(change)
