"""The phases of a run: calm, faults of processes, faults of Redis, and quiet again."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Iterator

from tests.chaos.aim import Place
from tests.chaos.callers import Caller
from tests.chaos.guests import SCRIPT, Guest, Line, pause
from tests.chaos.hand import Hand
from tests.chaos.ledger import Ledger
from tests.chaos.plan import Plan
from tests.chaos.transcript import Transcript

Fault = Callable[[], Awaitable[bool]]
_SIDE = 6
"""A fault of something else than a brain after so many kills."""


class Crowd:
    """So many guests at once, each replaced by the next when done, until told to end."""

    def __init__(
        self, names: Iterator[str], make: Callable[[str], Guest], call: Callable[[str], Caller], rng: random.Random
    ) -> None:
        self._names, self._make, self._call, self._rng = names, make, call, rng
        self._closing = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, guests: int, callers: int) -> None:
        self._tasks = [asyncio.create_task(self._write(), name=f"guest {at}") for at in range(guests)]
        self._tasks += [asyncio.create_task(self._phone(), name=f"caller {at}") for at in range(callers)]

    async def finish(self) -> None:
        """No new guest; those who are there play to their end."""
        self._closing.set()
        await asyncio.gather(*self._tasks)

    async def _write(self) -> None:
        while not self._closing.is_set():
            await self._make(next(self._names)).play(self._script())

    async def _phone(self) -> None:
        while not self._closing.is_set():
            await self._call(next(self._names)).play()

    def _script(self) -> tuple[Line, ...]:
        """Now and then one turn is withdrawn: never one of the booking."""
        if self._rng.random() > 0.15:
            return SCRIPT
        at = self._rng.choice((0, 3))
        return (*SCRIPT[:at], Line(SCRIPT[at].text, withdraw=True), *SCRIPT[at + 1 :])


async def process_faults(plan: Plan, hand: Hand, ledger: Ledger, transcript: Transcript, over: asyncio.Event) -> None:
    """Kill brains where the plan wants it, and now and then something else, until every quota is met."""
    side = itertools.cycle(_side_faults(hand))
    places = itertools.cycle((Place.MID_STREAM,) * 5 + (Place.BEFORE, Place.AFTER))
    while not over.is_set():
        kills = len(ledger.kills)
        turns = len({record["turn"] for record in transcript.of("turn")})
        if kills >= plan.kills and turns >= plan.turns and not any(_wanting(plan, ledger).values()):
            if ledger.zombies >= plan.zombies:
                return
            await hand.stop_brain(2.5)
            continue
        await hand.kill_brain(_next_place(plan, ledger, next(places)), others=plan.others)
        if kills % _SIDE == _SIDE - 1:
            await next(side)()


def _next_place(plan: Plan, ledger: Ledger, wanted: Place) -> Place | None:
    """What is still to be shown; then anywhere."""
    return wanted if _wanting(plan, ledger)[wanted] else None


def _wanting(plan: Plan, ledger: Ledger) -> dict[Place, bool]:
    """Places of which the plan wants more kills."""
    quotas = {Place.MID_STREAM: plan.mid_stream, Place.BEFORE: plan.in_effect // 2, Place.AFTER: plan.in_effect // 2}
    return {place: ledger.killed_at(place) < quota for place, quota in quotas.items()}


def _side_faults(hand: Hand) -> tuple[Fault, ...]:
    return (
        lambda: hand.stop_brain(3.0),
        lambda: hand.kill("text_gateway"),
        lambda: hand.kill("context_store"),
        lambda: hand.stop_brain(2.0),
        lambda: hand.kill("text_gateway-2"),
        lambda: hand.kill("voice_gateway"),
        lambda: hand.rolling_restart(),
        lambda: hand.freeze("context_store", 2.0),
        lambda: hand.freeze("text_gateway", 2.0),
    )


async def redis_faults(plan: Plan, hand: Hand, over: asyncio.Event) -> None:
    """Redis restarted with its append-only file, stalled, its connections dropped, its scripts forgotten."""
    faults: tuple[Fault, ...] = (
        lambda: hand.drop_connections(),
        lambda: hand.kill("redis"),
        lambda: hand.forget_scripts(),
        lambda: hand.freeze("redis", 1.5),
    )
    for fault in itertools.islice(itertools.cycle(faults), plan.redis_faults):
        if over.is_set():
            return
        await fault()
        await pause(over, 4.0)
