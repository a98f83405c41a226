"""One that was ready is looked at from then on: `make ps` says what it can do now, not what it could at its start."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from deploy.local.leash import Leash
from deploy.local.process import Spec, State, Supervised

OFTEN = 20
WAITS = "import signal; signal.pause()"


class Health:
    """What the process says of itself, and what the launcher made of it."""

    def __init__(self) -> None:
        self.well = False
        self.looks = 0
        self.looked_often = asyncio.Event()
        self.seen: list[State] = []

    async def probe(self) -> bool:
        self.looks += 1
        if self.looks == OFTEN:
            self.looked_often.set()
        return self.well


async def test_one_that_cannot_work_any_more_is_told_and_so_is_its_return(tmp_path: Path) -> None:
    health, leash, changed = Health(), Leash(), asyncio.Event()
    argv = [sys.executable, "-I", "-S", "-c", WAITS]
    spec = Spec(name="one", argv=argv, env={"PATH": os.defpath}, cwd=tmp_path, probe=health.probe, watch_s=0.01)

    def on_change() -> None:
        health.seen.append(process.state)
        changed.set()

    async def until(state: State) -> None:
        async with asyncio.timeout(20):
            while process.state is not state:
                await changed.wait()
                changed.clear()

    process = Supervised(spec, leash=leash, sink=lambda *_: None, on_change=on_change)
    process.start()
    try:
        for well, state in ((True, State.READY), (False, State.UNREADY), (True, State.READY)):
            health.well = well
            await until(state)
        async with asyncio.timeout(20):
            await health.looked_often.wait()  # a look that finds nothing new tells nobody anything
    finally:
        await process.stop()
        await asyncio.to_thread(leash.close)

    assert health.seen == [State.STARTING, State.READY, State.UNREADY, State.READY, State.STOPPED]
    assert process.deaths == 0
