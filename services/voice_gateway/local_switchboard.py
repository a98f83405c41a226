"""The switchboard of a line that goes nowhere else: the audio door's."""

from __future__ import annotations

from services.voice_gateway.ports import TransferFailed


class LocalSwitchboard:
    """Implements `ports.Switchboard`."""

    async def hang_up(self) -> None:
        """Nothing to do: the line is closed with the call."""

    async def transfer(self, to: str) -> None:
        """Raises `TransferFailed`."""
        raise TransferFailed("this line cannot be transferred")
