"""What one connection may cost: a client that does not read is cut off, and so is one that never ends its request, or
its head: nothing is kept for anybody for ever, and nothing without a limit.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import h11
from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_HEAD_BYTES = 65_536
"""Request line and headers: what uvicorn's h11 takes by itself. Its other parser, httptools, would take any number."""
MAX_HEADERS = 100
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_UNDER_WAY = (h11.IDLE, h11.SEND_BODY)
_log = logging.getLogger(__name__)


class _Patience:
    """Mixed into a protocol of uvicorn, whichever parser is installed."""

    stall_s = request_s = 30.0
    transport: asyncio.Transport
    stalled: asyncio.TimerHandle | None = None
    unfinished: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)  # type: ignore[misc]
        self.expect()

    def connection_lost(self, error: Exception | None) -> None:
        self._unstall()
        self.expected()
        super().connection_lost(error)  # type: ignore[misc]

    def pause_writing(self) -> None:
        super().pause_writing()  # type: ignore[misc]
        self._unstall()
        self.stalled = asyncio.get_running_loop().call_later(self.stall_s, self._cut_off)

    def resume_writing(self) -> None:
        self._unstall()
        super().resume_writing()  # type: ignore[misc]

    def expect(self) -> None:
        """A whole request, in time. Until a next one begins on a connection, uvicorn takes care of it."""
        self.expected()
        self.unfinished = asyncio.get_running_loop().call_later(self.request_s, self._give_up)

    def expected(self) -> None:
        """It is here."""
        if self.unfinished:
            self.unfinished.cancel()
            self.unfinished = None

    def _unstall(self) -> None:
        if self.stalled:
            self.stalled.cancel()
            self.stalled = None

    def _give_up(self) -> None:
        _log.warning("request does not end, cut off", extra={"waited_s": self.request_s})
        self.transport.abort()

    def _cut_off(self) -> None:
        _log.warning("client does not read, cut off", extra={"stalled_s": self.stall_s})
        # Closing in good order would wait until the client has read what is left.
        self.transport.abort()


class _ByH11(_Patience, H11Protocol):
    def data_received(self, data: bytes) -> None:
        if not self.unfinished and self.conn.their_state is h11.IDLE:
            self.expect()
        super().data_received(data)
        if self.conn.their_state not in _UNDER_WAY:
            self.expected()


class _ByHttpTools(_Patience, AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # chosen by uvicorn at its import
    head_bytes = 0
    in_head = True

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.head_bytes += len(data) if self.in_head else 0
        # None until the first request begins, which empty lines before it do not.
        if (self.in_head and self.head_bytes > MAX_HEAD_BYTES) or len(self.headers or ()) > MAX_HEADERS:
            self._refuse()

    def on_message_begin(self) -> None:
        self.in_head, self.head_bytes = True, 0
        self.expect()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self.in_head = False
        if len(self.headers) <= MAX_HEADERS:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if len(self.headers) <= MAX_HEADERS:  # else it would be added to the request before
            super().on_body(body)

    def on_message_complete(self) -> None:
        self.expected()
        if len(self.headers) <= MAX_HEADERS:
            super().on_message_complete()

    def _refuse(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()


def impatient(stall_s: float, request_s: float = 30.0, *, h11_only: bool = False) -> type[asyncio.Protocol]:
    """uvicorn's connection, given up when its write buffer has been over the high-water mark for `stall_s` seconds, or
    a request has not come whole within `request_s`; 431 or 400 for a head past its limits.

    The bound of memory is that buffer: 64 KiB and what one write adds. Nobody else's connection waits meanwhile.
    """
    base: type[Any] = _ByH11 if h11_only or AutoHTTPProtocol is H11Protocol else _ByHttpTools
    made: type[Any] = type("_Impatient", (base,), {"stall_s": stall_s, "request_s": request_s})
    return made
