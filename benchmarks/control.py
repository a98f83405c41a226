"""How the bench talks to its processes: a JSON line in, a JSON line out. A process ends when its input does.

A process prints `null` when it is ready, and answers one command at a time.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any

import msgspec

from libs.process import settle

_LIMIT = 64 * 1024 * 1024
"""Bytes of one line: a result may hold the latency of every turn."""
_GRACE_S = 10.0

Commands = Mapping[str, Callable[..., Awaitable[Any]]]


async def serve(commands: Commands) -> None:
    """Answer commands from standard input until it closes. `cpu` is there without asking."""
    reader = asyncio.StreamReader(limit=_LIMIT)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    known = {"cpu": _cpu, **commands}
    settle()
    _print(None)
    while line := await reader.readline():
        request = msgspec.json.decode(line)
        _print(await known[request["do"]](**request["with"]))


async def _cpu() -> float:
    """Processor seconds of this process so far."""
    return time.process_time()


def _print(result: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
    sys.stdout.buffer.flush()


class Child:
    """A process of the bench, seen from its parent. Use as `async with Child("benchmarks.brain", url) as brain`."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._module, self._command = module, [sys.executable, "-m", module, *arguments]
        self._process: asyncio.subprocess.Process | None = None

    async def ask(self, do: str, **arguments: object) -> Any:
        """The command's result. `RuntimeError` when the process died of it; its traceback is on standard error."""
        assert self._process, "not started"
        assert self._process.stdin
        self._process.stdin.write(msgspec.json.encode({"do": do, "with": arguments}) + b"\n")
        return await self._answer()

    async def _answer(self) -> Any:
        assert self._process
        assert self._process.stdout
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._module} ended with {await self._process.wait()}")
        return msgspec.json.decode(line)

    async def __aenter__(self) -> Child:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(*self._command, stdin=pipe, stdout=pipe, limit=_LIMIT)
        await self._answer()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process
        assert self._process.stdin
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _GRACE_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
