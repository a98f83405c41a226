"""One follower of one conversation: an async iterator of events in order and of reply text as it is made."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from types import TracebackType
from typing import Any

from libs.bus.bus import Bus
from libs.bus.log import number_of
from libs.bus.pieces import Item, Piece, SlowFollower
from libs.bus.remembered import Remembered
from libs.bus.stitch import Fit, Stitch
from libs.contracts.chunks import Chunk, EventCopy
from libs.contracts.codec import decode
from libs.contracts.errors import BusUnavailable, MalformedMessage, UnknownConversation
from libs.contracts.events import ReplyGenerated

_log = logging.getLogger(__name__)
_MAX_QUEUE = 4_096
_MAX_HELD_BYTES = 4 * 2**20
"""Bodies and texts held for one reader, at most, before more is taken."""
_HEAL_PAGE = 500


class Subscription:
    """Iterate it; each item is an event (numbers rise by one) or a `Piece`. Made by `Feed.follow`."""

    def __init__(
        self,
        bus: Bus,
        property_id: str,
        conversation_id: str,
        gateway_id: str,
        on_close: Callable[[Subscription], None],
    ) -> None:
        self._bus, self._keys = bus, bus.keys(property_id)
        self.property_id, self.conversation_id, self._gateway = property_id, conversation_id, gateway_id
        self._on_close = on_close
        self._number = 0
        self._floor = 0
        """Chunks of earlier epochs are of replies that had ended when this began: no news."""
        self._remembered = Remembered()
        self._stitches: dict[str, Stitch] = {}
        self._incoming: asyncio.Queue[Chunk | EventCopy | int] = asyncio.Queue()
        self._outgoing: asyncio.Queue[tuple[Item | Exception | None, int]] = asyncio.Queue()
        self._held = 0
        """Bytes of what is queued for the reader."""
        self._sorter: asyncio.Task[None] | None = None
        self._in_order = False
        """Nothing waits for the sorter."""
        self._closed = False
        self.retired_to = 0
        """Events after the resume point and up to this number are in the archive only; 0: none."""

    @property
    def number(self) -> int:
        """The last event number handed out."""
        return self._number

    async def begin(self, after: int | None) -> None:
        """Subscribe and queue what is there already."""
        last, turn, epoch, draft = await self._renew()
        self._floor = epoch if turn else epoch + 1
        self._number = last if after is None else min(after, last)
        if self._number < last:
            await self._heal_events(last)
            if self._number < last:  # nothing of it is there: retired, and what comes next is the next number
                self.retired_to = self._number = last
        if turn and draft:
            stitch = self._stitch(turn)
            stitch.epoch = epoch
            self._put(Piece(turn, stitch.extend(draft), 0), len(draft))
        if self._closed:  # the feed was closed meanwhile
            raise UnknownConversation("the feed is closed")
        self._sorter = asyncio.create_task(self._sort(), name=f"feed {self.conversation_id}")

    def push(self, item: Chunk | EventCopy | int) -> None:
        """Take an entry of the chunk stream, or the number of the last event. Never waits.

        What fits is handed out at once; what does not waits for the sorter, and all that comes after it too. A reader
        that does not keep up is cut off.
        """
        if self._closed:
            return
        if self._incoming.qsize() + self._outgoing.qsize() >= _MAX_QUEUE or self._held >= _MAX_HELD_BYTES:
            self._fail(SlowFollower())
            return
        try:
            if self._in_order and self._take(item):
                return
        except Exception as error:
            self._fail(error)
            return
        self._in_order = False
        self._incoming.put_nowait(item)

    async def check(self, *, renew: bool, verify: bool = False) -> None:
        """Look for events whose hint was lost. A conversation gone or damaged ends the iteration with its error.

        `verify`: Redis may have lost its last writes. When the log went back, the events that it has instead are
        handed out: their numbers come a second time. Raises `BusUnavailable` only: all else is this follower's own.
        """
        try:
            await self._check(renew, verify)
        except BusUnavailable:
            raise
        except UnknownConversation as error:
            self._fail(error)
        except Exception as error:
            _log.warning("follower cut off", exc_info=True, extra={"conversation_id": self.conversation_id})
            self._fail(error)

    async def _check(self, renew: bool, verify: bool) -> None:
        number = None if renew else await self._bus.commands.send("HGET", self._keys.conv(self.conversation_id), "n")
        last = int(number) if number else (await self._renew())[0]  # none: retired, or Redis was emptied
        if verify or last < self._number:
            last = await self._verify()
        if last > self._number:
            self.push(last)

    async def _verify(self) -> int:
        """Go back to where the log and what was handed out say the same; answers the log's last number.

        All is read after the number is known: what is handed out meanwhile is no sign of anything.
        """
        number, oldest = self._number, self._remembered.oldest or self._number
        commands, keys, conversation = self._bus.commands, self._keys, self.conversation_id
        entries, told = await asyncio.gather(
            commands.send("XRANGE", keys.log(conversation), f"{oldest}-0", f"{number}-0"),
            commands.send("HGET", keys.conv(conversation), "n"),
        )
        last = int(told) if told else number  # none: retired, the archive has it
        if entries:
            log = {number_of(entry_id): fields[1] for entry_id, fields in entries}
            agreed = self._remembered.agreed(log) if self._remembered.oldest else number
        else:
            agreed = min(last, number)
        if agreed < number <= self._number:
            _log.warning("log went back", extra={"conversation_id": conversation, "number": agreed})
            self._bus.observer.healed("lost writes")
            self._remembered.forget_after(agreed)
            self._number = agreed
        return last

    def close(self) -> None:
        """Stop following; the iteration ends."""
        if not self._closed:
            self._closed = True
            self._on_close(self)
            if self._sorter:
                self._sorter.cancel()
            self._outgoing.put_nowait((None, 0))

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Item:
        item, size = await self._outgoing.get()
        self._held -= size
        if item is None:
            raise StopAsyncIteration
        if isinstance(item, Exception):
            raise item
        return item

    async def __aenter__(self) -> Subscription:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _sort(self) -> None:
        """What did not fit when it came: mend what is missing before it."""
        try:
            while True:
                self._in_order = self._incoming.empty()
                item = await self._incoming.get()
                if not self._take(item):
                    await self._heal(item)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._fail(error)

    def _take(self, item: Chunk | EventCopy | int) -> bool:
        """Hand out what is new in it; False when something before it is missing."""
        if isinstance(item, Chunk):
            return self._take_chunk(item)
        if isinstance(item, int):
            return item <= self._number
        if item.number == self._number + 1:
            self._hand_out(item.number, item.body)
        return item.number <= self._number

    def _take_chunk(self, chunk: Chunk) -> bool:
        if chunk.epoch < self._floor:
            return True
        stitch = self._stitch(chunk.turn_id)
        offset = stitch.delivered
        fit, text = stitch.offer(chunk)
        if fit is Fit.TAKEN and (text or chunk.end):
            self._put(Piece(chunk.turn_id, text, offset, chunk.end, chunk.trace), len(text))
        return fit is not Fit.GAP

    async def _heal(self, item: Chunk | EventCopy | int) -> None:
        if isinstance(item, Chunk):
            self._bus.observer.healed("draft")
            await self._heal_draft(item.turn_id, self._stitch(item.turn_id))
            self._take_chunk(item)
        else:
            self._bus.observer.healed("log")
            await self._heal_events(item.number if isinstance(item, EventCopy) else item)

    async def _heal_draft(self, turn_id: str, stitch: Stitch) -> None:
        """Fetch the running reply's text so far. When the turn has ended meanwhile, its event brings the text."""
        _, running, epoch, draft = await self._renew()
        if running == turn_id and epoch >= stitch.epoch:
            offset = stitch.delivered
            text = stitch.extend(draft)
            if text:
                self._put(Piece(turn_id, text, offset), len(text))

    async def _heal_events(self, upto: int) -> None:
        log = self._keys.log(self.conversation_id)
        while self._number < upto:
            at = self._number
            entries = await self._bus.commands.send("XRANGE", log, f"{at + 1}-0", "+", "COUNT", _HEAL_PAGE)
            if self._number != at:  # a check went back with the log meanwhile: what is between would be left out
                continue
            if not entries:
                return
            if self._sorter is None and (first := number_of(entries[0][0])) > self._number + 1:
                self.retired_to = first - 1
            for entry_id, fields in entries:
                self._hand_out(number_of(entry_id), fields[1])

    def _hand_out(self, number: int, body: bytes) -> None:
        self._number = number
        self._remembered.add(number, body)
        try:
            event = decode(body, number)
        except MalformedMessage as error:
            _log.warning("event left out", extra={"number": number, "reason": error.detail})
            return
        if isinstance(event, ReplyGenerated) and not event.imported:
            self._complete(event)
        self._put(event, len(body))

    def _complete(self, reply: ReplyGenerated) -> None:
        """The reply's event is the last word: hand out what chunks did not bring, and its end."""
        stitch = self._stitches.pop(reply.turn_id, None) or Stitch()
        if stitch.ended is None:
            offset = stitch.delivered
            stitch.ended = reply.status
            text = stitch.extend(reply.text.encode())
            self._put(Piece(reply.turn_id, text, offset, reply.status, reply.trace), len(text))
        self._stitches[reply.turn_id] = stitch
        while len(self._stitches) > 16:
            self._stitches.pop(next(iter(self._stitches)))

    async def _renew(self) -> tuple[int, str, int, bytes]:
        """Subscribe (again): last event number, running turn, epoch, and its text so far."""
        keys, conversation = self._keys, self.conversation_id
        reply: list[Any] = await self._bus.commands.call(
            "follow",
            [
                keys.conv(conversation),
                keys.subs(conversation),
                keys.draft(conversation),
                keys.mail(conversation),
                keys.heads,
            ],
            [conversation, self.property_id, self._gateway, self._bus.settings.subscription_ms],
        )
        if reply[0] == b"unknown":
            raise UnknownConversation
        return reply[1], reply[4].decode(), reply[2], reply[5]

    def _stitch(self, turn_id: str) -> Stitch:
        return self._stitches.setdefault(turn_id, Stitch())

    def _put(self, item: Item, size: int) -> None:
        self._held += size
        self._outgoing.put_nowait((item, size))

    def _fail(self, error: Exception) -> None:
        if not self._closed:
            self._outgoing.put_nowait((error, 0))
            self.close()
