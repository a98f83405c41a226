"""The hand that breaks things: kills and stops processes of the stack, drops connections, makes Redis forget."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
from typing import Any

from redis.exceptions import RedisError

from deploy.local.process import State
from deploy.local.stack import Stack
from tests.chaos.aim import Aim, Hit, Place
from tests.chaos.guests import pause
from tests.chaos.ledger import Fault, Ledger
from tests.chaos.transcript import Transcript

_LOOK_S = 0.02
_AIM_S = 6.0
"""How long the hand waits for a brain to be where it shall be killed."""


class Roll:
    """Which worker a brain process is: its first line of log tells. Give `hear` to the stack as its sink."""

    def __init__(self) -> None:
        self.workers: dict[str, str] = {}

    def hear(self, name: str, line: str) -> None:
        if name.startswith("brain-") and '"brain ready"' in line:
            self.workers[name] = json.loads(line)["worker_id"]


class Hand:
    """Each method does one fault and puts it into the ledger; False when it could not be done in time."""

    def __init__(
        self,
        stack: Stack,
        roll: Roll,
        redis: Any,
        aim: Aim,
        ledger: Ledger,
        transcript: Transcript,
        rng: random.Random,
        over: asyncio.Event,
    ) -> None:
        self._stack, self._roll, self._redis, self._aim = stack, roll, redis, aim
        self._ledger, self._transcript, self._rng, self._over = ledger, transcript, rng, over

    async def kill_brain(self, wanted: Place | None, *, others: int = 2) -> bool:
        """Kill a brain that is at a wanted place (None: anywhere), with so many others alive."""
        clock = asyncio.get_running_loop().time
        until = clock() + _AIM_S
        while clock() < until and not self._over.is_set():
            alive = self._alive()
            self._rng.shuffle(alive)
            if len(alive) > others:
                for brain in alive:
                    if await self._kill_if_at(brain, wanted, len(alive) - 1):
                        return True
            await pause(self._over, _LOOK_S)
        return False

    async def _kill_if_at(self, brain: str, wanted: Place | None, others: int) -> bool:
        if wanted and not _among(wanted, await self._look(brain)):
            return False
        process = self._stack.process(brain)
        process.signal(signal.SIGSTOP)
        at = self._transcript.now()
        hits = await self._look(brain)
        if wanted and not _among(wanted, hits):  # it went on meanwhile
            process.signal(signal.SIGCONT)
            return False
        self._roll.workers.pop(brain, None)
        process.signal(signal.SIGKILL)
        self._ledger.add(Fault(at, "kill -9", brain, tuple(hits), others))
        return True

    async def stop_brain(self, seconds: float) -> bool:
        """SIGSTOP a brain with a reply mid-stream, and let it go on when its turns are another's."""
        for brain in self._alive():
            if _among(Place.MID_STREAM, await self._look(brain)):
                self._stack.process(brain).signal(signal.SIGSTOP)
                self._ledger.add(Fault(self._transcript.now(), "SIGSTOP", brain))
                await pause(self._over, seconds)
                self._stack.process(brain).signal(signal.SIGCONT)
                return True
        return False

    async def kill(self, name: str) -> bool:
        """kill -9 of any process; the launcher starts it again."""
        done = self._stack.process(name).signal(signal.SIGKILL)
        if done:
            self._ledger.add(Fault(self._transcript.now(), "kill -9", name))
        return done

    async def freeze(self, name: str, seconds: float) -> bool:
        """SIGSTOP and SIGCONT of any process."""
        process = self._stack.process(name)
        if not process.signal(signal.SIGSTOP):
            return False
        self._ledger.add(Fault(self._transcript.now(), "SIGSTOP", name))
        await pause(self._over, seconds)
        process.signal(signal.SIGCONT)
        return True

    async def drop_connections(self) -> bool:
        """Every connection to Redis but this one is closed by the server."""
        return await self._tell("dropped connections", "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    async def forget_scripts(self) -> bool:
        return await self._tell("SCRIPT FLUSH", "SCRIPT", "FLUSH")

    async def rolling_restart(self) -> bool:
        """SIGTERM to every brain, one after the other, as a deployment does."""
        for brain in self._alive():
            self._ledger.add(Fault(self._transcript.now(), "SIGTERM", brain))
            self._roll.workers.pop(brain, None)
            self._stack.process(brain).signal(signal.SIGTERM)
            while brain not in self._roll.workers and not self._over.is_set():
                await pause(self._over, 0.1)
        return True

    def _alive(self) -> list[str]:
        """Brains that run, have been ready and have told who they are."""
        begun = {row.name for row in self._stack.rows() if row.state in (State.READY, State.UNREADY)}
        return sorted(begun & self._roll.workers.keys())

    async def _look(self, brain: str) -> list[Hit]:
        worker = self._roll.workers.get(brain)
        with contextlib.suppress(RedisError, OSError):
            return await self._aim.look(worker) if worker else []
        return []

    async def _tell(self, fault: str, *command: str) -> bool:
        try:
            await self._redis.execute_command(*command)
        except (RedisError, OSError):
            return False
        self._ledger.add(Fault(self._transcript.now(), fault, "redis"))
        return True


def _among(wanted: Place, hits: list[Hit]) -> bool:
    return any(hit.place is wanted for hit in hits)
