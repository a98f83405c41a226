"""The events stream as a group reads it: in order, nothing lost, bad bodies kept as dead letters, trimmed behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from libs.bus import events
from libs.bus.events import EventConsumer, Record
from libs.contracts.codec import encode
from libs.contracts.keys import STORE_GROUP
from tests.bus.support.conversation import heard
from tests.bus.support.handlers import echo
from tests.bus.support.stage import PATIENT, Stage
from tests.bus.support.waiting import eventually, soon


class Sink:
    """Keeps what it is given; fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.records: list[Record] = []
        self.batches = 0
        self._failures = failures

    async def __call__(self, records: Sequence[Record]) -> None:
        self.batches += 1
        if self._failures:
            self._failures -= 1
            raise OSError("the disk is full")
        self.records.extend(records)

    def numbers(self, conversation: str) -> list[int]:
        return [one.number for one in self.records if one.conversation_id == conversation]


@contextlib.asynccontextmanager
async def consuming(stage: Stage, sink: Sink, name: str = "s1", adopt_after_ms: int = 30_000) -> AsyncIterator[None]:
    consumer = EventConsumer(await stage.new_bus(name), STORE_GROUP, name, sink, adopt_after_ms=adopt_after_ms)
    task = asyncio.create_task(consumer.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_every_event_once_and_in_order(stage: Stage) -> None:
    sink = Sink()
    await stage.open("a", "b")
    await stage.worker("w1", echo, **PATIENT)
    async with consuming(stage, sink):
        for turn in range(4):
            for name in "ab":
                await stage.accept(name, f"{name}{turn}", "hello")
        await eventually(lambda: len(sink.records) == 2 + 2 * 2 * 4)
    for name in "ab":
        assert sink.numbers(name) == list(range(1, 10))
    first = sink.records[0]
    assert first.event is not None
    assert (first.event.number, first.event.id) == (1, "a.opened")
    log = await stage.send("XRANGE", stage.keys.log("a"), "-", "+")
    assert [one.body for one in sink.records if one.conversation_id == "a"] == [fields[1] for _, fields in log]


async def test_what_was_written_before_the_group_existed_is_read(stage: Stage) -> None:
    await stage.open("a")
    sink = Sink()
    async with consuming(stage, sink):
        await eventually(lambda: sink.numbers("a") == [1])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff\x00 not json", "not an event"),
        (b'{"type":"reply.heard","text":5}', "event 'reply.heard'"),
        (b'{"type":"from.the.future","v":1}', "this release reads up to"),
        (b'{"type":"reply.heard","v":99}', "this release reads up to"),
        (b"", "not an event"),
    ],
)
async def test_a_body_that_does_not_decode_is_kept_twice(stage: Stage, body: bytes, reason: str) -> None:
    """As a record, so that the number is not missing, and as a dead letter, so that an operator sees it."""
    sink = Sink()
    await stage.send("XADD", stage.keys.events, "*", "c", "c", "n", 7, "b", body)
    await stage.open("after")
    async with consuming(stage, sink):
        await eventually(lambda: len(sink.records) == 2)
        await eventually(stage.dead_letters)
    bad, good = sink.records
    assert (bad.conversation_id, bad.number, bad.body, bad.event) == ("c", 7, body, None)
    assert reason in bad.reason
    (letter,) = await stage.dead_letters()
    assert letter["why"] == bad.reason
    assert good.event is not None


@pytest.mark.parametrize(
    "fields", [("x", "y"), ("c", "c", "n", "many", "b", "{}"), ("c", b"\xff", "n", "1", "b", "{}")]
)
async def test_an_entry_that_is_no_event_is_a_dead_letter(stage: Stage, fields: tuple[str | bytes, ...]) -> None:
    sink = Sink()
    await stage.send("XADD", stage.keys.events, "*", *fields)
    await stage.open("after")
    async with consuming(stage, sink):
        await eventually(lambda: sink.numbers("after") == [1])
        await eventually(stage.dead_letters)
    (letter,) = await stage.dead_letters()
    assert letter["why"].startswith("events entry")


async def test_a_failing_sink_is_given_the_batch_again(stage: Stage) -> None:
    sink = Sink(failures=2)
    await stage.open("a")
    for number in range(5):
        await stage.conversations.append(heard("a", f"h{number}"))
    async with consuming(stage, sink):
        await eventually(lambda: sink.numbers("a") == [1, 2, 3, 4, 5, 6])
        assert sink.batches == 3
        await eventually(lambda: _all_acked(stage))


