"""What the store lets Redis forget: what it keeps, and no more; from its own side of the ports."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from libs.contracts.errors import BusUnavailable
from libs.contracts.events import AnyEvent
from services.context_store import retire
from services.context_store.adapters.sql_archive import SqlArchive
from services.context_store.adapters.sql_engine import Database
from services.context_store.retire import Retirer
from tests.integration.context_store.asked import ask
from tests.integration.context_store.hot import HotConversations
from tests.integration.context_store.stories import store
from tests.talk import Talk, body_of

IDLE_MS = 1_000


class Memory:
    """What is asked to be forgotten; `answers` are given in turn, then `retired`."""

    def __init__(self, *answers: str | Exception) -> None:
        self.asked: list[tuple[str, str, int]] = []
        self.answers = list(answers)

    async def retire(self, property_id: str, conversation_id: str, archived: int) -> str:
        self.asked.append((property_id, conversation_id, archived))
        answer = self.answers.pop(0) if self.answers else "retired"
        if isinstance(answer, Exception):
            raise answer
        return answer


class Clock:
    def __init__(self) -> None:
        self.now_ms = 100_000

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outcomes() -> list[str]:
    return []


def retirer(archive: SqlArchive, hot: HotConversations, memory: Memory, clock: Clock, outcomes: list[str]) -> Retirer:
    return Retirer(archive, hot, memory, idle_ms=IDLE_MS, every_s=3_600, now_ms=clock, on_retired=outcomes.append)


async def rested(sweeper: Retirer, clock: Clock) -> None:
    """Looked at, and again when it has rested."""
    await sweeper.sweep()
    clock.now_ms += IDLE_MS + 1
    await sweeper.sweep()


async def test_what_only_the_log_has_is_archived_before_it_is_forgotten(
    archive: SqlArchive, hot: HotConversations, clock: Clock, outcomes: list[str]
) -> None:
    talk, memory = Talk(), Memory()
    events: list[AnyEvent] = [talk.opened(), talk.asks("One?", "1"), talk.says("Two.", "1"), talk.asks("Three?", "2")]
    await store(archive, *events[:2])
    hot.hold(*events)
    hot.hold_raw(events[0].conversation_id, 5, b"not an event")

    sweeper = retirer(archive, hot, memory, clock, outcomes)
    await rested(sweeper, clock)
    await rested(sweeper, clock)
    await rested(sweeper, clock)

    assert memory.asked == [("harbour", events[0].conversation_id, 5)]
    kept = await archive.rows(events[0].conversation_id, after=0, limit=10)
    assert [row.body for row in kept] == [*map(body_of, events), b"not an event"]
    assert outcomes == ["awake", "retired"]


async def test_a_store_that_had_been_away_for_an_idle_time_retired_conversations_in_use(
    archive: SqlArchive, hot: HotConversations, clock: Clock, outcomes: list[str]
) -> None:
    """It looks again before it has caught up with the stream: its archive did not grow, the log did."""
    talk, memory = Talk(), Memory()
    opened = talk.opened()
    await store(archive, opened)
    sweeper = retirer(archive, hot, memory, clock, outcomes)
    await sweeper.sweep()
    hot.hold(opened, talk.asks("Are you there?", "1"))
    clock.now_ms += IDLE_MS + 1

    await sweeper.sweep()

    assert (outcomes, memory.asked) == (["awake"], [])
    assert len(await archive.rows(opened.conversation_id, after=0, limit=10)) == 2


async def test_a_body_that_differs_from_the_archives_is_kept_beside_it(
    archive: SqlArchive, database: Database, hot: HotConversations, clock: Clock, outcomes: list[str]
) -> None:
    talk = Talk()
    opened, first = talk.opened(), talk.asks("One?", "1")
    await store(archive, opened, first)
    hot.hold(opened)
    hot.hold_raw(opened.conversation_id, 2, b'{"another":"event"}')

    await rested(retirer(archive, hot, Memory(), clock, outcomes), clock)

    assert [row.body for row in await archive.rows(opened.conversation_id, after=1, limit=9)] == [body_of(first)]
    assert await ask(database, "SELECT body FROM strays") == [(b'{"another":"event"}',)]


async def test_one_rests_when_nothing_has_come_for_the_whole_time_by_the_stores_clock(
    archive: SqlArchive, hot: HotConversations, clock: Clock, outcomes: list[str]
) -> None:
    """The events' own times, which are years old here, decide nothing."""
    talk, memory = Talk(), Memory("followed")
    opened = talk.opened()
    await store(archive, opened)
    hot.hold(opened)
    sweeper = retirer(archive, hot, memory, clock, outcomes)

    assert [await sweeper.sweep(), await sweeper.sweep()] == [1, 0], "looked at once"
    clock.now_ms += IDLE_MS
    assert await sweeper.sweep() == 0, "not due yet"
    later = talk.asks("Are you there?", "1")
    await store(archive, later)
    hot.hold(opened, later)
    clock.now_ms += 1
    assert ([await sweeper.sweep(), await sweeper.sweep()], outcomes) == ([1, 0], []), "something came meanwhile"
    clock.now_ms += IDLE_MS + 1
    assert ([await sweeper.sweep(), await sweeper.sweep()], outcomes) == ([1, 0], ["followed"])
    clock.now_ms += IDLE_MS + 1
    assert ([await sweeper.sweep(), await sweeper.sweep()], outcomes) == ([1, 0], ["followed", "retired"])


async def test_many_at_once_are_all_done_in_one_run_and_trouble_only_delays(
    archive: SqlArchive,
    hot: HotConversations,
    clock: Clock,
    outcomes: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retire, "_BATCH", 20)
    memory = Memory(BusUnavailable("away"))
    for number in range(45):
        opened = Talk(f"conv-{number}").opened()
        await store(archive, opened)
        hot.hold(opened)
    hot.hold(Talk("conv-7").opened())
    rounds = itertools.count()
    done = asyncio.Event()

    async def sleep(seconds: float) -> None:
        clock.now_ms += int(seconds) * (IDLE_MS + 1)
        if seconds and next(rounds) == 2:
            done.set()
            await asyncio.Event().wait()

    running = asyncio.create_task(
        Retirer(
            archive, hot, memory, idle_ms=IDLE_MS, every_s=1, now_ms=clock, on_retired=outcomes.append, sleep=sleep
        ).run()
    )
    async with asyncio.timeout(60):
        await done.wait()
    running.cancel()
    await asyncio.wait({running})

    assert outcomes == ["retired"] * 45
    assert len(memory.asked) == 46


async def test_what_redis_does_not_hold_is_left_alone(
    archive: SqlArchive, hot: HotConversations, clock: Clock, outcomes: list[str]
) -> None:
    memory = Memory()
    await store(archive, Talk().opened())

    await rested(retirer(archive, hot, memory, clock, outcomes), clock)

    assert (outcomes, memory.asked) == (["none"], [])


async def test_one_that_cannot_be_retired_held_up_all_that_came_after_it(
    archive: SqlArchive, hot: HotConversations, clock: Clock, outcomes: list[str]
) -> None:
    memory = Memory(ValueError("odd"))
    for name in ("conv-1", "conv-2"):
        opened = Talk(name).opened()
        await store(archive, opened)
        hot.hold(opened)

    await rested(retirer(archive, hot, memory, clock, outcomes), clock)

    assert outcomes == ["failed", "retired"]
