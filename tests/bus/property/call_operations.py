"""Who answers a call: jobs that take, renew and end it, zombies, watchdogs, and a Redis that forgets."""

from __future__ import annotations

from typing import Any

from tests.bus.property.model import LONG_MS, NEVER, CallModel, Job, need
from tests.bus.property.world import World


def expect(world: World) -> None:
    """Before anybody answers; perhaps late, or twice."""
    call = world.model.call
    unknown = not call.known and not call.ended
    reply = world.calls.expect_call(call.id, "ticket")
    need("holder", reply == int(unknown), "expect", reply, call)
    world.count("call expected" if reply else "call expected too late")
    if reply:
        call.expected, call.listed = True, True
        score = world.calls.redis.zscore(world.calls.keys.calls, call.id)
        since = world.calls.redis.hget(world.calls.keys.call(call.id), "u")
        need("watch", score == float(since) + LONG_MS, "when it is missed", score, since)


def take(world: World) -> None:
    """A new job answers, or one of those before tries again; sometimes its reply is lost and it asks again."""
    call, now = world.model.call, world.model.now
    job = world.pick(call.jobs) if call.jobs and world.chance(0.3) else Job(f"job-{world.new_token()}", 0)
    takeovers = world.pick((0, max((one.epoch for one in call.jobs), default=0)))
    if call.ended:
        expected: list[Any] = ["over", call.epoch]
    elif call.known and call.holder == job.holder:
        expected = ["taken", call.epoch]
    elif call.held(now):
        expected = ["held", call.epoch]
    else:
        expected = ["taken", max(call.epoch, takeovers) + 1]
    for asked in range(1 + world.chance(0.3)):
        reply = world.calls.take_call(call.id, job.holder, "ticket", takeovers)
        need("holder", reply[0] == expected[0], "take", reply, expected, job, call)
        need("call-epochs", reply[1] == expected[1], "take", reply, expected, job, call)
        if asked:
            world.count("call taken again")
    world.count("call was over" if call.ended else f"call {reply[0]}")
    if reply[0] == "taken":
        call.answered(job.holder, reply[1], now)
        call.jobs.append(Job(job.holder, reply[1]))
        _looked_at_when(world, "u")


def renew(world: World) -> None:
    """Any job that ever answered: of several only one is right. Or it leaves: a renewal by nothing."""
    call, now = world.model.call, world.model.now
    if not call.jobs:
        return
    job = world.pick(call.jobs[-3:])
    mine = job.epoch == call.epoch and job.holder == call.holder and not call.ended
    expected = int(mine or job.epoch > call.epoch)
    leaves = world.chance(0.2)
    late = mine and not call.held(now)
    reply = world.calls.renew_call(call.id, job.holder, job.epoch, "ticket", 0 if leaves else LONG_MS)
    need("holder", reply == expected, "renew", reply, expected, job, call)
    if not reply:
        world.count("call lost")
        return
    world.count("call made again" if not mine else "call renewed late" if late else "call renewed")
    call.answered(job.holder, job.epoch, now)
    _looked_at_when(world, "u")
    if leaves:
        call.until, call.left = NEVER, True
        world.count("call left")


def end(world: World) -> None:
    """The same; and once more, when the reply was lost."""
    call = world.model.call
    if not call.jobs:
        return
    job = world.pick(call.jobs[-3:])
    mine = job.epoch == call.epoch and job.holder == call.holder
    expected = int(mine or job.epoch > call.epoch)
    for _ in range(1 + world.chance(0.3)):
        reply = world.calls.end_call(call.id, job.holder, job.epoch)
        need("holder", reply == expected, "end", reply, expected, job, call)
    world.count("call ended" if reply else "call end refused")
    if reply:
        call.holder, call.epoch = job.holder, job.epoch
        call.over()


def forget(world: World) -> None:
    """A watchdog that looked now, or long ago."""
    call = world.model.call
    epoch = world.pick((0, call.epoch, max(0, call.epoch - 1)))
    refused = call.known and (call.held(world.model.now) or epoch not in (0, call.epoch))
    reply = world.calls.end_call(call.id, "", epoch)
    need("holder", reply == int(not refused), "forget", reply, epoch, call)
    world.count("call forget refused" if refused else "call forgotten")
    if call.expected and not refused:
        call.unexpected()
        world.count("call forgotten that nobody answered")
    elif call.known and not refused:
        call.over()
    elif not refused:
        call.listed = False


def look(world: World) -> None:
    """A watchdog finds the call; its reply may be lost."""
    call = world.model.call
    token = call.token if call.token and world.chance(0.2) else world.new_token()
    for _ in range(1 + world.chance(0.3)):
        _reserve(world, call, token, sending=False)


def send(world: World) -> None:
    """A watchdog is about to send an agent; the reservation may be somebody else's by now, or nobody's."""
    call = world.model.call
    token = call.token if call.token and world.chance(0.8) else world.new_token()
    for _ in range(1 + world.chance(0.3)):
        sent = _reserve(world, call, token, sending=True)
        world.count("agent sent" if sent else "agent not sent")


def _reserve(world: World, call: CallModel, token: str, *, sending: bool) -> bool:
    now = world.model.now
    if not call.known:
        word = "gone"
    elif call.held(now):
        word = "held"
    else:
        other = token != call.token and (sending or call.reserved(now))
        word = "reserved" if other else "overdue"
    reply = world.calls.reserve_call(call.id, token, sending=sending)
    need("watch", reply[0] == word, "reserve", reply, word, call)
    world.count(f"look at a {word} call" if word in ("gone", "held") else f"call {word}")
    call.listed = word != "gone" and (call.listed or word != "reserved")
    if word != "overdue":
        return False
    if sending and call.counted != token:
        call.dispatches, call.counted = call.dispatches + 1, token
    call.token, call.reserved_until = token, now + LONG_MS
    told = (call.epoch, call.dispatches, int(call.left or call.expected))
    need("watch", (reply[2], reply[5], reply[6]) == told, "what a watchdog is told", reply, call)
    world.count("a call that was left is looked after" if call.left else "a call that was lost is looked after")
    _looked_at_when(world, "ru")
    return True


def _looked_at_when(world: World, field: str) -> None:
    """The list says the same as the call itself."""
    redis, keys, call = world.calls.redis, world.calls.keys, world.model.call
    score, until = redis.zscore(keys.calls, call.id), redis.hget(keys.call(call.id), field)
    need("watch", score is not None and score == float(until), "when it is looked at", score, until)


def lapse(world: World) -> None:
    """The lease runs out; its holder may go on, not knowing."""
    call = world.model.call
    if call.known:
        world.calls.redis.hset(world.calls.keys.call(call.id), "u", 1)
        call.until = NEVER


def reservation_runs_out(world: World) -> None:
    call = world.model.call
    if call.token:
        world.calls.redis.hset(world.calls.keys.call(call.id), "ru", 1)
        call.reserved_until = NEVER


def an_end_expires(world: World) -> None:
    """It is remembered for a while; after that only zombies know of the call."""
    if world.model.call.ended:
        redis_loses_the_call(world)


def redis_loses_the_call(world: World) -> None:
    """Its record, not its place on the list: whoever believes to answer it makes it again, the newest in the end."""
    call = world.model.call
    if call.known or call.ended:
        world.calls.redis.delete(world.calls.keys.call(call.id))
        listed = call.listed
        call.over()
        call.holder, call.epoch, call.ended, call.listed = "", 0, False, listed
