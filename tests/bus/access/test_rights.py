"""What each user is refused, on real servers: other keys, others' work, and everything that harms all."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from deploy.redis.passwords import NAMES
from libs.bus.access import ROLES, rights
from libs.bus.bus import Bus
from libs.bus.conversations import Conversations
from libs.bus.settings import BusSettings
from libs.contracts.errors import BusDenied
from libs.contracts.keys import Keys
from tests.bus.property.calls import Calls
from tests.bus.support.conversation import opened
from tests.bus.support.waiting import soon
from tests.servers.users import HARNESS, GuardedRedis

HARMS_ALL = (
    "FLUSHALL", "FLUSHDB", "CONFIG GET dir", "CONFIG SET maxmemory 1", "DEBUG SLEEP 0", "SCRIPT FLUSH", "SCRIPT KILL",
    "KEYS *", "SHUTDOWN", "REPLICAOF NO ONE", "CLIENT KILL TYPE normal", "CLIENT LIST", "MONITOR", "SAVE", "BGSAVE",
    "ACL SETUSER x", "ACL LIST", "ACL GETUSER brain", "FUNCTION LIST", "MODULE LIST", "SWAPDB 0 1", "WAIT 0 0",
    "PUBLISH x y", "SUBSCRIBE x", "EVAL return 0", "DBSIZE", "RANDOMKEY",
)  # fmt: skip
OTHERS_KEYS = (
    "GET other", "SET botel:x 1", "HGETALL session:{0}:1", "XADD botel:{0}:other * a b", "XRANGE botel:turns - +",
    "DEL botel:{0}:turns", "COPY botel:{0}:conv:c other", "RENAME botel:{0}:turns x", "TYPE botel:{0}:turns",
    "DUMP botel:{0}:conv:c", "OBJECT ENCODING botel:{0}:conv:c", "EXPIRE botel:{0}:events 1", "DEL botel:{0}:events",
)  # fmt: skip
OTHERS_WORK = {
    "brain": ("XREADGROUP GROUP context-store x STREAMS botel:{0}:events >", "XRANGE botel:{0}:events - +",
              "GET botel:{0}:open:x", "RPUSH botel:{0}:mail:c t", "HSET botel:{0}:context:c a b",
              "XREAD STREAMS botel:{0}:chunks:text-1 0", "XRANGE botel:{0}:dead - +", "ZRANGE botel:{0}:calls 0 -1",
              "HGETALL botel:{0}:call:c"),
    "text_gateway": ("XREADGROUP GROUP brain x STREAMS botel:{0}:turns >", "XACK botel:{0}:turns brain 1-0",
                     "SET botel:{0}:draft:c words", "ZADD botel:{0}:leases 1 w", "SADD botel:{0}:owned:w c",
                     "XREAD STREAMS botel:{0}:chunks:voice-1 0", "XREAD STREAMS botel:{0}:turns 0",
                     "ZRANGE botel:{0}:calls 0 -1", "LPOP botel:{0}:mail:c", "XRANGE botel:{0}:events - +"),
    "voice_gateway": ("XREADGROUP GROUP brain x STREAMS botel:{0}:turns >", "SET botel:{0}:draft:c words",
                      "XREAD STREAMS botel:{0}:chunks:text-1 0", "LPOP botel:{0}:mail:c", "XRANGE botel:{0}:dead - +"),
    "context_store": ("XADD botel:{0}:turns * c c", "RPUSH botel:{0}:mail:c t", "SET botel:{0}:draft:c words",
                      "XREADGROUP GROUP brain x STREAMS botel:{0}:turns >", "XREAD STREAMS botel:{0}:chunks:text-1 0",
                      "XTRIM botel:{0}:turns MAXLEN 0", "XTRIM botel:{0}:dead MAXLEN 0",
                      "XGROUP DESTROY botel:{0}:events context-store"),
    "operator": ("XREADGROUP GROUP brain x STREAMS botel:{0}:turns >",
                 "HGETALL botel:{0}:context:c", "GET botel:{0}:draft:c", "XADD botel:{0}:chunks:text-1 * b lies",
                 "XGROUP DESTROY botel:{0}:turns brain", "XTRIM botel:{0}:turns MAXLEN 0"),
}  # fmt: skip
"""Each is an ordinary command of some other user, or would be convenient."""


REFUSED = r"no permissions|can't|ACL|No permissions"
"""As Redis 7.0 and Valkey say it, before a script and inside of one."""


def entered(guarded: GuardedRedis, user: str) -> Redis:
    return Redis.from_url(guarded.url(user), protocol=2, driver_info=None)


@pytest.mark.parametrize("user", NAMES)
def test_what_no_service_may(guarded: GuardedRedis, user: str) -> None:
    with entered(guarded, user) as client:
        allowed = [one for one in (*HARMS_ALL, *OTHERS_KEYS) if not _refused(client, one)]
    assert allowed == []


@pytest.mark.parametrize("user", OTHERS_WORK)
def test_what_is_another_s_work(guarded: GuardedRedis, user: str) -> None:
    with entered(guarded, user) as client:
        assert [one for one in OTHERS_WORK[user] if not _refused(client, one)] == []


OTHERS_SCRIPTS: dict[str, Callable[[Calls], object]] = {
    "claim": lambda calls: calls.claim("w", "1-0", "c", "token", 5),
    "emit": lambda calls: calls.emit("w", "runs", 1, "t", 0, "words"),
    "journal": lambda calls: calls.journal("w", "runs", 1, "t", "e", "b"),
    "commit": lambda calls: calls.commit("w", "runs", 1, "t", "finished", ["b"]),
    "beat": lambda calls: calls.beat("w"),
    "reap": lambda calls: calls.reap("c", "w"),
    "bury": lambda calls: calls.bury("w"),
    "accept": lambda calls: calls.accept("c", "t", "p", "b"),
    "cancel": lambda calls: calls.cancel("c", "t", "p"),
    "follow": lambda calls: calls.follow("c", "p", "g"),
    "open": lambda calls: calls.open("c2", "p", "b", "p/customer/x"),
    "retire": lambda calls: calls.retire("c", 1),
    "trim": lambda calls: calls.trim("context-store"),
    "replay": lambda calls: calls.replay("1-0", "c", "t", "p", "b", mailbox=8, waiting=9),
    "call_take": lambda calls: calls.take_call("call", "holder", "ticket"),
}


@pytest.mark.parametrize("script", OTHERS_SCRIPTS)
def test_a_script_is_refused_to_who_does_not_call_it(guarded: GuardedRedis, script: str) -> None:
    """Before its first write: nothing of it is done."""
    with entered(guarded, HARNESS) as admin:
        admin.flushall()
        Calls(admin).open("c", "p", "opened")
        admin.hset(Keys().conv("runs"), mapping={"st": "running", "own": "w", "ep": 1, "n": 1, "p": "p"})
        before = _everything(admin)
        for role in ROLES:
            if script not in role.scripts:
                with (
                    entered(guarded, role.name) as client,
                    pytest.raises(ResponseError, match=REFUSED),
                ):
                    OTHERS_SCRIPTS[script](Calls(client))
                assert _everything(admin) == before, role.name


def test_a_script_of_one_s_own_gives_no_further_rights(guarded: GuardedRedis) -> None:
    """Whoever is compromised may send any script; its commands are checked one by one."""
    keys = Keys()
    with entered(guarded, "brain") as client:
        for body in ("return redis.call('FLUSHALL')", "return redis.call('XRANGE', KEYS[1], '-', '+')"):
            with pytest.raises(ResponseError, match=REFUSED):
                client.evalsha(str(client.script_load(body)), 1, keys.events)


@pytest.mark.parametrize("loses", ["xadd", "evalsha"])
async def test_a_right_that_is_missing_is_told_once_and_readiness_says_so(
    guarded: GuardedRedis, loses: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The users file of an older release: the error names what to do, and nobody is ready who cannot work."""
    with entered(guarded, HARNESS) as admin:
        (role,) = (one for one in ROLES if one.name == "text_gateway")
        kept = {command: keys for command, keys in rights(role).items() if command != loses}
        selectors = [f"(+{command} {' '.join(f'~{key}' for key in keys)})" for command, keys in kept.items()]
        rest = ("reset", "on", ">pw", "+ping", "+script|load", "+client|setname")
        admin.execute_command("ACL", "SETUSER", "older", *rest, *selectors)
        url = guarded.url(HARNESS).replace(f"{HARNESS}:any", "older:pw")
        async with Bus(BusSettings(redis_url=url, command_timeout_ms=60_000)) as bus:
            await bus.ping()
            for number in range(3):
                with pytest.raises(BusDenied, match=r"python -m deploy\.redis"):
                    await soon(Conversations(bus).open(opened(f"c{number}"), {}))
            with pytest.raises(BusDenied, match="ACL LOG"):
                await soon(bus.ping())
    told = [one for one in caplog.records if one.message == "redis refuses a right" and one.levelno == logging.ERROR]
    assert len(told) == 1


def test_nobody_enters_without_a_password(guarded: GuardedRedis) -> None:
    address = guarded.url("brain").partition("@")[2]
    for login in ("", "default:@", "brain:@", "brain:guess@", ":guess@", "admin:admin@"):
        with Redis.from_url(f"redis://{login}{address}", protocol=2) as client, pytest.raises(RedisError):
            client.ping()


def _refused(client: Any, command: str) -> bool:
    try:
        client.execute_command(*command.split())
    except NoPermissionError:
        return True
    except ResponseError as error:
        return str(error).startswith(("NOPERM", "DEBUG command not allowed"))
    return False


def _everything(admin: Redis) -> dict[bytes, bytes | None]:
    return {key: admin.dump(key) for key in admin.scan_iter()}
