"""A Redis that does not let us in: an error that names REDIS_URL at once, not a silent wait; corrected, all goes on."""

from __future__ import annotations

import logging

import pytest

from libs.bus.bus import Bus
from libs.bus.settings import BusSettings
from libs.contracts.errors import BusDenied, BusUnavailable
from tests.bus.support.conversation import opened
from tests.bus.support.handlers import echo
from tests.bus.support.stage import Stage
from tests.bus.support.waiting import eventually, soon
from tests.servers.redis import RedisServer


def url_of(server: RedisServer, login: str) -> str:
    return server.direct_url.replace("redis://", f"redis://{login}")


@pytest.mark.parametrize(
    ("login", "says"),
    [("", "Authentication required"), (":wrong@", "invalid"), ("nobody:secret@", "invalid")],
    ids=["NOAUTH", "WRONGPASS", "no such user"],
)
async def test_who_may_not_enter_is_told_at_once(
    own_redis: RedisServer, login: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    own_redis.ask("CONFIG SET requirepass secret")
    settings = BusSettings(redis_url=url_of(own_redis, login), command_timeout_ms=60_000)
    async with Bus(settings) as bus:
        with pytest.raises(BusDenied, match="REDIS_URL") as refused:
            await soon(bus.commands.send("GET", "botel:{0}:x"))
        assert says.lower() in str(refused.value).lower()
    told = [record for record in caplog.records if record.levelno == logging.ERROR and record.name == "libs.bus.link"]
    assert len(told) == 1, "told once, and as an error"
    assert "secret" not in caplog.text


async def test_a_worker_does_not_wait_for_a_redis_that_refuses_it(own_redis: RedisServer) -> None:
    own_redis.ask("CONFIG SET requirepass secret")
    async with Stage(url_of(own_redis, ":wrong@")) as stage:
        with pytest.raises(BusDenied):
            await soon(stage.worker("w1", echo))


async def test_rights_that_are_missing_are_named(own_redis: RedisServer) -> None:
    own_redis.ask("ACL SETUSER reader on >pw ~* +@read +ping +client +script|load")
    async with Bus(BusSettings(redis_url=url_of(own_redis, "reader:pw@"))) as bus:
        with pytest.raises(BusDenied, match="NOPERM"):
            await soon(bus.commands.send("SET", "key", "value"))
        event, keys = opened("c"), bus.shards[0]
        with pytest.raises(BusDenied):
            await soon(bus.commands.call("open", [keys.conv("c")], ["", "c", event.property_id, b"{}"]))


async def test_scripts_that_may_not_be_loaded_are_no_endless_loop(own_redis: RedisServer) -> None:
    own_redis.ask("ACL SETUSER plain on >pw ~* +@all -script")
    async with Bus(BusSettings(redis_url=url_of(own_redis, "plain:pw@"), command_timeout_ms=60_000)) as bus:
        keys = bus.shards[0]
        with pytest.raises(BusDenied, match="NOPERM"):
            await soon(bus.commands.call("beat", [keys.leases, keys.owned("w")], ["w", 1_000]))


async def test_a_password_that_is_corrected_is_noticed(own_redis: RedisServer) -> None:
    """Changed under a running process: when its connections break it is refused, until it is right again."""
    own_redis.ask("ACL SETUSER brain on >old ~* &* +@all")
    async with Stage(url_of(own_redis, "brain:old@"), command_timeout_ms=30_000) as stage:
        worker = await stage.worker("w1", echo)
        await stage.open("c")
        own_redis.ask("ACL SETUSER brain resetpass >new")
        own_redis.ask("CLIENT KILL TYPE normal SKIPME yes")
        with pytest.raises(BusDenied):
            await soon(stage.accept("c", "t1"))
        own_redis.ask("ACL SETUSER brain >old")
        await eventually(lambda: _accepted(stage), within_s=20)
        await stage.at_rest("c")
        await eventually(lambda: worker.healthy, within_s=20)


async def _accepted(stage: Stage) -> bool:
    try:
        await stage.accept("c", "t1")
    except BusUnavailable:
        return False
    return True
