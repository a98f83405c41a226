"""A follower that writes down what it is given, and complains about what no follower may see."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable

from libs.bus.pieces import Piece
from libs.bus.subscription import Subscription
from libs.contracts.events import AnyEvent, ReplyGenerated, ReplyStatus
from tests.bus.support.waiting import WITHIN_S


class Listener:
    """Reads one subscription in the background. Numbers must rise by one, pieces must join without hole or overlap."""

    def __init__(self, subscription: Subscription, after: int | None = None, *, may_go_back: bool = False) -> None:
        self.events: list[AnyEvent] = []
        self.text: dict[str, str] = defaultdict(str)
        self.ends: dict[str, ReplyStatus] = {}
        self.traces: dict[str, set[str]] = defaultdict(set)
        """Traceparents of the pieces of each turn."""
        self.error: BaseException | None = None
        self._may_go_back = may_go_back
        """Redis loses writes in this test: numbers may come again, and then replace what came under them."""
        self._subscription = subscription
        self._number = subscription.number if after is None else after
        self._changed = asyncio.Condition()
        self._task = asyncio.create_task(self._listen())

    @property
    def replies(self) -> dict[str, ReplyGenerated]:
        return {event.turn_id: event for event in self.events if isinstance(event, ReplyGenerated)}

    async def until(self, condition: Callable[[Listener], object], within_s: float = WITHIN_S) -> None:
        """Until something that came makes the condition true."""
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(lambda: condition(self) or self.error), within_s)
        if self.error and not condition(self):
            raise self.error

    async def reply(self, turn_id: str) -> ReplyGenerated:
        """The event that ends the turn; its text was heard whole before it."""
        await self.until(lambda it: turn_id in it.replies)
        reply = self.replies[turn_id]
        assert self.text[turn_id] == reply.text, "what was streamed is not what was recorded"
        assert self.ends[turn_id] == reply.status
        return reply

    async def said(self, turn_id: str, text: str) -> None:
        await self.until(lambda it: it.text[turn_id] == text)

    async def close(self) -> None:
        self._subscription.close()
        await self._task

    async def _listen(self) -> None:
        try:
            async for item in self._subscription:
                self._take(item)
                async with self._changed:
                    self._changed.notify_all()
        except Exception as error:
            self.error = error
            async with self._changed:
                self._changed.notify_all()

    def _take(self, item: AnyEvent | Piece) -> None:
        if isinstance(item, Piece):
            assert item.offset == len(self.text[item.turn_id].encode()), f"hole or overlap: {item}"
            assert item.turn_id not in self.ends, f"words after the end: {item}"
            self.text[item.turn_id] += item.text
            self.traces[item.turn_id].add(item.trace)
            if item.end:
                self.ends[item.turn_id] = item.end
            return
        if self._may_go_back:
            self.events = [event for event in self.events if event.number < item.number]
        last = self.events[-1].number if self.events else self._number
        assert item.number == last + 1, f"event {item.number} after {last}"
        self.events.append(item)
