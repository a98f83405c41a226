"""Trimming by the slowest declared group; an absent one stops it until it is back, or an operator drops it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from libs.bus import events as events_module
from libs.bus import groups as groups_module
from libs.bus.cli import main
from libs.bus.groups import EventGroups, GroupStillRead, NoSuchGroup
from libs.bus.settings import BusSettings
from libs.contracts.keys import STORE_GROUP
from tests.bus.property.calls import Calls
from tests.bus.support.stage import Stage
from tests.bus.support.waiting import eventually
from tests.bus.test_events import Sink, consuming

SLOW = "analytics"
TWO = (STORE_GROUP, SLOW)


@pytest.fixture
def two_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "EVENT_GROUPS", TWO)
    monkeypatch.setattr(groups_module, "EVENT_GROUPS", TWO)


async def written(stage: Stage, count: int) -> None:
    """Events, on nodes so small that an approximate trim trims."""
    await stage.send("CONFIG", "SET", "stream-node-max-entries", 4)
    for number in range(count):
        await stage.send("XADD", stage.keys.events, "*", "c", "c", "n", number + 1, "b", "{}")


async def length(stage: Stage) -> int:
    return int(await stage.send("XLEN", stage.keys.events))


@pytest.mark.usefixtures("two_declared")
async def test_the_slowest_declared_group_holds_what_it_has_not_acked(stage: Stage) -> None:
    keys = stage.keys
    for group in TWO:
        await stage.bus.ensure_group(keys.events, group)
    await written(stage, 40)
    read = await stage.send("XREADGROUP", "GROUP", SLOW, "s", "COUNT", 21, "STREAMS", keys.events, ">")
    slow = [entry for entry, _ in read[0][1]]
    await stage.send("XACK", keys.events, SLOW, *slow[:20])
    async with consuming(stage, Sink()):
        await eventually(lambda: _at_most(stage, 23))
        first = await stage.send("XRANGE", keys.events, "-", "+", "COUNT", 1)
        assert first[0][0] <= slow[20], "read and not acked: it stays"
        await stage.send("XACK", keys.events, SLOW, slow[20])
        await stage.send("XREADGROUP", "GROUP", SLOW, "s", "STREAMS", keys.events, ">")
        assert await length(stage) >= 19


async def _at_most(stage: Stage, count: int) -> bool:
    return await length(stage) <= count


@pytest.mark.usefixtures("two_declared")
async def test_an_absent_group_raises_an_alarm_and_nothing_is_trimmed(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await written(stage, 40)
    async with consuming(stage, Sink()):
        await eventually(lambda: [one for one in caplog.records if "absent" in one.message])
        (alarm, *_) = (one for one in caplog.records if "absent" in one.message)
        assert (alarm.levelno, vars(alarm)["group"]) == (logging.ERROR, SLOW)
        assert await length(stage) == 40
        await EventGroups(stage.bus).drop(SLOW)
        await eventually(lambda: _at_most(stage, 8))


@pytest.mark.usefixtures("two_declared")
async def test_a_group_that_was_dropped_counts_again_as_soon_as_it_is_back(stage: Stage) -> None:
    keys = stage.keys
    await stage.bus.ensure_group(keys.events, STORE_GROUP)
    await stage.bus.ensure_group(keys.events, SLOW)
    groups = EventGroups(stage.bus)
    (dropped,) = await groups.drop(SLOW)
    assert (dropped.group, dropped.present) == (SLOW, True)
    assert [(one.group, one.present, one.dropped) for one in await groups.all()] == [
        (SLOW, False, True),
        (STORE_GROUP, True, False),
    ]
    await stage.bus.ensure_group(keys.events, SLOW)
    trim = ("trim", [keys.events, keys.dropped], TWO)
    assert (await stage.bus.commands.call(*trim))[0] == b"trimmed"
    await stage.send("XGROUP", "DESTROY", keys.events, SLOW)
    assert await stage.bus.commands.call(*trim) == [b"absent", SLOW.encode()], "nobody has dropped it this time"


async def test_a_group_that_is_read_is_not_dropped(stage: Stage) -> None:
    groups = EventGroups(stage.bus)
    await stage.open("c")
    async with consuming(stage, Sink()):

        async def read() -> bool:
            return any(one.idle_ms is not None for one in await groups.all())

        await eventually(read)
        with pytest.raises(GroupStillRead):
            await groups.drop(STORE_GROUP)
    assert (await groups.all())[0].present


async def test_without_any_group_left_nothing_is_trimmed(stage: Stage) -> None:
    await stage.bus.ensure_group(stage.keys.events, STORE_GROUP)
    await written(stage, 40)
    await EventGroups(stage.bus).drop(STORE_GROUP)
    assert await length(stage) == 40


async def test_a_group_that_nobody_knows_is_not_dropped(stage: Stage) -> None:
    for name in ("nobody", "brain"):
        with pytest.raises(NoSuchGroup):
            await EventGroups(stage.bus).drop(name)
    await EventGroups(stage.bus).drop(STORE_GROUP)  # declared, and no stream yet


def test_the_commands(redis_url: str, calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    settings: Any = BusSettings(redis_url=redis_url)
    calls.redis.xadd(calls.keys.events, {"c": "c", "n": "1", "b": "{}"})
    calls.redis.xgroup_create(calls.keys.events, "old-reader", "0")
    assert main(["groups", "list"], settings) == 0
    out = capsys.readouterr().out
    assert "ABSENT" in out
    assert "not declared  lag 1, pending 0, no reader" in out
    assert main(["groups", "drop", "old-reader"], settings) == 2
    assert main(["groups", "drop", "old-reader", "--yes"], settings) == 0
    assert main(["groups", "drop", "old-reader", "--yes"], settings) == 1
    assert main(["groups", "drop", STORE_GROUP, "--yes"], settings) == 0
    capsys.readouterr()
    assert main(["groups", "list"], settings) == 0
    assert "dropped by an operator" in capsys.readouterr().out
