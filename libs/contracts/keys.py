"""Every key, stream and group of the system. Operators grep this page.

    botel:{s}:turns            stream, group `brain`: one entry per conversation that has a turn to answer
    botel:{s}:chunks:<gateway> stream, capped: replies as they are made and copies of events, for one gateway
    botel:{s}:events           stream, groups EVENT_GROUPS: every event of the shard in order
    botel:{s}:log:<conv>       stream, ids n-0: the conversation's events, numbered without a gap
    botel:{s}:conv:<conv>      hash: st(ate) idle|ready|running, own(er), tok(en), ep(och), att(empt), act(ivation),
                               n (last number), sv (subscriber version), p(roperty), done (last commit),
                               x:<turn> (cancel flag), tr(ied): how the runs of the head turn ended
    botel:{s}:mail:<conv>      list: accepted turns, the head stays until its commit
    botel:{s}:draft:<conv>     string: text already emitted for the running turn
    botel:{s}:context:<conv>   hash: guest, reservation, property and channel data
    botel:{s}:open:<identity>  string: conversation of a guest's identity
    botel:{s}:subs:<conv>      zset: gateways that follow, by expiry
    botel:{s}:heads            hash: `number epoch property` of retired conversations
    botel:{s}:leases           zset: worker by lease expiry
    botel:{s}:owned:<worker>   set: conversations a worker runs
    botel:{s}:calls            zset: calls, by when somebody should look after them: the end of the lease, or of the
                               reservation of a watchdog that does so already
    botel:{s}:call:<call>      hash: h(older), ep(och; 0: not answered yet), tk (ticket), at (first answered), u(ntil)
                               and ms of the lease; ru, rm, rt: until, ms and token of a watchdog's reservation;
                               n (agents dispatched since nobody holds it), nt (token of the last); x: ended, kept with
                               expiry for its epoch
    botel:{s}:cancels          stream, capped: the fast path of a cancel
    botel:{s}:dead             stream, capped: dead letters with their reason: k(ind) turn|entry|event, why, b(ody),
                               c, p(roperty), m (mailbox item), e(poch), a(ttempts), w(orker), tr(ied), of (entry)
    botel:{s}:dropped          set: declared groups of `events` that an operator does not wait for
    botel:{s}:rate:<caller>:<what> hash with expiry: tokens left and at (their time), of an API key or its like
    botel:{s}:seen:<conv>:<id> string with expiry: number of an event or turn taken, or `x` for an early cancel

`s` is the shard of the property: all keys of a shard share one hash tag, so every script touches one slot.
"""

from __future__ import annotations

import binascii

TURN_GROUP = "brain"
STORE_GROUP = "context-store"
EVENT_GROUPS = (STORE_GROUP,)
"""Groups that must have read an event before it may be trimmed."""

ONE_PER_SHARD = ("turns", "events", "heads", "leases", "calls", "cancels", "dead", "dropped")
ONE_PER_ID = ("chunks", "log", "conv", "mail", "draft", "context", "open", "subs", "owned", "call", "seen", "rate")


def key_pattern(name: str, beginning: str = "") -> str:
    """A glob for every key of this name in every shard; `beginning` of the id that follows, such as `text-`."""
    if name not in (*ONE_PER_SHARD, *ONE_PER_ID) or (beginning and name not in ONE_PER_ID):
        raise ValueError(f"there is no key {name!r} {beginning!r}")
    return f"botel:{{*}}:{name}" + (f":{beginning}*" if name in ONE_PER_ID else "")


def shard_of(property_id: str, shards: int) -> int:
    """The shard of a property: CRC-16/XMODEM, as Redis Cluster computes slots."""
    return binascii.crc_hqx(property_id.encode(), 0) % shards


class Keys:
    """The key names of one shard."""

    def __init__(self, shard: int = 0) -> None:
        self.prefix = f"botel:{{{shard}}}:"
        self.turns = self.prefix + "turns"
        self.events = self.prefix + "events"
        self.heads = self.prefix + "heads"
        self.leases = self.prefix + "leases"
        self.calls = self.prefix + "calls"
        self.cancels = self.prefix + "cancels"
        self.dead = self.prefix + "dead"
        self.dropped = self.prefix + "dropped"

    def chunks(self, gateway_id: str) -> str:
        return f"{self.prefix}chunks:{gateway_id}"

    def log(self, conversation_id: str) -> str:
        return f"{self.prefix}log:{conversation_id}"

    def conv(self, conversation_id: str) -> str:
        return f"{self.prefix}conv:{conversation_id}"

    def mail(self, conversation_id: str) -> str:
        return f"{self.prefix}mail:{conversation_id}"

    def draft(self, conversation_id: str) -> str:
        return f"{self.prefix}draft:{conversation_id}"

    def context(self, conversation_id: str) -> str:
        return f"{self.prefix}context:{conversation_id}"

    def open(self, identity: str) -> str:
        return f"{self.prefix}open:{identity}"

    def subs(self, conversation_id: str) -> str:
        return f"{self.prefix}subs:{conversation_id}"

    def owned(self, worker_id: str) -> str:
        return f"{self.prefix}owned:{worker_id}"

    def call(self, call_id: str) -> str:
        return f"{self.prefix}call:{call_id}"

    def seen(self, conversation_id: str, id_: str) -> str:
        return f"{self.prefix}seen:{conversation_id}:{id_}"

    def rate(self, caller: str, what: str) -> str:
        return f"{self.prefix}rate:{caller}:{what}"
