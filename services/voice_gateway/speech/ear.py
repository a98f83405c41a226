"""One provider's part in hearing a guest."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

from livekit import rtc
from livekit.agents import stt, utils


@dataclass(frozen=True)
class Hearing:
    """A provider's recogniser. `patience_s`: how long it may take to connect and to answer; None for one inside this
    process."""

    stt: stt.STT[Any]
    patience_s: float | None


class Ear:
    """One provider's stream."""

    def __init__(self, place: int, stream: stt.RecognizeStream, *, watched: bool, interims: bool) -> None:
        self.place, self.stream, self.watched, self.interims = place, stream, watched, interims
        self.task: asyncio.Task[None] | None = None
        self.proven = False

    def hear(self, item: Any) -> None:
        # One that has ended is replaced as soon as its end is read.
        with contextlib.suppress(RuntimeError):
            if isinstance(item, rtc.AudioFrame):
                self.stream.push_frame(item)
            else:
                self.stream.flush()

    def end_input(self) -> None:
        with contextlib.suppress(RuntimeError):
            self.stream.end_input()

    async def close(self) -> None:
        if self.task:
            await utils.aio.cancel_and_wait(self.task)
        await self.stream.aclose()
