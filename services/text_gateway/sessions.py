"""Voice sessions: the guest's conversation, and a way into the room where it goes on aloud.

LiveKit is asked before anything is opened: when it cannot take a call, nothing of one is left behind. The room itself
is made by whoever enters it first; a session that nobody uses leaves no trace but its conversation.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from libs.bus.tracing import Kind, NullTracer, Tracer
from libs.contracts.calls import CallTicket
from libs.contracts.context import opening_context
from libs.contracts.errors import BotelError
from libs.contracts.events import Author, Channel, ConversationOpened
from services.text_gateway.domain.calls import CALL, call_in, guest_identity
from services.text_gateway.ports import Admission, Calls, Conversations, Rooms

_ANSWERED_WITHIN_MS = 12_000
"""From the session to a concierge who answers: a guest enters within seconds. One who takes longer is told of by the
webhook of their coming."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants to talk, checked."""

    property_id: str
    conversation_id: str = ""
    """'': the guest's own, or a new one."""
    customer_id: str = ""
    reservation_id: str = ""
    trace: str = ""
    """The client's traceparent; '': the call begins a trace."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    conversation_id: str
    call_id: str
    """The room's name, too."""
    admission: Admission
    rejoined: bool
    """The guest is in that call already, or was a moment ago."""


class Sessions:
    """`count` is told how each request ended: `opened`, `rejoined`, or the code of its error."""

    def __init__(
        self,
        conversations: Conversations,
        rooms: Rooms,
        calls: Calls,
        *,
        now_ms: Callable[[], int],
        new_id: Callable[[str], str],
        count: Callable[[str], None],
        tracer: Tracer | None = None,
    ) -> None:
        self._conversations, self._rooms, self._calls = conversations, rooms, calls
        self._tracer = tracer or NullTracer()
        self._now_ms, self._new_id, self._count = now_ms, new_id, count

    async def open(self, wish: Wish) -> Session:
        """A way into the guest's call, or into a new one.

        Raises `VoiceNotConfigured`, `RoomsUnavailable` and `RoomsRefused`, with nothing opened, and the bus's errors.
        """
        about = {"botel.property_id": wish.property_id}
        span, code = self._tracer.start("open voice session", wish.trace, kind=Kind.SERVER, attributes=about), ""
        try:
            with self._tracer.inside(span.trace, property_id=wish.property_id):
                session = await self._open(msgspec.structs.replace(wish, trace=span.trace))
        except BotelError as error:
            code = error.code
            self._count(error.code)
            raise
        finally:
            span.end(error=code)
        self._count("rejoined" if session.rejoined else "opened")
        return session

    async def _open(self, wish: Wish) -> Session:
        call_id = self._new_id("call")
        await self._rooms.find(call_id)  # there is none: that LiveKit says so, before anything is opened, is the point
        conversation_id = wish.conversation_id
        if conversation_id:
            context = await self._context(wish.property_id, conversation_id)
        else:
            conversation_id, context = await self._conversation(wish)
        ticket = await self._live(wish.property_id, conversation_id, context.get(CALL, ""))
        fresh = CallTicket(
            call_id=call_id,
            property_id=wish.property_id,
            conversation_id=conversation_id,
            customer_id=context.get("customer_id", ""),
            reservation_id=context.get("reservation_id", ""),
            guest=guest_identity(conversation_id),
            trace=wish.trace,
        )
        if ticket is None:
            await self._calls.expect(fresh, _ANSWERED_WITHIN_MS)
        return Session(
            conversation_id=conversation_id,
            call_id=(ticket or fresh).call_id,
            admission=self._rooms.admit(ticket or fresh, guest_identity(conversation_id)),
            rejoined=ticket is not None,
        )

    async def _live(self, property_id: str, conversation_id: str, call_id: str) -> CallTicket | None:
        """The ticket of the call that the guest is in, if its room exists. One by phone names no conversation.

        A conversation that was just opened names no call, and LiveKit is not asked a second time: what it refuses here
        has opened nothing. Nor is it taken for an end of the call, or the guest would be in two.
        """
        room = await self._rooms.find(call_id) if call_id else None
        ticket = call_in(room.name, room.metadata) if room else None
        if ticket and ticket.property_id == property_id and ticket.conversation_id in {"", conversation_id}:
            return ticket
        return None

    async def _context(self, property_id: str, conversation_id: str) -> dict[str, str]:
        return (await self._conversations.read(property_id, conversation_id, count=1)).context

    async def _conversation(self, wish: Wish) -> tuple[str, dict[str, str]]:
        event = ConversationOpened(
            id=self._new_id("evt"),
            time_ms=self._now_ms(),
            property_id=wish.property_id,
            conversation_id=self._new_id("conv"),
            author=Author.SYSTEM,
            channel=Channel.VOICE,
            trace=wish.trace,
            customer_id=wish.customer_id,
            reservation_id=wish.reservation_id,
        )
        opened = await self._conversations.open(event, opening_context(event))
        if opened.created:
            return opened.conversation_id, opening_context(event)
        return opened.conversation_id, await self._context(wish.property_id, opened.conversation_id)
