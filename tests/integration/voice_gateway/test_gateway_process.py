"""A real voice gateway: killed in the middle of a call, full, and without Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from aiohttp import WSCloseCode
from pydantic import SecretStr

from libs.bus.bus import Bus
from libs.bus.conversations import Conversations
from libs.bus.handler import Done, Turn
from libs.bus.settings import BusSettings
from libs.contracts.events import AnyEvent, CallStarted, ReplyGenerated, ReplyHeard
from services.voice_gateway.speech.espeak import Espeak
from tests.eventually import eventually
from tests.integration.text_gateway.gateway import Concierge, running_brain
from tests.integration.voice_gateway.processes import Caller, running_voice
from tests.servers.redis import RedisServer

FIRST, SECOND = "what time is breakfast served on monday", "where can we park the car"
POOL = "The swimming pool is on the fourth floor of the hotel. "


class Reading(Concierge):
    """Begins to answer, and ends when `go_on` is set; the second question is answered from the history."""

    async def __call__(self, turn: Turn) -> AsyncGenerator[str | Done, None]:
        self.asked.append(turn.message.text)
        if len(self.asked) == 1:
            yield POOL * 3
            await self.go_on.wait()
            yield "That is all."
        else:
            said = [event.text for event in turn.events if isinstance(event, ReplyGenerated)]
            yield "You have heard of the pool." if said and POOL in said[0] else "We have not spoken yet."
        yield Done(model="test")


@pytest.mark.usefixtures("espeak")
async def test_a_caller_whose_gateway_was_killed_redials_and_goes_on(redis_url: str, espeak: Espeak) -> None:
    reading = Reading()
    reading.go_on.clear()
    async with (
        asyncio.timeout(300),
        running_voice(2, redis_url) as (first, second),
        running_brain(redis_url, reading),
        Bus(BusSettings(redis_url=SecretStr(redis_url))) as bus,
    ):
        async with first.call() as socket:
            caller = Caller(socket)
            ready = await caller.hello(customer_id="guest-1")
            await caller.say(FIRST, espeak)
            await caller.until("playout")
            await first.kill()
            assert await caller.until("ended") == {}, "no goodbye"
        dead = await gateway_of(bus, ready["conversation_id"])

        async with second.call() as socket:
            caller = Caller(socket)
            again = await caller.hello(customer_id="guest-1")
            reading.go_on.set()
            await eventually(lambda: replies(bus, ready["conversation_id"]), lambda texts: len(texts) == 1)
            await caller.say(SECOND, espeak)
            heard = await caller.until("heard")
        assert again["conversation_id"] == ready["conversation_id"]
        assert (heard["heard"], heard["complete"]) == ("You have heard of the pool.", True)

        async def over() -> list[str]:
            return [str(event.__struct_config__.tag) for event in await log(bus, ready["conversation_id"])]

        await eventually(over, lambda kinds: kinds[-1] == "call.ended")
        kinds = await over()
        assert sorted(kinds[3:5]) == ["call.started", "reply.generated"], "whichever comes first"
        assert kinds[:3] + kinds[5:] == [
            "conversation.opened",
            "call.started",
            "message.received",
            "message.received",
            "reply.generated",
            "reply.heard",
            "call.ended",
        ]
        assert await replies(bus, ready["conversation_id"]) == [
            POOL * 3 + "That is all.",
            "You have heard of the pool.",
        ]
        await nothing_is_left(bus, ready["conversation_id"], dead)


async def log(bus: Bus, conversation_id: str) -> list[AnyEvent]:
    return list((await Conversations(bus).read("harbour", conversation_id)).events)


async def replies(bus: Bus, conversation_id: str) -> list[str]:
    return [event.text for event in await log(bus, conversation_id) if isinstance(event, ReplyGenerated)]


async def gateway_of(bus: Bus, conversation_id: str) -> str:
    (started,) = [event for event in await log(bus, conversation_id) if isinstance(event, CallStarted)]
    return started.gateway_id


async def nothing_is_left(bus: Bus, conversation_id: str, gateway: str) -> None:
    """Of the gateway that was killed only what runs out by itself; of its turn nothing."""
    (keys,) = bus.shards
    assert await bus.commands.send("PTTL", keys.subs(conversation_id)) > 0
    assert await bus.commands.send("PTTL", keys.chunks(gateway)) > 0
    state, owner = await bus.commands.send("HMGET", keys.conv(conversation_id), "st", "own")
    assert (state, owner) == (b"idle", b"")
    assert await bus.commands.send("EXISTS", keys.draft(conversation_id), keys.mail(conversation_id)) == 0
    heard = [event for event in await log(bus, conversation_id) if isinstance(event, ReplyHeard)]
    assert len(heard) == 1, "nobody claims to know what was heard of the reply that broke off"


async def test_a_gateway_without_redis_or_without_a_line_says_so_to_the_caller_and_to_the_operator(
    own_redis: RedisServer,
) -> None:
    env = {"BOTEL_VOICE_MAX_CALLS": "1", "BOTEL_BUS_COMMAND_TIMEOUT_MS": "500"}
    async with asyncio.timeout(300), running_voice(1, own_redis.url, **env) as (gateway,):
        async with gateway.call() as socket:
            assert (await Caller(socket).hello(customer_id="guest-1"))["type"] == "ready"
            status, checks = await gateway.readiness()
            assert (status, checks["lines"], checks["redis"]) == (503, "NoLineFree", "ok")
            async with gateway.call() as other:
                refused = await Caller(other).hello(customer_id="guest-2")
                assert (refused["code"], refused["retry"]) == ("no-line-free", "later")
        await eventually(gateway.readiness, lambda ready: ready[0] == 200)

        own_redis.stop()
        async with gateway.call() as socket:
            caller = Caller(socket)
            refused = await caller.hello(customer_id="guest-1")
            assert (refused["type"], refused["code"]) == ("refused", "bus-unavailable")
            assert await caller.until("ready") == {}
            assert socket.close_code == WSCloseCode.TRY_AGAIN_LATER
        status, checks = await gateway.readiness()
        assert status == 503
        assert checks["redis"] != "ok"

        own_redis.start()
        await eventually(gateway.readiness, lambda ready: ready[0] == 200)
        async with gateway.call() as socket:
            assert (await Caller(socket).hello(customer_id="guest-1"))["type"] == "ready"
