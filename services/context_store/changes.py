"""What a client may change: open a conversation, and note something in its context. Both go through the bus."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from libs.bus.tracing import Kind, NullTracer, Tracer
from libs.contracts.context import opening_context
from libs.contracts.errors import BusUnavailable, UnknownConversation
from libs.contracts.events import Author, Channel, ContextUpdated, ConversationOpened
from libs.web.errors import WebError
from services.context_store.domain.context import check_update
from services.context_store.history import History
from services.context_store.ports import Archive, LiveConversations


class Archived(WebError):
    """The archive has the conversation and Redis has it no more: it can be read, not continued."""

    code = "archived"
    status = 409
    advice = "This conversation is history: open a new one to go on."


class Updated(msgspec.Struct, frozen=True):
    number: int
    """Log number of the update."""
    fields: Mapping[str, str]


class Changes:
    """`now_ms` is Unix milliseconds; `new_id` makes an id of a kind."""

    def __init__(
        self,
        archive: Archive,
        history: History,
        live: LiveConversations,
        *,
        now_ms: Callable[[], int],
        new_id: Callable[[str], str],
        tracer: Tracer | None = None,
    ) -> None:
        self._tracer = tracer or NullTracer()
        self._archive, self._history, self._live = archive, history, live
        self._now_ms, self._new_id = now_ms, new_id

    async def open(
        self, property_id: str, *, customer_id: str, reservation_id: str, channel: Channel, trace: str = ""
    ) -> tuple[str, bool]:
        """(conversation, whether it is new). With Redis away a conversation that the archive knows is still found.

        `trace`: the client's traceparent.
        """
        event = ConversationOpened(
            id=self._new_id("evt"),
            time_ms=self._now_ms(),
            property_id=property_id,
            conversation_id=self._new_id("conv"),
            author=Author.SYSTEM,
            channel=channel,
            trace=self._trace("open conversation", property_id, trace),
            customer_id=customer_id,
            reservation_id=reservation_id,
        )
        try:
            return await self._live.open(event, opening_context(event))
        except BusUnavailable:
            if not (customer_id or reservation_id):
                raise
            # As the bus does: the reservation identifies, the customer only without one.
            found = await self._archive.conversations(
                property_id,
                limit=1,
                customer_id="" if reservation_id else customer_id,
                reservation_id=reservation_id,
            )
            if not found:
                raise
            return found[0].conversation_id, False

    async def update_context(
        self,
        property_id: str,
        conversation_id: str,
        update: Mapping[str, str | None],
        *,
        event_id: str = "",
        trace: str = "",
    ) -> Updated:
        """Set fields, or remove those that are None. The same `event_id` takes effect once.

        `trace`: the client's traceparent.

        Raises `InvalidRequest`, `UnknownConversation`, `Archived`, `BusUnavailable`.
        """
        current = await self._history.context(property_id, conversation_id)
        change = check_update(current.fields, update)
        event = ContextUpdated(
            id=event_id or self._new_id("evt"),
            time_ms=self._now_ms(),
            property_id=property_id,
            conversation_id=conversation_id,
            author=Author.SYSTEM,
            channel=Channel.SYSTEM,
            trace=self._trace("update context", property_id, trace),
            fields=change,
        )
        try:
            number = await self._live.append(event, change)
        except UnknownConversation as error:
            raise Archived from error
        after = {**current.fields, **change}
        return Updated(number, {name: value for name, value in after.items() if value})

    def _trace(self, name: str, property_id: str, trace: str) -> str:
        """That of what is asked: a step in the client's trace, or a trace of its own."""
        span = self._tracer.start(name, trace, kind=Kind.SERVER, attributes={"botel.property_id": property_id})
        span.end()
        return span.trace
