"""Turns per second with every slot of 1, 2 and 4 brains taken: interleaved, in one run, on one stack."""

from __future__ import annotations

import asyncio
import enum
import random
import statistics
import time
from collections.abc import Callable, Sequence

import msgspec

from benchmarks.figures import Spread
from benchmarks.scale.book import Asked
from benchmarks.scale.guests import Guests, turn_s
from benchmarks.scale.plan import Plan
from benchmarks.scale.running import Running
from benchmarks.scale.usage import Cores, cores_between
from services.brain.settings import BrainSettings

SLOTS = int(BrainSettings.model_fields["slots"].default)
"""Turns at once of one brain, as shipped."""
MODEL_SHARE, MACHINE_SHARE, OTHERS_SHARE = 0.85, 0.9, 0.1
"""What counts as the bound: so much of what the model allows, or of the machine's cores; unless others had so much of
them."""


class Bound(enum.StrEnum):
    MODEL = "the model"
    MACHINE = "the machine"
    OTHERS = "other work"
    BOTH = "both"
    NEITHER = "neither"


class Phase(msgspec.Struct, frozen=True):
    """One measurement."""

    repetition: int
    brains: int
    guests: int
    per_s: float
    seconds_p50: float
    """From question to last word, waiting for a slot included."""
    tokens: float
    """Of an answer, median."""
    cores: Cores


class Row(msgspec.Struct, frozen=True):
    """All measurements with so many brains."""

    brains: int
    per_s: Spread
    times: float
    """Of what the fewest brains answered: medians."""
    model_per_s: float
    """What the model allows: slots by the time that it takes for an answer."""
    busy: Spread
    others: Spread
    cores: dict[str, float]
    """Medians, by process."""
    bound: Bound


async def measure(
    stack: Running, guests: Guests, plan: Plan, cores: int, seed: int, say: Callable[[str], None]
) -> list[Phase]:
    """Every number of brains once per repetition, in an order of its own."""
    phases: list[Phase] = []
    dice = random.Random(seed)
    for repetition in range(1, plan.repetitions + 1):
        order = list(plan.brains)
        dice.shuffle(order)
        for brains in order:
            await stack.scale(brains)
            phase = await _phase(stack, guests, plan, repetition, brains)
            phases.append(phase)
            say(
                f"round {repetition} of {plan.repetitions}, {brains} brains: {phase.per_s:.1f} turns/s, "
                f"{phase.cores.busy:.2f} of {cores} cores busy, {phase.cores.others:.2f} with other work"
            )
    return phases


async def _phase(stack: Running, guests: Guests, plan: Plan, repetition: int, brains: int) -> Phase:
    asking = round(SLOTS * brains * plan.guests_per_slot)
    over = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(guests.fill(asking, over))
        await asyncio.sleep(turn_s(plan) + plan.warm_s)
        start, before = time.time(), stack.usage()
        await asyncio.sleep(plan.window_s)
        end, after = time.time(), stack.usage()
        over.set()
    done = [one for one in guests.book if start <= one.answered < end]
    return Phase(
        repetition,
        brains,
        asking,
        per_s=len(done) / (end - start),
        seconds_p50=statistics.median(one.answered - one.at for one in done) if done else 0.0,
        tokens=_tokens(done),
        cores=cores_between(before, after),
    )


def rows_of(phases: Sequence[Phase], plan: Plan, cores: int) -> list[Row]:
    """By number of brains."""
    found = []
    base = 0.0
    for brains in sorted({phase.brains for phase in phases}):
        some = [phase for phase in phases if phase.brains == brains]
        per_s = Spread.of(phase.per_s for phase in some)
        busy = Spread.of(phase.cores.busy for phase in some)
        base = base or per_s.median
        others = Spread.of(phase.cores.others for phase in some)
        allowed = SLOTS * brains / turn_s(plan, round(statistics.median(phase.tokens for phase in some)))
        names = some[0].cores.by_name
        found.append(
            Row(
                brains,
                per_s,
                per_s.median / base if base else 0.0,
                allowed,
                busy,
                others,
                {name: statistics.median(phase.cores.by_name.get(name, 0.0) for phase in some) for name in names},
                bound_of(per_s.median / allowed, busy.median / cores, others.median / cores),
            )
        )
    return found


def bound_of(of_model: float, of_machine: float, of_others: float) -> Bound:
    """What keeps it from answering more, from the shares of both that are used up, and of what others used."""
    model, machine = of_model >= MODEL_SHARE, of_machine >= MACHINE_SHARE
    if machine and not model and of_others >= OTHERS_SHARE:
        return Bound.OTHERS
    if model and machine:
        return Bound.BOTH
    return Bound.MODEL if model else Bound.MACHINE if machine else Bound.NEITHER


def _tokens(done: Sequence[Asked]) -> float:
    return statistics.median(len(one.text.split()) for one in done) if done else 0.0
