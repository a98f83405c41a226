"""One run: the native stack with a crowd of guests, faults, and the evidence that is left at the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import aiohttp
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

from deploy.local.env import API_KEY, new_api_key, without_settings
from deploy.local.redis_server import find_redis
from deploy.local.services import BRAIN, SERVICES, Service
from deploy.local.stack import Stack
from deploy.redis.passwords import new_password
from tests.chaos import hotel
from tests.chaos.aim import Aim
from tests.chaos.auditor import CALM
from tests.chaos.callers import Caller
from tests.chaos.evidence import Evidence, collect, orphans, settle
from tests.chaos.guests import SCRIPT, Guest, pause
from tests.chaos.hand import Hand, Roll
from tests.chaos.ledger import Ledger
from tests.chaos.phases import Crowd, process_faults, redis_faults
from tests.chaos.plan import Plan
from tests.chaos.transcript import Transcript
from tests.chaos.wire import Wire
from tests.servers.users import HARNESS

MARKER = "BOTEL_CHAOS_RUN"
_MOST_GUESTS = 2_000
_FINISH_S = 180.0
_REFUSED = ("NOPERM", "refuses a right", "ACL failure", "The user executing the script")
Say = Callable[[str], None]


class Outcome(NamedTuple):
    evidence: Evidence
    ledger: Ledger
    transcript: Transcript
    redis_from: float
    """Seconds after which the faults were those of Redis."""
    seconds: float
    refused: Sequence[str] = ()
    """Lines of log that tell of a right in Redis that a service lacks."""


def services(*, fenced: bool) -> list[Service]:
    """The real ones, with a second text gateway; they start again at once however often they die."""
    table = [replace(service, longest_pause_s=0.25) for service in SERVICES]
    text = next(service for service in table if service.name == "text_gateway")
    table.append(replace(text, name="text_gateway-2", port_name="TEXT2"))
    if fenced:
        return table
    argv = (sys.executable, "-m", "tests.chaos.unfenced")
    return [replace(service, argv=argv) if service.name == BRAIN else service for service in table]


async def run(plan: Plan, directory: Path, say: Say, *, fenced: bool = True) -> Outcome:
    """Play a plan on a stack of its own in `directory`."""
    names = [f"{CALM}{at}" for at in range(2)] + [f"guest-{at}" for at in range(_MOST_GUESTS)]
    file = directory / "hotel.sqlite3"
    await hotel.seed(file, names)
    marker = f"{os.getpid()}-{random.getrandbits(64):016x}"
    key, roll = new_api_key(), Roll()
    env = {
        **without_settings(os.environ),
        API_KEY: key,
        MARKER: marker,
        "BOTEL_LOG_FORMAT": "json",
        "BRAIN_OFFLINE_TOKEN_S": str(plan.token_s),
        "BRAIN_PMS_LATENCY_S": str(plan.pms_s),
    }
    log, refused = directory / "stack.log", list[str]()

    def sink(name: str, line: str) -> None:
        roll.hear(name, line)
        if any(sign in line for sign in _REFUSED):
            refused.append(f"{name} | {line}")
        with log.open("a") as out:
            out.write(f"{name} | {line}\n")

    password = new_password()
    stack = Stack(
        directory,
        env=env,
        redis=find_redis(env),
        brains=plan.brains,
        services=services(fenced=fenced),
        sink=sink,
        more_users=[f"user {HARNESS} on >{password} ~* &* +@all"],
    )
    async with stack, _session() as session, _redis(stack.redis_url_of(""), password) as redis:
        outcome = await _play(plan, stack, session, redis, key, roll, file, names, say)
    outcome.evidence.orphans = orphans(f"{MARKER}={marker}")
    return outcome._replace(refused=refused)


async def _play(
    plan: Plan,
    stack: Stack,
    session: aiohttp.ClientSession,
    redis: Redis,
    key: str,
    roll: Roll,
    file: Path,
    names: list[str],
    say: Say,
) -> Outcome:
    transcript, ledger, over, rng = Transcript(), Ledger(), asyncio.Event(), random.Random(plan.seed)
    wire = Wire(session, (stack.text_url, stack.url("TEXT2")), key)
    aim = Aim(redis, lambda effect: hotel.taken(file, effect))
    hand = Hand(stack, roll, redis, aim, ledger, transcript, rng, over)

    def guest(name: str) -> Guest:
        return Guest(name, wire, transcript, random.Random(f"{plan.seed} {name}"), over, patience_s=plan.patience_s)

    def caller(name: str) -> Caller:
        return Caller(name, stack.voice_url.replace("http://", "ws://") + "/call", transcript, over)

    say("calm: what every line is answered with")
    await asyncio.gather(*(guest(name).play(SCRIPT) for name in names if name.startswith(CALM)))
    crowd = Crowd((name for name in names if not name.startswith(CALM)), guest, caller, rng)
    crowd.start(plan.guests, plan.callers)
    progress = asyncio.create_task(_tell(ledger, transcript, over, say))
    cut = asyncio.get_running_loop().call_later(plan.limit_s, over.set)
    try:
        await process_faults(plan, hand, ledger, transcript, over)
        redis_from = transcript.now()
        say("faults of Redis")
        await redis_faults(plan, hand, over)
        say("quiet: guests play to their end")
        async with asyncio.timeout(_FINISH_S):
            await crowd.finish()
        quiet = asyncio.Event()
        await settle(redis, quiet, plan.settle_s)
        evidence = await collect(redis, session, stack.store_url, key, file, transcript)
    finally:
        cut.cancel()
        over.set()
        progress.cancel()
    return Outcome(evidence, ledger, transcript, redis_from, transcript.now())


async def _tell(ledger: Ledger, transcript: Transcript, over: asyncio.Event, say: Say) -> None:
    """A line every ten seconds."""
    while not over.is_set():
        await pause(over, 10)
        turns = len({record["turn"] for record in transcript.of("turn", "spoken")})
        counts = f"{len(ledger.kills)} brains killed, {ledger.mid_stream()} mid-stream, {ledger.in_effect()} in effects"
        say(f"{transcript.now():6.0f} s  {turns} turns, {counts}, {len(ledger.faults)} faults")


@contextlib.asynccontextmanager
async def _session() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=30)
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        yield session


@contextlib.asynccontextmanager
async def _redis(url: str, password: str) -> AsyncIterator[Redis]:
    """The harness's own connection, with rights that no service has: it waits for a Redis that comes back."""
    retry = Retry(ConstantBackoff(0.1), 100)
    async with Redis.from_url(url, username=HARNESS, password=password, socket_timeout=5, retry=retry) as redis:
        yield redis
