"""The text of one run, and its way into Redis: fenced, in order, one emit at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from libs.bus.bus import Bus
from libs.bus.insisting import PAUSE_S
from libs.bus.late import tell_late
from libs.bus.run_span import FirstWords
from libs.contracts.errors import BotelError, BusFull
from libs.contracts.keys import Keys
from libs.contracts.turns import Grant


class Draft:
    """Emits are coalesced: while one is on its way, what comes meanwhile waits and goes with the next.

    `stopped` tells why nothing more is to be said, '' while all is well; `stop` is told when Redis says so.
    """

    def __init__(
        self,
        bus: Bus,
        keys: Keys,
        worker_id: str,
        grant: Grant,
        trace: str,
        *,
        stopped: Callable[[], str],
        stop: Callable[[str], None],
    ) -> None:
        self._bus, self._keys, self._grant, self._trace = bus, keys, grant, trace
        self._stopped, self._stop = stopped, stop
        self.fence = (worker_id, grant.epoch, grant.item.turn_id)
        """What every write of the run bears: Redis refuses it once the turn is another's."""
        self.gateways, self.version = list(grant.subscribers), grant.subscriber_version
        """Who follows the conversation, and the version of that list."""
        self._text = bytearray(grant.draft.encode())
        self._sent = 0
        """Bytes handed to emit. A successor's first emit is the whole draft, for gateways that missed a part."""
        self._first = FirstWords(bus.tracer, trace)
        self._emit_keys = self._keys_of_emit()
        self._in_flight: asyncio.Future[Any] | None = None
        self._asked: asyncio.Future[Any] | None = None
        """Who follows, while the answer is on its way."""
        self._closed = False

    @property
    def length(self) -> int:
        """Bytes so far, earlier runs' included."""
        return len(self._text)

    @property
    def text(self) -> str:
        return self._text.decode()

    def text_up_to(self, length: int) -> str:
        """The first bytes of the reply; never half a character, because every emit was whole text."""
        return self._text[:length].decode(errors="ignore")

    def unsent(self) -> tuple[int, bytes]:
        """Offset and bytes of what no emit carries yet: the commit takes them as its last words."""
        return self._sent, bytes(self._text[self._sent :])

    def write(self, words: bytes) -> None:
        """Whole text only, so that no character is ever cut."""
        self._text += words
        self.flush()

    def resend_from(self, length: int) -> None:
        """An emit did not land: what is beyond `length` counts as unsent again."""
        self._sent = min(self._sent, length)

    def flush(self, *, force: bool = False) -> None:
        """Send what is unsent, unless an emit is on its way and nothing forces the order."""
        if self._sent >= len(self._text) or ((self._in_flight or self._asked) and not force) or self._stopped():
            return
        offset, words = self.unsent()
        self._sent = len(self._text)
        self._in_flight = sent = self._emit(offset, words)
        sent.add_done_callback(partial(self._landed, offset))
        self._first.sent(sent)

    def close(self) -> None:
        """The handler has ended: what is not sent by now goes with the commit."""
        self._closed = True

    async def landed(self) -> int:
        """Bytes of the draft that Redis holds for this run, after all that was sent."""
        reply = await self._emit(0, b"")
        return int(reply[1]) if len(reply) > 1 else 0

    async def refused(self) -> str:
        """Ask Redis whether this run may still go on: why not, or ''."""
        outcome, *_ = await self._emit(0, b"")
        return "" if outcome == b"ok" else str(outcome.decode())

    def _emit(self, offset: int, words: bytes) -> asyncio.Future[Any]:
        settings, conversation = self._bus.settings, self._grant.conversation_id
        limits = (settings.max_draft_bytes, conversation, settings.max_chunk_stream)
        return self._bus.commands.call("emit", self._emit_keys, (*self.fence, offset, words, *limits, self._trace))

    def _keys_of_emit(self) -> list[str]:
        keys, conversation = self._keys, self._grant.conversation_id
        return [keys.conv(conversation), keys.draft(conversation), *map(keys.chunks, self.gateways)]

    def _landed(self, offset: int, sent: asyncio.Future[Any]) -> None:
        if self._in_flight is sent:
            self._in_flight = None
        if sent.cancelled():
            return
        error = sent.exception()
        if isinstance(error, BusFull) and not self._stopped():
            self._bus.observer.refused("emit")
            self.resend_from(offset)
            asyncio.get_running_loop().call_later(PAUSE_S, self._flush_again)
            return
        if error is not None:
            self._stop(error.code if isinstance(error, BotelError) else "fenced")
            return
        outcome, *rest = sent.result()
        match outcome:
            case b"ok":
                if rest[1] != self.version and not self._asked:
                    self._refresh(rest[1])
                self.flush()
            case b"gap":
                self._sent = rest[0]
                self.flush()
            case _:
                self._stop(outcome.decode())

    def _flush_again(self) -> None:
        if not self._closed:
            self.flush()

    def _refresh(self, version: int) -> None:
        """Somebody began to follow: learn who, before the next emit."""
        self._asked = self._bus.commands.send("ZRANGE", self._keys.subs(self._grant.conversation_id), 0, -1)
        self._asked.add_done_callback(partial(self._learn, version))

    def _learn(self, version: int, asked: asyncio.Future[Any]) -> None:
        self._asked = None
        if not asked.cancelled() and asked.exception() is None:
            known = set(self.gateways)
            self.version, self.gateways = version, [gateway.decode() for gateway in asked.result()]
            self._emit_keys = self._keys_of_emit()
            tell_late(self._bus, self._keys, self._grant, set(self.gateways) - known, self._sent, self._trace)
        self.flush()
