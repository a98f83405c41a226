"""A recogniser of whole utterances with an end to its patience: some plugins wait for half a minute."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from livekit.agents import APITimeoutError, stt
from livekit.agents.types import NOT_GIVEN, APIConnectOptions, NotGivenOr
from livekit.agents.utils import AudioBuffer


class BoundedSTT(stt.STT[str]):
    """`recogniser`, which fails with `APITimeoutError` after `patience_s` seconds. Closes it, and by `close` what it
    leaves open."""

    def __init__(self, recogniser: stt.STT[Any], patience_s: float, close: Callable[[], Awaitable[None]]) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=False, interim_results=False))
        self._recogniser, self._patience_s, self._close = recogniser, patience_s, close

    @property
    def model(self) -> str:
        return self._recogniser.model

    @property
    def provider(self) -> str:
        return self._recogniser.provider

    async def _recognize_impl(
        self, buffer: AudioBuffer, *, language: NotGivenOr[str] = NOT_GIVEN, conn_options: APIConnectOptions
    ) -> stt.SpeechEvent:
        try:
            async with asyncio.timeout(self._patience_s):
                return await self._recogniser.recognize(buffer, language=language, conn_options=conn_options)
        except TimeoutError:
            raise APITimeoutError from None

    async def aclose(self) -> None:
        await self._recogniser.aclose()
        await self._close()
