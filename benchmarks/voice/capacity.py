"""What a call costs: memory and processor time with so many calls at once, each guest asking as soon as it may."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import statistics

import msgspec

from benchmarks.voice import processes
from benchmarks.voice.guest import CallGuest, on_the_line
from benchmarks.voice.plan import QUESTIONS, Plan, Side
from benchmarks.voice.processes import Process
from benchmarks.voice.stack import VoiceStack
from deploy.call.guest import CallFailed

_SETTLE_S = 2.0


class Load(msgspec.Struct, frozen=True):
    """One side with so many calls. Megabytes of unique set size; processor time as per cent of one core."""

    side: Side
    calls: int
    call_mb: float
    """Median of the processes that hold a call."""
    base_mb: float
    """All else of that side: the server, its fork server, the process that stands ready; ours, Redis and the brain."""
    call_cpu: float
    """Of one call's process, the mean."""
    base_cpu: float
    livekit_cpu: float
    first_audio_ms: float
    """Median while it lasted; 0: no answer ended within the time."""
    turns: int
    failed: int


class _Guests:
    """Guests who keep asking. What they measure is kept until it is taken."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()
        self.first_audio_ms: list[float] = []
        self.failed = 0

    async def talk(self, guest: CallGuest, first: int) -> None:
        for question in itertools.islice(itertools.cycle(QUESTIONS), first, None):
            if self._stopping.is_set():
                return
            try:
                asked = await guest.ask(question)
            except CallFailed:
                self.failed += 1
                continue
            self.first_audio_ms.append((asked.audio_s - asked.end_s) * 1000)

    def stop(self) -> None:
        self._stopping.set()


async def loads(stack: VoiceStack, side: Side, plan: Plan) -> list[Load]:
    """Every level, in order."""
    found: list[Load] = []
    async with contextlib.AsyncExitStack() as lines:
        guests: list[CallGuest] = []
        for calls in plan.loads:
            while len(guests) < calls:
                guests.append(await lines.enter_async_context(on_the_line(stack, side)))
            found.append(await _level(stack, side, guests, plan.load_s))
    return found


async def _level(stack: VoiceStack, side: Side, guests: list[CallGuest], seconds: float) -> Load:
    talk = _Guests()
    talking = [asyncio.create_task(talk.talk(guest, number)) for number, guest in enumerate(guests)]
    await asyncio.sleep(_SETTLE_S)
    before = _snapshot(stack, side)
    await asyncio.sleep(seconds)
    after = _snapshot(stack, side)
    talk.stop()
    await asyncio.gather(*talking)
    return load_of(side, len(guests), before, after, seconds, talk.first_audio_ms, talk.failed)


class Snapshot(msgspec.Struct, frozen=True):
    agents: list[Process]
    """The agent server's tree, itself first."""
    others: list[Process]
    """Ours: Redis and the brain."""
    livekit: Process | None


def _snapshot(stack: VoiceStack, side: Side) -> Snapshot:
    ours = side is Side.OURS
    server = stack.gateway if ours else stack.peer
    others = [*processes.tree(stack.brain.pid), *processes.tree(stack.redis.pid)] if ours else []
    return Snapshot(processes.tree(server.pid), others, processes.look(stack.livekit.pid))


def load_of(
    side: Side,
    calls: int,
    before: Snapshot,
    after: Snapshot,
    seconds: float,
    first_audio_ms: list[float],
    failed: int,
) -> Load:
    """Figures of a level. A process that holds a call is larger than any that waits for one."""
    holding = sorted(after.agents[1:], key=lambda process: process.uss_mb)[-calls:]
    pids = {process.pid for process in holding}
    rest = [process for process in [*after.agents, *after.others] if process.pid not in pids]
    was = {process.pid: process.cpu_s for process in [*before.agents, *before.others]}

    def cpu(found: list[Process]) -> float:
        return sum(process.cpu_s - was.get(process.pid, 0.0) for process in found) / seconds * 100

    livekit = after.livekit.cpu_s - before.livekit.cpu_s if before.livekit and after.livekit else 0.0
    return Load(
        side=side,
        calls=calls,
        call_mb=statistics.median(process.uss_mb for process in holding),
        base_mb=sum(process.uss_mb for process in rest),
        call_cpu=cpu(holding) / calls,
        base_cpu=cpu(rest),
        livekit_cpu=livekit / seconds * 100,
        first_audio_ms=statistics.median(first_audio_ms) if first_audio_ms else 0.0,
        turns=len(first_audio_ms),
        failed=failed,
    )
