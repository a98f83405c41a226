"""Turns over TLS on a Redis that speaks nothing else; a certificate that is not trusted, or not ours, is an error that
says so. On the machine's Redis, whatever the suite runs on: the Valkey of the wheel is built without TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from pydantic import ValidationError

from deploy.local.ports import HOST, free_port
from deploy.local.redis_server import find_redis
from libs.bus.bus import Bus
from libs.bus.settings import BusSettings
from libs.contracts.errors import BusDenied
from tests.bus.support.handlers import Led, echo
from tests.bus.support.stage import Stage, kill
from tests.bus.support.waiting import eventually, soon
from tests.servers.certificates import Authority
from tests.servers.redis import BuiltWithoutTls, RedisServer, running_redis
from tests.servers.users import HARNESS, HARNESS_USER

PATIENT_MS = 60_000


class Secured:
    """A server with TLS beside its plain port, which is the harness's."""

    def __init__(self, server: RedisServer, port: int, authority: Authority, folder: Path) -> None:
        self.server, self.port, self.authority, self.folder = server, port, authority, folder

    @property
    def url(self) -> str:
        return f"rediss://{HARNESS}:any@{HOST}:{self.port}/0"


@contextmanager
def secured(folder: Path, *, alternative: str = "IP:127.0.0.1", clients: str = "no") -> Iterator[Secured]:
    authority = Authority(folder)
    own, port, users = authority.issue("server", alternative), free_port(), folder / "users.acl"
    users.write_text(f"user default off\n{HARNESS_USER}\n")
    tls = ("--tls-port", port, "--tls-cert-file", own.cert, "--tls-key-file", own.key)
    options = (*tls, "--tls-ca-cert-file", authority.cert, "--tls-auth-clients", clients, "--aclfile", users)
    with contextlib.ExitStack() as running:
        try:
            given = running_redis(binary=find_redis(), options=[str(part) for part in options])
            server = running.enter_context(given)
        except BuiltWithoutTls as error:
            pytest.skip(f"{error}: install redis-server")
        yield Secured(server, port, authority, folder)


async def a_turn_that_is_taken_over(url: str, authority: Authority) -> str:
    first, second = Led(), Led()
    async with Stage(url, tls_ca=authority.cert) as stage:
        dying = await stage.worker("w1", first)
        feed = await stage.feed()
        await stage.open("c")
        listener = await stage.listen(feed, "c")
        await stage.accept("c", "t1")
        first.say("t1", "The pool " * 4_000)
        await listener.said("t1", "The pool " * 4_000)
        await stage.worker("w2", second)
        await kill(dying)
        await eventually(lambda: second.began("t1"))
        second.end("t1", "opens at eight.")
        return (await listener.reply("t1")).text


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_turn_is_streamed_and_taken_over_over_tls(tmp_path: Path, loop: object) -> None:
    """The transport is taken over from redis-py on both loops; what is said is longer than a TLS record."""
    with secured(tmp_path) as redis, asyncio.Runner(loop_factory=loop) as runner:  # type: ignore[arg-type]
        text = runner.run(a_turn_that_is_taken_over(redis.url, redis.authority))
    assert text == "The pool " * 4_000 + "opens at eight."


async def test_connections_are_made_again_after_a_restart(tmp_path: Path) -> None:
    with secured(tmp_path) as redis:
        async with Stage(redis.url, tls_ca=redis.authority.cert, command_timeout_ms=PATIENT_MS) as stage:
            await stage.worker("w1", echo)
            redis.server.stop()
            redis.server.start()
            await stage.open("c")
            await stage.accept("c", "t1")
            await stage.at_rest("c")


async def refused(redis: Secured, **tls: Any) -> str:
    settings = BusSettings(redis_url=redis.url, command_timeout_ms=PATIENT_MS, **tls)
    async with Bus(settings) as bus:
        with pytest.raises(BusDenied, match="BOTEL_BUS_TLS_CA") as told:
            await soon(bus.commands.send("PING"))
    return str(told.value)


async def test_another_authority_is_not_trusted_and_nothing_was_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with secured(tmp_path) as redis:
        assert "CERTIFICATE_VERIFY_FAILED" in await refused(redis)
        assert "CERTIFICATE_VERIFY_FAILED" in await refused(redis, tls_ca=Authority(tmp_path, "another").cert)
    told = [record for record in caplog.records if record.levelno == logging.ERROR and record.name == "libs.bus.link"]
    assert len(told) == 2, "once by each"
    assert "any@" not in caplog.text


async def test_a_certificate_of_another_host_is_not_taken(tmp_path: Path) -> None:
    with secured(tmp_path, alternative="DNS:redis.example") as redis:
        assert "IP address mismatch" in await refused(redis, tls_ca=redis.authority.cert)


async def test_a_redis_that_asks_for_a_certificate_gets_ours(tmp_path: Path) -> None:
    with secured(tmp_path, clients="yes") as redis:
        client = redis.authority.issue("brain")
        files: dict[str, Any] = {"tls_ca": redis.authority.cert, "tls_cert": client.cert, "tls_key": client.key}
        async with Bus(BusSettings(redis_url=redis.url, **files)) as bus:
            await bus.ping()
        assert "TLS is refused" in await refused(redis, tls_ca=redis.authority.cert)


@pytest.mark.parametrize("query", ["ssl_cert_reqs=none", "ssl_check_hostname=false", "ssl_ca_certs=/x", "db=1&ssl_x="])
def test_checking_cannot_be_turned_off(query: str) -> None:
    with pytest.raises(ValidationError, match="always checked"):
        BusSettings(redis_url=f"rediss://redis:6379/0?{query}")


def test_settings_that_cannot_work_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        BusSettings(tls_ca=tmp_path / "missing.pem")
    (tmp_path / "cert.pem").write_text("x")
    with pytest.raises(ValidationError, match="go together"):
        BusSettings(tls_cert=tmp_path / "cert.pem")
