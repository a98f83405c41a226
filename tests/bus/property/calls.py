"""The Lua scripts of the bus as plain calls, one script each: the granularity at which the property test interleaves.

Replies come as Redis gives them, strings decoded: a list, a number or a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from libs.bus.scripts import load_scripts
from libs.contracts.keys import Keys
from tests.bus.property.model import LONG_MS

DEDUP_S = 3_600
DRAFT_LIMIT = 100_000
BODY_LIMIT = 1_000
CHUNK_CAP = 100_000


CLOCK = "test:clock"
"""Milliseconds by which the server's clock seems to have jumped."""
_TRUE = "local clock = redis.call('TIME')\n"
_JUMPED = f"{_TRUE}clock[1] = clock[1] + math.floor((redis.call('GET', '{CLOCK}') or 0) / 1000)\n"


def script_texts() -> dict[str, str]:
    """The text of every script as the bus loads it, but for its clock: a test can let that jump."""
    return {name: script.text.replace(_TRUE, _JUMPED) for name, script in load_scripts().items()}


class Calls:
    """`redis` is a client that decodes responses; Any, because redis-py types replies as unions of everything."""

    def __init__(self, redis: Any, texts: Mapping[str, str] | None = None) -> None:
        self.redis, self.keys = redis, Keys()
        self._shas: dict[str, str] = {
            name: str(redis.script_load(text)) for name, text in (texts or script_texts()).items()
        }

    def open(self, conversation: str, property_id: str, body: str, identity: str = "") -> list[Any]:
        k = self.keys
        first = k.open(identity) if identity else k.conv(conversation)
        keys = [first, k.conv(conversation), k.log(conversation), k.events, k.context(conversation), k.heads]
        return self._list("open", keys, ["1" if identity else "", conversation, property_id, body])

    def accept(
        self,
        conversation: str,
        turn: str,
        property_id: str,
        body: str,
        *,
        deadline_ms: int = 0,
        mailbox: int = 8,
        waiting: int = 1_000,
        gateway: str = "",
        body_limit: int = BODY_LIMIT,
    ) -> list[Any]:
        k, c = self.keys, conversation
        keys = [k.seen(c, turn), k.conv(c), k.mail(c), k.log(c), k.events, k.turns, k.subs(c), k.heads]
        limits = [deadline_ms, mailbox, waiting, DEDUP_S]
        return self._list("accept", keys, [c, turn, property_id, body, *limits, gateway, LONG_MS, body_limit])

    def replay(
        self, letter: str, conversation: str, turn: str, property_id: str, body: str, *, mailbox: int, waiting: int
    ) -> list[Any]:
        k, c = self.keys, conversation
        keys = [k.seen(c, turn), k.conv(c), k.mail(c), k.log(c), k.events, k.turns, k.subs(c), k.heads, k.dead]
        limits = [0, mailbox, waiting, DEDUP_S]
        return self._list("replay", keys, [c, turn, property_id, body, *limits, "", LONG_MS, BODY_LIMIT, letter])

    def reject(self, entry: str, worker: str) -> int:
        k = self.keys
        return int(self._call("reject", [k.turns, k.dead], ["brain", entry, "entry", "garbage", "why", worker]))

    def append(
        self, conversation: str, property_id: str, event: str, body: str, context: Sequence[str] = ()
    ) -> list[Any]:
        k, c = self.keys, conversation
        keys = [k.conv(c), k.log(c), k.events, k.seen(c, event), k.heads, k.subs(c), k.context(c)]
        return self._list("append", keys, [c, property_id, body, DEDUP_S, *context])

    def cancel(self, conversation: str, turn: str, property_id: str) -> list[Any]:
        k, c = self.keys, conversation
        keys = [k.conv(c), k.mail(c), k.cancels, k.seen(c, turn), k.heads]
        return self._list("cancel", keys, [c, turn, property_id, DEDUP_S])

    def follow(self, conversation: str, property_id: str, gateway: str) -> list[Any]:
        k, c = self.keys, conversation
        keys = [k.conv(c), k.subs(c), k.draft(c), k.mail(c), k.heads]
        return self._list("follow", keys, [c, property_id, gateway, LONG_MS])

    def retire(self, conversation: str, archived: int) -> str:
        k, c = self.keys, conversation
        keys = [k.conv(c), k.mail(c), k.log(c), k.draft(c), k.subs(c), k.heads]
        return str(self._call("retire", keys, [c, archived]))

    def claim(self, worker: str, entry: str, conversation: str, token: str, attempts: int) -> list[Any]:
        k, c = self.keys, conversation
        keys = [k.turns, k.conv(c), k.mail(c), k.draft(c), k.leases, k.owned(worker), k.subs(c)]
        return self._list("claim", keys, [worker, entry, c, token, attempts])

    def emit(
        self,
        worker: str,
        conversation: str,
        epoch: int,
        turn: str,
        offset: int,
        text: str,
        *,
        gateways: Sequence[str] = (),
        limit: int = DRAFT_LIMIT,
    ) -> list[Any]:
        k, c = self.keys, conversation
        keys = [k.conv(c), k.draft(c), *map(k.chunks, gateways)]
        return self._list("emit", keys, [worker, epoch, turn, offset, text, limit, c, CHUNK_CAP, ""])

    def ask(self, pipe: Any, worker: str, conversation: str, epoch: int, turn: str) -> None:
        """Queue the question whether this run may go on: an emit of nothing."""
        keys = [self.keys.conv(conversation), self.keys.draft(conversation)]
        args = [worker, epoch, turn, 0, "", DRAFT_LIMIT, conversation, CHUNK_CAP, ""]
        pipe.evalsha(self._shas["emit"], len(keys), *keys, *map(str, args))

    def journal(
        self,
        worker: str,
        conversation: str,
        epoch: int,
        turn: str,
        event: str,
        body: str,
        *,
        offset: int = 0,
        begins: bool = False,
        gateways: Sequence[str] = (),
    ) -> list[Any]:
        k, c = self.keys, conversation
        keys = [k.conv(c), k.log(c), k.events, k.draft(c), k.seen(c, event), *map(k.chunks, gateways)]
        args: list[str | int] = [worker, epoch, turn, c, body, DEDUP_S, offset, "1" if begins else "", CHUNK_CAP]
        return self._list("journal", keys, args)

    def commit(
        self,
        worker: str,
        conversation: str,
        epoch: int,
        turn: str,
        status: str,
        bodies: Sequence[str],
        *,
        budget: int = 0,
        offset: int = 0,
        last: str = "",
        gateways: Sequence[str] = (),
    ) -> list[Any]:
        k, c = self.keys, conversation
        own = [k.turns, k.conv(c), k.mail(c), k.log(c), k.events, k.draft(c), k.owned(worker), k.dead]
        head: list[str | int] = [worker, c, epoch, turn, status, budget, "why", CHUNK_CAP, offset, last, ""]
        return self._list("commit", [*own, *map(k.chunks, gateways)], [*head, *bodies])

    def beat(self, worker: str, lease_ms: int = LONG_MS) -> int:
        return int(self._call("beat", [self.keys.leases, self.keys.owned(worker)], [worker, lease_ms]))

    def reap(
        self,
        conversation: str,
        worker: str,
        entry: str = "",
        *,
        unclaimed_ms: int = LONG_MS,
        run_ms: int = 0,
        epoch: int | str = "",
        refund: bool = True,
    ) -> str:
        k, c = self.keys, conversation
        keys = [k.turns, k.leases, k.conv(c), k.owned(worker), k.mail(c), k.log(c)]
        args: list[str | int] = [c, worker, entry, unclaimed_ms, run_ms, epoch, "1" if refund else "", ""]
        return str(self._call("reap", keys, args))

    def bury(self, worker: str) -> int:
        k = self.keys
        return int(self._call("bury", [k.turns, k.leases, k.owned(worker)], [worker]))

    def expect_call(self, call: str, ticket: str) -> int:
        return int(self._call("call_expect", [self.keys.calls, self.keys.call(call)], [call, LONG_MS, ticket]))

    def take_call(self, call: str, holder: str, ticket: str, takeovers: int = 0, lease_ms: int = LONG_MS) -> list[Any]:
        args: list[str | int] = [call, holder, lease_ms, ticket, takeovers]
        return self._list("call_take", [self.keys.calls, self.keys.call(call)], args)

    def renew_call(self, call: str, holder: str, epoch: int, ticket: str, lease_ms: int = LONG_MS) -> int:
        args: list[str | int] = [call, holder, epoch, lease_ms, ticket]
        return int(self._call("call_renew", [self.keys.calls, self.keys.call(call)], args))

    def end_call(self, call: str, holder: str, epoch: int) -> int:
        """No holder: a watchdog forgets it."""
        return int(self._call("call_end", [self.keys.calls, self.keys.call(call)], [call, holder, epoch, DEDUP_S]))

    def reserve_call(self, call: str, token: str, *, sending: bool = False) -> list[Any]:
        args: list[str | int] = [call, token, LONG_MS, "1" if sending else ""]
        return self._list("call_reserve", [self.keys.calls, self.keys.call(call)], args)

    def recount(self, stream: str, group: str) -> int:
        return int(self._call("recount", [stream], [group, 10_000]))

    def trim(self, *groups: str) -> list[Any]:
        return self._list("trim", [self.keys.events, self.keys.dropped], list(groups))

    def spend(self, caller: str, what: str, burst: int, each_ms: float) -> list[Any]:
        return self._list("spend", [self.keys.rate(caller, what)], [burst, repr(each_ms)])

    def _list(self, name: str, keys: Sequence[str], args: Sequence[str | int]) -> list[Any]:
        reply: list[Any] = self._call(name, keys, args)
        return reply

    def _call(self, name: str, keys: Sequence[str], args: Sequence[str | int]) -> Any:
        return self.redis.evalsha(self._shas[name], len(keys), *keys, *map(str, args))
