"""A brain in a process of its own, which can be killed: `python -m tests.bus.support.brain_process URL NAME KIND`.

KIND: `echo` says the message again, `dies` exits hard as soon as it has said a word, `dies-silently` before that.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from libs.bus.bus import Bus
from libs.bus.handler import Done, Handler, Turn
from libs.bus.run import Run
from libs.bus.settings import BusSettings
from libs.bus.worker import Worker
from tests.bus.support.handlers import echo


async def dies(turn: Turn) -> AsyncGenerator[str | Done, None]:
    """Poison: whoever answers this is gone."""
    if turn.message.text != "poison":
        async for step in echo(turn):
            yield step
        return
    yield f"{turn.grant.attempt} "
    assert isinstance(turn, Run)
    while await turn.draft.landed() < turn.offset:  # the word leaves first; a run that was fenced is cancelled here
        pass
    os._exit(9)


async def dies_silently(turn: Turn) -> AsyncGenerator[str | Done, None]:
    """As `dies`, with nothing said."""
    if turn.message.text == "poison":
        os._exit(9)
    async for step in echo(turn):
        yield step


HANDLERS: dict[str, Handler] = {"echo": echo, "dies": dies, "dies-silently": dies_silently}


async def serve(url: str, name: str, kind: str) -> None:
    settings = BusSettings(redis_url=SecretStr(url))
    async with Bus(settings, name=name) as bus:
        await Worker(bus, name, HANDLERS[kind], slots=4).start()
        await asyncio.Event().wait()


@contextmanager
def brain_process(url: str, name: str, kind: str, **settings: int) -> Iterator[subprocess.Popen[bytes]]:
    """Such a process, until the block ends. `settings` of the bus, such as lease_ms."""
    env = {**os.environ, **{f"BOTEL_BUS_{key.upper()}": str(value) for key, value in settings.items()}}
    command = [sys.executable, "-m", "tests.bus.support.brain_process", url, name, kind]
    process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:4]))
