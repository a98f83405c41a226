"""What every implementation of `ports.Rooms` promises: the one in memory, and LiveKit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from libs.contracts.calls import CallTicket, decode_ticket
from services.text_gateway.errors import BadSignature
from services.text_gateway.ports import Admission, Rooms

TICKET = CallTicket(call_id="call-1", property_id="harbour", conversation_id="conv-1", guest="guest-conv-1")
Enter = Callable[[Admission], AbstractAsyncContextManager[Any]]
"""A guest who is in the room meanwhile."""


async def keeps_its_promises(rooms: Rooms, enter: Enter) -> None:
    """Fails when it does not. The room `call-1` must not exist."""
    assert await rooms.find("call-1") is None
    admission = rooms.admit(TICKET, "guest-conv-1")
    assert await rooms.find("call-1") is None, "an admission makes no room"

    async with enter(admission):
        room = await rooms.find("call-1")
        assert room
        assert (room.name, decode_ticket(room.metadata)) == ("call-1", TICKET)
        async with enter(rooms.admit(TICKET, "guest-conv-1")):
            assert await rooms.find("call-1") == room, "who comes second changes nothing"
        assert await rooms.find("call") is None

    for authorization in ("", "nobody's", admission.token):
        with pytest.raises(BadSignature):
            rooms.verify(b"{}", authorization)
