"""The peer: a LiveKit agent that answers in its own process, through livekit-plugins-langchain's `LLMAdapter`.

`python -m benchmarks.voice.peer DIRECTORY`: an agent server with one warm process, as our gateway has one; the address
and keys of LiveKit from the environment, hotels in DIRECTORY. A job's metadata says which session options it takes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys

from livekit.agents import AgentServer, JobRequest

from benchmarks.voice.peer_job import DIRECTORY, entry, prewarm
from benchmarks.voice.plan import PEER_AGENT

_PRELOAD = ["benchmarks.voice.peer_job", "sqlalchemy.dialects.sqlite.aiosqlite", "aiosqlite"]
"""All that a call's process would otherwise import for itself: it is shared, as with ours."""


async def _accept(request: JobRequest) -> None:
    await request.accept(name="Peer", identity=f"peer-{request.id}")


async def main(directory: str) -> None:
    """Serve until SIGTERM."""
    os.environ[DIRECTORY] = directory
    server = AgentServer(
        host="127.0.0.1",
        port=0,
        num_idle_processes=1,
        load_fnc=lambda: 0.0,
        setup_fnc=prewarm,
        preload_modules=_PRELOAD,
    )
    server.rtc_session(entry, agent_name=PEER_AGENT, on_request=_accept)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    running = asyncio.create_task(server.run())
    ending = asyncio.create_task(stopping.wait())
    await asyncio.wait([running, ending], return_when=asyncio.FIRST_COMPLETED)
    await server.aclose()
    running.cancel()
    ending.cancel()
    await asyncio.gather(running, ending, return_exceptions=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(main(sys.argv[1]))
