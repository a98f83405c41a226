"""Stream lag for operators: read now and then, told as metrics and as JSON. Unknown is not zero."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from libs.contracts.errors import BusUnavailable
from libs.observability import names

_log = logging.getLogger(__name__)


class GroupLag(Protocol):
    """One declared group on one stream. Ages are milliseconds."""

    @property
    def stream(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def present(self) -> bool: ...
    @property
    def lag(self) -> int | None: ...
    @property
    def pending(self) -> int: ...
    @property
    def oldest_waiting_ms(self) -> int: ...
    @property
    def oldest_in_flight_ms(self) -> int: ...
    @property
    def length(self) -> int: ...
    @property
    def consumers(self) -> int: ...


class Memory(Protocol):
    """Bytes."""

    @property
    def used(self) -> int: ...
    @property
    def limit(self) -> int: ...


class CallCount(Protocol):
    @property
    def answered(self) -> int: ...
    @property
    def overdue(self) -> int: ...


class ShardLag(Protocol):
    @property
    def shard(self) -> str: ...
    @property
    def groups(self) -> Sequence[GroupLag]: ...
    @property
    def workers_alive(self) -> int: ...
    @property
    def dead_letters(self) -> int: ...
    @property
    def turns_waiting(self) -> int: ...
    @property
    def dead_letters_written(self) -> int | None: ...
    @property
    def memory(self) -> Memory | None: ...
    @property
    def calls(self) -> CallCount: ...


class LagWatch:
    """Reads every `every_s`; between readings the last one is told. Redis away: nothing is known."""

    def __init__(
        self,
        read: Callable[[], Awaitable[Sequence[ShardLag]]],
        registry: CollectorRegistry,
        *,
        every_s: float = 1.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._read = read
        self._every_s = every_s
        self._sleep = sleep
        self.known: Sequence[ShardLag] | None = None
        """The last reading; None when it failed or has not been made."""
        self._failed = Counter(names.LAG_READ_FAILED, "Readings of the streams that failed", registry=registry)
        registry.register(_LagCollector(self))

    async def run(self) -> None:
        """Read for ever; ends only by cancellation."""
        while True:
            await self.refresh()
            await self._sleep(self._every_s)

    async def refresh(self) -> None:
        try:
            self.known = await self._read()
        except BusUnavailable:
            self.known = None
            self._failed.inc()
        except Exception:
            _log.exception("reading the streams failed")
            self.known = None
            self._failed.inc()


def lag_table(shards: Iterable[ShardLag]) -> list[dict[str, Any]]:
    """The reading as JSON; `lag` is null when unknown."""
    table: list[dict[str, Any]] = [
        {
            "shard": shard.shard,
            "workersAlive": shard.workers_alive,
            "deadLetters": shard.dead_letters,
            "turnsWaiting": shard.turns_waiting,
            "deadLettersWritten": shard.dead_letters_written,
            "calls": {"answered": shard.calls.answered, "alone": shard.calls.overdue},
            "memory": {"used": shard.memory.used, "limit": shard.memory.limit} if shard.memory else None,
            "groups": [_row(group) for group in shard.groups],
        }
        for shard in shards
    ]
    return table


def _row(group: GroupLag) -> dict[str, Any]:
    return {
        "stream": group.stream,
        "group": group.group,
        "present": group.present,
        "lag": group.lag,
        "pending": group.pending,
        "oldestWaitingMs": group.oldest_waiting_ms,
        "oldestInFlightMs": group.oldest_in_flight_ms,
        "length": group.length,
        "consumers": group.consumers,
    }


Values = Callable[[GroupLag], float | None]
_GROUP_GAUGES: tuple[tuple[str, str, Values], ...] = (
    (names.GROUP_LAG_KNOWN, "1: Redis can tell the lag", lambda group: float(group.lag is not None)),
    (names.GROUP_LAG, "Entries that the group has not read; absent while unknown", lambda group: group.lag),
    (names.GROUP_PENDING, "Entries read and not acknowledged", lambda group: _of_present(group, group.pending)),
    (
        names.GROUP_OLDEST_WAITING,
        "Age of the oldest entry that nobody has read",
        lambda group: _of_present(group, group.oldest_waiting_ms / 1000),
    ),
    (
        names.GROUP_OLDEST_IN_FLIGHT,
        "Age of the oldest entry read and not acknowledged",
        lambda group: _of_present(group, group.oldest_in_flight_ms / 1000),
    ),
    (names.GROUP_CONSUMERS, "Consumers of the group", lambda group: _of_present(group, group.consumers)),
    (names.GROUP_PRESENT, "1: the group exists", lambda group: float(group.present)),
)
_SHARD_GAUGES: tuple[tuple[str, str, Callable[[ShardLag], float | None]], ...] = (
    (names.TURNS_WAITING, "Turns accepted and not begun", lambda shard: shard.turns_waiting),
    (names.WORKERS_ALIVE, "Brains with a live lease", lambda shard: shard.workers_alive),
    (names.DEAD_LETTERS, "Dead letters kept", lambda shard: shard.dead_letters),
    (
        names.REDIS_MEMORY_USED,
        "Memory of the shard's Redis; absent while unknown",
        lambda shard: shard.memory.used if shard.memory else None,
    ),
    (
        names.REDIS_MEMORY_LIMIT,
        "What it may take; absent while unknown",
        lambda shard: shard.memory.limit if shard.memory else None,
    ),
)


def _of_present(group: GroupLag, value: float) -> float | None:
    return value if group.present else None


class _LagCollector:
    """Tells the last reading. A value that is not known has no sample; that it is not known has one."""

    def __init__(self, watch: LagWatch) -> None:
        self._watch = watch

    def collect(self) -> Iterator[Metric]:
        shards = self._watch.known or ()
        for name, text, value in _GROUP_GAUGES:
            family = GaugeMetricFamily(name, text, labels=["shard", "stream", "group"])
            for shard in shards:
                for group in shard.groups:
                    if (sample := value(group)) is not None:
                        family.add_metric([shard.shard, group.stream, group.group], sample)
            yield family
        for name, text, total in _SHARD_GAUGES:
            family = GaugeMetricFamily(name, text, labels=["shard"])
            for shard in shards:
                if (known := total(shard)) is not None:
                    family.add_metric([shard.shard], known)
            yield family
        yield from (self._readable(), self._written(shards), self._calls(shards), self._lengths(shards))

    def _readable(self) -> Metric:
        text = "1: what is told of the streams is known; 0: Redis is away"
        return GaugeMetricFamily(names.STREAMS_READABLE, text, value=float(self._watch.known is not None))

    def _written(self, shards: Sequence[ShardLag]) -> Metric:
        family = CounterMetricFamily(names.DEAD_LETTERS_WRITTEN, "Dead letters ever written", labels=["shard"])
        for shard in shards:
            if shard.dead_letters_written is not None:
                family.add_metric([shard.shard], shard.dead_letters_written)
        return family

    def _calls(self, shards: Sequence[ShardLag]) -> Metric:
        family = GaugeMetricFamily(names.CALLS_ACTIVE, "Calls in rooms", labels=["shard", "state"])
        for shard in shards:
            family.add_metric([shard.shard, "answered"], shard.calls.answered)
            family.add_metric([shard.shard, "alone"], shard.calls.overdue)
        return family

    def _lengths(self, shards: Sequence[ShardLag]) -> Metric:
        family = GaugeMetricFamily(names.STREAM_LENGTH, "Entries on the stream", labels=["shard", "stream"])
        for shard in shards:
            for stream, length in {group.stream: group.length for group in shard.groups if group.present}.items():
                family.add_metric([shard.shard, stream], length)
        return family
