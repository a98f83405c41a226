"""Connects callers to conversations over the bus: opens or finds the conversation, and a line to its brains."""

from __future__ import annotations

from collections.abc import Callable

from libs.bus.conversations import Conversations
from libs.bus.feed import Feed
from libs.bus.tracing import Kind, NullTracer, Tracer
from libs.contracts.errors import BotelError
from libs.contracts.events import Author, Channel, ConversationOpened
from libs.contracts.ids import check_external_id, check_id
from libs.contracts.trace import valid_traceparent
from services.voice_gateway.bus_link import BusLink
from services.voice_gateway.ports import CallerIdentity
from services.voice_gateway.turn_spans import CallSpan


class BusExchange:
    """Implements `ports.Exchange`: opens or finds the caller's conversation, and follows it."""

    def __init__(
        self,
        conversations: Conversations,
        feed: Feed,
        *,
        now_ms: Callable[[], int],
        new_id: Callable[[str], str],
        tracer: Tracer | None = None,
    ) -> None:
        self._conversations, self._feed, self._now_ms, self._new_id = conversations, feed, now_ms, new_id
        self._tracer = tracer or NullTracer()

    async def connect(self, caller: CallerIdentity) -> BusLink:
        """See `ports.Exchange.connect`."""
        check_id(caller.property_id, "property_id")
        span = self._tracer.start("call", valid_traceparent(caller.trace), kind=Kind.SERVER)
        try:
            conversation_id = caller.conversation_id or await self._open(caller, span.trace)
            check_id(conversation_id, "conversation_id")
            subscription = await self._feed.follow(caller.property_id, conversation_id)
        except BotelError as error:
            span.end(error=error.code)
            raise
        call = CallSpan(self._tracer, span, caller.property_id, conversation_id)
        return BusLink(self._conversations, self._feed, subscription, now_ms=self._now_ms, call=call)

    async def _open(self, caller: CallerIdentity, trace: str) -> str:
        for field in ("customer_id", "reservation_id"):
            if value := getattr(caller, field):
                check_external_id(value, field)
        event = ConversationOpened(
            id=self._new_id("event"),
            time_ms=self._now_ms(),
            property_id=caller.property_id,
            conversation_id=self._new_id("conv"),
            author=Author.SYSTEM,
            channel=Channel.VOICE,
            trace=trace,
            customer_id=caller.customer_id,
            reservation_id=caller.reservation_id,
        )
        context = {name: getattr(caller, name) for name in ("property_id", "customer_id", "reservation_id")}
        opened = await self._conversations.open(event, {name: value for name, value in context.items() if value})
        return opened.conversation_id
