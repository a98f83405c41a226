"""Leases of calls: who answers, who is fenced, what a watchdog is given, and what trouble with Redis does to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from libs.bus.calls import CallCount, CallOver, Calls, CallTaken
from libs.contracts.errors import InvalidRequest, Retry
from tests.bus.support.phones import LASTING, found, lapse, seeing, ticket
from tests.bus.support.stage import Stage
from tests.bus.support.waiting import eventually, soon


@pytest.fixture
async def stage(redis_url: str) -> AsyncIterator[Stage]:
    async with Stage(redis_url, **LASTING) as made:
        yield made


async def test_a_second_gateway_is_refused_while_the_first_lives(stage: Stage) -> None:
    calls = Calls(stage.bus)
    assert await calls.take(ticket(), "job-1") == 1
    with pytest.raises(CallTaken) as refused:
        await calls.take(ticket(), "job-2")
    assert refused.value.retry is Retry.NEVER
    assert await calls.take(ticket(), "job-1") == 1, "asked again, the same answer"


async def test_a_successor_fences_the_holder_before_it(stage: Stage) -> None:
    calls = Calls(stage.bus)
    await calls.take(ticket(), "job-1")
    await lapse(stage)
    assert await calls.take(ticket(takeover=1), "job-2") == 2
    assert not await calls.renew(ticket(), "job-1", 1)
    assert not await calls.end(ticket(), "job-1", 1)
    assert not await calls.leave(ticket(), "job-1", 1)
    assert await calls.renew(ticket(takeover=1), "job-2", 2)


async def test_a_holder_that_comes_late_goes_on_when_nobody_took_over(stage: Stage) -> None:
    """A stalled Redis ends no call; the agent that a watchdog has sent meanwhile is refused."""
    calls = Calls(stage.bus)
    await calls.take(ticket(), "job-1")
    await lapse(stage)
    (one,) = await seeing(calls).overdue()
    assert await calls.renew(ticket(), "job-1", 1)
    assert not await calls.confirm(one), "nobody is to be sent any more"
    with pytest.raises(CallTaken):
        await calls.take(ticket(takeover=1), "job-2")
    assert await calls.overdue() == []


async def test_an_overdue_call_is_given_to_one_watchdog_at_a_time(stage: Stage) -> None:
    first, second = seeing(Calls(stage.bus)), seeing(Calls(await stage.new_bus("other")))
    for number in range(40):
        await first.take(ticket(f"call-{number}"), f"job-{number}")
        await lapse(stage, f"call-{number}")
    shares = await asyncio.gather(first.overdue(40), second.overdue(40))
    names = [one.ticket.call_id for share in shares for one in share]
    assert sorted(names) == sorted(f"call-{number}" for number in range(40)), "each once"
    assert await first.overdue(40) == await second.overdue(40) == []


async def test_a_look_is_bounded_and_hides_nothing(stage: Stage) -> None:
    calls = seeing(Calls(stage.bus))
    for number in range(10):
        await calls.take(ticket(f"call-{number}"), f"job-{number}")
        await lapse(stage, f"call-{number}")
    seen = [len(await calls.overdue(4)) for _ in range(4)]
    assert seen == [4, 4, 2, 0]


async def test_an_agent_that_does_not_come_is_sent_again_and_counted(stage: Stage) -> None:
    calls = seeing(Calls(stage.bus))
    await calls.take(ticket(guest="anna"), "job-1")
    for sent in range(3):
        await lapse(stage)
        (one,) = await calls.overdue()
        assert (one.dispatches, one.epoch, one.ticket.guest) == (sent, 1, "anna")
        assert [await calls.confirm(one) for _ in range(2)] == [True, True], "counted once per look"
    await calls.take(ticket(guest="anna", takeover=1), "job-2")
    await lapse(stage)
    (one,) = await calls.overdue()
    assert (one.dispatches, one.epoch, one.ticket.takeover) == (0, 2, 1)


async def test_what_the_holder_has_learnt_is_what_a_watchdog_reads(stage: Stage) -> None:
    calls = seeing(Calls(stage.bus))
    await calls.take(ticket(), "job-1")
    await calls.renew(ticket(conversation_id="conv-1", guest="phone"), "job-1", 1)
    await lapse(stage)
    (one,) = await calls.overdue()
    assert (one.ticket.conversation_id, one.ticket.guest) == ("conv-1", "phone")


async def test_an_ended_call_is_forgotten_but_for_its_epoch(stage: Stage) -> None:
    calls = seeing(Calls(stage.bus))
    await calls.take(ticket(), "job-1")
    assert await calls.end(ticket(), "job-1", 1)
    assert await calls.end(ticket(), "job-1", 1), "repeated, the same"
    assert not await calls.renew(ticket(), "job-1", 1)
    assert await stage.send("ZCARD", stage.keys.calls) == 0
    assert 0 < await stage.send("TTL", stage.keys.call("call-1")) <= stage.bus.settings.dedup_s


async def test_only_a_call_that_nobody_holds_is_forgotten(stage: Stage) -> None:
    calls = seeing(Calls(stage.bus))
    assert await calls.forget(ticket()), "of a call that was never answered nothing is left"
    assert await stage.send("EXISTS", stage.keys.call("call-1")) == 0
    await calls.take(ticket(), "job-1")
    assert not await calls.forget(ticket())
    await lapse(stage)
    (one,) = await calls.overdue()
    await calls.take(ticket(takeover=1), "job-2")
    await lapse(stage)
    assert not await calls.forget(ticket(), epoch=one.epoch), "somebody has held it since that look"
    assert await calls.forget(ticket(), epoch=2)
    assert await calls.forget(ticket(), epoch=2)
    assert not await calls.renew(ticket(), "job-2", 2)


async def test_a_token_that_outlives_its_call_opens_no_ghost_of_it(stage: Stage) -> None:
    calls = seeing(Calls(stage.bus))
    await calls.take(ticket(), "job-1")
    await calls.end(ticket(), "job-1", 1)
    for holder in ("job-2", "job-1"):
        with pytest.raises(CallOver) as refused:
            await calls.take(ticket(), holder)
        assert refused.value.retry is Retry.NEVER
    assert not await calls.expect(ticket())
    assert await calls.overdue() == [], "nobody is to look after it"
    await calls.take(ticket("call-2"), "job-2")
    await lapse(stage, "call-2")
    assert await calls.forget(ticket("call-2"), epoch=1)
    with pytest.raises(CallOver):
        await calls.take(ticket("call-2", takeover=1), "job-3")


async def test_a_call_that_redis_lost_is_taken_up_by_its_holder(stage: Stage) -> None:
    calls = seeing(Calls(stage.bus))
    await calls.take(ticket(), "job-1")
    await lapse(stage)
    await calls.take(ticket(takeover=1), "job-2")
    await stage.send("FLUSHALL")
    assert await calls.renew(ticket(takeover=1), "job-2", 2)
    assert not await calls.renew(ticket(), "job-1", 1), "a zombie is not heard before the one that lives"
    await lapse(stage)
    await stage.send("DEL", stage.keys.call("call-1"))
    assert await calls.take(ticket(takeover=2), "job-3") == 3, "the ticket knows how many there were"


async def test_a_failover_that_lost_the_last_take_leaves_the_call_to_the_newer_holder(stage: Stage) -> None:
    calls = Calls(stage.bus)
    await calls.take(ticket(), "job-1")
    await lapse(stage)
    kept = await stage.send("DUMP", stage.keys.call("call-1"))
    assert await calls.take(ticket(takeover=1), "job-2") == 2
    await stage.send("RESTORE", stage.keys.call("call-1"), 0, kept, "REPLACE")
    assert await calls.renew(ticket(takeover=1), "job-2", 2)
    assert not await calls.renew(ticket(), "job-1", 1)


async def test_a_damaged_call_does_not_hide_the_others(stage: Stage) -> None:
    calls = seeing(Calls(stage.bus))
    for name in ("call-1", "call-2", "call-3"):
        await calls.take(ticket(name), "job")
        await lapse(stage, name)
    await stage.send("SET", stage.keys.call("call-1"), "by hand")
    await stage.send("HSET", stage.keys.call("call-2"), "tk", b"\xff{")
    await stage.send("ZADD", stage.keys.calls, 1, "nothing")
    assert [one.ticket.call_id for one in await calls.overdue()] == ["call-3"]
    assert await stage.send("ZSCORE", stage.keys.calls, "nothing") is None


async def test_a_gateway_that_dies_before_it_answers_is_missed(stage: Stage) -> None:
    calls = seeing(Calls(stage.bus))
    assert await calls.expect(ticket(guest="anna"))
    assert not await calls.expect(ticket()), "again, it changes nothing"
    assert await calls.overdue() == [], "it has time"
    await lapse(stage)
    (one,) = await calls.overdue()
    assert (one.epoch, one.ticket.guest, one.left) == (0, "anna", False)
    assert await calls.take(ticket(guest="anna"), "job-1") == 1
    assert not await calls.expect(ticket())
    assert (await calls.count()).answered == 1


async def test_a_call_that_nobody_came_to_is_forgotten(stage: Stage) -> None:
    calls = seeing(Calls(stage.bus))
    await calls.expect(ticket())
    await lapse(stage)
    (one,) = await calls.overdue()
    assert await calls.forget(one.ticket, epoch=one.epoch)
    assert await stage.send("ZCARD", stage.keys.calls) == 0
    assert await calls.take(ticket(), "job-1") == 1


async def test_a_guest_who_enters_after_the_call_was_given_up_is_watched_again(stage: Stage) -> None:
    calls = seeing(Calls(stage.bus))
    await calls.expect(ticket())
    await lapse(stage)
    (one,) = await calls.overdue()
    assert await calls.forget(one.ticket, epoch=one.epoch)
    assert await calls.expect(ticket(guest="anna")), "nobody has answered it: it is no call that is over"
    await lapse(stage)
    (one,) = await calls.overdue()
    assert (one.epoch, one.ticket.guest) == (0, "anna")


async def test_a_name_that_is_no_id_reaches_no_key(stage: Stage) -> None:
    calls = Calls(stage.bus)
    with pytest.raises(InvalidRequest, match="call_id"):
        await calls.take(ticket("a b"), "job-1")
    with pytest.raises(InvalidRequest, match="holder"):
        await calls.take(ticket(), "")


async def test_operators_see_how_many_calls_are_answered_and_how_many_are_not(stage: Stage) -> None:
    calls = Calls(stage.bus)
    for name in ("call-1", "call-2", "call-3"):
        await calls.take(ticket(name), f"job-{name}")
    await lapse(stage, "call-2")
    assert await calls.count() == CallCount(answered=2, overdue=1)


async def test_a_lease_is_renewed_and_ends_with_the_call(stage: Stage) -> None:
    calls = Calls(stage.bus)
    async with calls.hold(ticket(), "job-1") as lease:
        assert lease.epoch == 1
        await lapse(stage)
        await eventually(lambda: _answered(calls))
        lease.ticket = ticket(conversation_id="conv-1")
        assert await lease.end()
        assert not lease.lost.is_set()
    assert await calls.count() == CallCount(0, 0)


async def test_a_gateway_that_leaves_is_followed_at_once(stage: Stage) -> None:
    calls = seeing(Calls(stage.bus))
    async with calls.hold(ticket(), "job-1") as lease:
        assert await lease.leave()
    (one,) = await calls.overdue()
    assert (one.epoch, one.left) == (1, True)
    assert await calls.take(ticket(takeover=1), "job-2") == 2
    await lapse(stage)
    (one,) = await calls.overdue()
    assert (one.epoch, one.left) == (2, False), "this one has died"


async def test_a_holder_that_was_stopped_learns_that_it_lost_the_call(stage: Stage) -> None:
    """As after SIGSTOP: its next renewal tells it."""
    calls = Calls(stage.bus)
    async with calls.hold(ticket(), "job-1") as lease:
        await lease.close()
        await lapse(stage)
        await calls.take(ticket(takeover=1), "job-2")
        lease._renewing = asyncio.create_task(lease._renew())
        await soon(lease.lost.wait())
        assert not await lease.end()
    assert await calls.renew(ticket(takeover=1), "job-2", 2)


async def test_a_dead_gateway_is_noticed_by_who_looks_on_time(redis_url: str) -> None:
    async with Stage(redis_url, call_lease_ms=300, call_renew_ms=20, call_reserve_ms=60_000) as stage:
        async with Calls(stage.bus).hold(ticket(), "job-1"):
            pass  # never ended, as after kill -9
        one = await found(Calls(stage.bus))
        assert (one.ticket, one.epoch) == (ticket(), 1)


async def _answered(calls: Calls) -> bool:
    return (await calls.count()).answered == 1
