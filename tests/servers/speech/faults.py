"""How a provider misbehaves: it refuses, takes a request and stays silent, or hangs up in the middle."""

from __future__ import annotations

import asyncio

from aiohttp import web


class Fault:
    """State of one endpoint; change it at any time, `clear` mends it."""

    def __init__(self) -> None:
        self.status = 0
        """Answer every request with this HTTP status."""
        self.silent = False
        """Take what comes and answer nothing."""
        self.cut_after: int | None = None
        """Bytes of audio after which the connection is dropped."""
        self.requests = 0

    def clear(self) -> None:
        self.status, self.silent, self.cut_after = 0, False, None

    async def admit(self, request: web.Request) -> None:
        """Raises the refusal. A silent endpoint never comes back from here, unless it speaks WebSocket."""
        self.requests += 1
        if self.status:
            raise _refusal(self.status)
        if self.silent and "Upgrade" not in request.headers:
            await asyncio.Event().wait()

    def cuts(self, request: web.Request, audio_bytes: int) -> bool:
        """Drop the connection if it is time; answers whether it was."""
        if self.cut_after is None or audio_bytes < self.cut_after:
            return False
        if request.transport:
            request.transport.abort()
        return True


class _Refusal(web.HTTPException):
    status_code = 500


def _refusal(status: int) -> web.HTTPException:
    refusal = _Refusal(text='{"error": {"message": "no"}}', content_type="application/json")
    refusal.set_status(status)
    return refusal