async def _all_acked(stage: Stage) -> bool:
    summary = await stage.send("XPENDING", stage.keys.events, STORE_GROUP)
    return int(summary[0]) == 0


async def test_what_a_dead_consumer_left_was_never_taken_over(stage: Stage) -> None:
    """It died less than the time before its successor started; nobody looked again."""
    await stage.open("a")
    await stage.bus.ensure_group(stage.keys.events, STORE_GROUP)
    assert await stage.send("XREADGROUP", "GROUP", STORE_GROUP, "dead", "STREAMS", stage.keys.events, ">")
    sink = Sink()
    async with consuming(stage, sink, "s2", adopt_after_ms=3_000):
        await stage.open("b")
        await eventually(lambda: sink.numbers("b") == [1])
        assert sink.numbers("a") == []
        await eventually(lambda: sink.numbers("a") == [1])


async def test_a_restarted_consumer_reads_its_own_pending_first(stage: Stage) -> None:
    await stage.open("a")
    failing = Sink(failures=1_000)
    async with consuming(stage, failing):
        await eventually(lambda: failing.batches)
    sink = Sink()
    await stage.open("b")
    async with consuming(stage, sink):
        await eventually(lambda: len(sink.records) == 2)
    assert [one.conversation_id for one in sink.records] == ["a", "b"]


async def test_trimmed_behind_the_group_and_never_ahead(stage: Stage) -> None:
    await stage.send("CONFIG", "SET", "stream-node-max-entries", 2)
    try:
        sink = Sink()
        await stage.open("a")
        for number in range(40):
            await stage.conversations.append(heard("a", f"h{number}"))
        assert await stage.send("XLEN", stage.keys.events) == 41
        async with consuming(stage, sink):
            await eventually(lambda: len(sink.records) == 41)
            await eventually(lambda: _shorter(stage, 5))
        for number in range(40, 50):
            await stage.conversations.append(heard("a", f"h{number}"))
        assert await stage.bus.commands.call("trim", [stage.keys.events, stage.keys.dropped], [STORE_GROUP]) is not None
        assert await stage.send("XLEN", stage.keys.events) >= 10
        async with consuming(stage, sink):
            await eventually(lambda: sink.numbers("a") == list(range(1, 52)))
    finally:
        await stage.send("CONFIG", "SET", "stream-node-max-entries", 100)


async def _shorter(stage: Stage, than: int) -> bool:
    return int(await stage.send("XLEN", stage.keys.events)) < than


async def test_an_absent_declared_group_stops_all_trimming(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "EVENT_GROUPS", (STORE_GROUP, "analytics"))
    sink = Sink()
    await stage.open("a")
    for number in range(250):
        stage.bus.commands.send("XADD", stage.keys.events, "*", "c", "a", "n", number + 2, "b", encode(heard("a", "h")))
    async with consuming(stage, sink):
        await eventually(lambda: len(sink.records) == 251)
        await eventually(lambda: _all_acked(stage))
    assert await stage.send("XLEN", stage.keys.events) == 251


async def test_a_group_removed_by_hand_begins_again(stage: Stage) -> None:
    sink = Sink()
    await stage.open("a")
    async with consuming(stage, sink):
        await eventually(lambda: sink.numbers("a") == [1])
        await stage.send("XGROUP", "DESTROY", stage.keys.events, STORE_GROUP)
        await eventually(lambda: sink.numbers("a") == [1, 1])
        await stage.open("b")
        await eventually(lambda: sink.numbers("b") == [1])


async def test_a_sink_whose_failed_batch_another_consumer_took_never_heard_that_it_is_over(stage: Stage) -> None:
    failing, over = asyncio.Event(), asyncio.Event()

    async def sink(records: Sequence[Record]) -> None:
        if not records:
            over.set()
            return
        [(identity, _)] = await stage.send("XRANGE", stage.keys.events, "-", "+")
        await stage.send("XCLAIM", stage.keys.events, STORE_GROUP, "s2", 0, identity)
        failing.set()
        raise OSError("the disk is full")

    await stage.open("a")
    consumer = EventConsumer(await stage.new_bus("s1"), STORE_GROUP, "s1", sink)
    task = asyncio.create_task(consumer.run())
    try:
        await soon(failing.wait())
        await soon(over.wait())
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_consumer_whose_bus_was_closed_blocked_the_whole_process(redis_url: str) -> None:
    """Making the group was tried again and again without a pause."""
    async with Stage(redis_url) as stage:
        bus = await stage.new_bus("s1")
        await bus.close()
        task = asyncio.create_task(EventConsumer(bus, STORE_GROUP, "s1", Sink()).run())
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await soon(task)
