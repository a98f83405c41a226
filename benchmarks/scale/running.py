"""The stack that `make up` starts natively, in a directory of its own, commanded as operators command it.

`python -m benchmarks.scale.running DIRECTORY` is its launcher: the same as of `make up`, on free ports, without `.env`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.scale.plan import KEY, Plan
from benchmarks.scale.usage import Usage, usage_of
from deploy.local import background, native
from deploy.local.env import without_settings
from deploy.local.state import Files, RowState

ROOT = Path(__file__).resolve().parents[2]
_KEPT = ("BOTEL_REDIS_SERVER", "BOTEL_PROMETHEUS")


class ScaleFailed(RuntimeError):
    """`make scale` did not do it; the text is what it said."""


class Running:
    """A stack that is up."""

    def __init__(self, files: Files, env: dict[str, str]) -> None:
        self._files, self._env = files, env

    @property
    def text_url(self) -> str:
        return self._url("text_gateway")

    @property
    def store_url(self) -> str:
        return self._url("context_store")

    @property
    def prometheus_url(self) -> str:
        return self._url("prometheus")

    async def scale(self, brains: int) -> None:
        """What `make scale N=...` does; returns when it has been done."""
        command = [sys.executable, "-m", "deploy.local", "scale", str(brains)]
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=self._env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await process.communicate()
        if process.returncode:
            raise ScaleFailed(said.decode(errors="replace").strip())

    def usage(self) -> Usage:
        """Processor time so far of its processes, by what they are, and of the whole machine."""
        return usage_of({row["name"]: row["pid"] for row in self._rows() if row["pid"]})

    def _url(self, name: str) -> str:
        return next(f"http://127.0.0.1:{row['port']}" for row in self._rows() if row["name"] == name)

    def _rows(self) -> list[RowState]:
        state = self._files.running()
        assert state, "the stack has ended"
        return state["rows"]


@contextlib.asynccontextmanager
async def running(directory: Path, plan: Plan) -> AsyncIterator[Running]:
    """One brain, with the plan's model. Everything is ended at the end, and nothing but the directory is left."""
    env = {
        **without_settings(os.environ),
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "BOTEL_API_KEY": KEY,
        "BOTEL_VAR": str(directory),
        "BOTEL_STACK": "native",
        "BOTEL_LIVEKIT_SERVER": "off",
        "BRAIN_OFFLINE_FIRST_TOKEN_S": str(plan.first_token_s),
        "BRAIN_OFFLINE_TOKEN_S": str(1 / plan.tokens_per_s),
    }
    files = Files(directory)
    command = [sys.executable, "-m", "benchmarks.scale.running", str(directory)]
    await asyncio.to_thread(background.start, files, ROOT, env, command)
    try:
        yield Running(files, env)
    finally:
        await asyncio.shield(asyncio.to_thread(background.stop, files))


if __name__ == "__main__":
    asyncio.run(native.run(Path(sys.argv[1]), os.environ, brains=1, free_ports=True, background=True))
