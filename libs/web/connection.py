"""What one connection may cost: a client that does not read is cut off, so that nothing is kept for it for ever."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

_log = logging.getLogger(__name__)


def impatient(stall_s: float) -> type[asyncio.Protocol]:
    """uvicorn's connection, given up when its write buffer has been over the high-water mark for `stall_s` seconds.

    The bound of memory is that buffer: 64 KiB and what one write adds. Nobody else's connection waits meanwhile.
    """

    class Impatient(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # chosen by uvicorn when it is imported
        transport: asyncio.Transport
        stalled: asyncio.TimerHandle | None = None

        def pause_writing(self) -> None:
            super().pause_writing()
            self._unstall()
            self.stalled = asyncio.get_running_loop().call_later(stall_s, self._cut_off)

        def resume_writing(self) -> None:
            self._unstall()
            super().resume_writing()

        def connection_lost(self, error: Exception | None) -> None:
            self._unstall()
            super().connection_lost(error)

        def _unstall(self) -> None:
            if self.stalled:
                self.stalled.cancel()
                self.stalled = None

        def _cut_off(self) -> None:
            _log.warning("client does not read, cut off", extra={"stalled_s": stall_s})
            # Closing in good order would wait until the client has read what is left.
            self.transport.abort()

    made: type[Any] = Impatient
    return made
