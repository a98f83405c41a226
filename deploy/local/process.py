"""One supervised process: started, watched, restarted with back-off when it dies, ended with everything it started."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.leash import Leash, signal_group

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 10.0
SETTLED_S = 30.0
"""A process that ran this long begins again with the shortest pause."""
POLL_S = 0.05
WATCH_S = 5.0
"""Between two looks at one that is ready."""
UNREADY_POLL_S = 0.5
"""And at one that was."""
LINE_BYTES = 65_536
TAIL_LINES = 20

Sink = Callable[[str, str], None]
"""Takes the process's name and one line of its output."""
Probe = Callable[[], Awaitable[bool]]
"""Whether the process can do its work now."""


class State(enum.StrEnum):
    STARTING = "starting"
    READY = "ready"
    UNREADY = "not ready"
    """It runs, was ready, and says now that it cannot do its work."""
    WAITING = "waiting"
    """Died; is started again after a pause."""
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What to run. `env` is the whole environment of the process."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    probe: Probe
    port: int = 0
    grace_s: float = 20.0
    """From SIGTERM to SIGKILL: longer than the service's own drain."""
    longest_pause_s: float = LONGEST_PAUSE_S
    """Before it is started again, however often it has died."""
    watch_s: float = WATCH_S


@dataclass
class Output:
    """The last lines of a process, for the message when it does not start."""

    sink: Sink
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))

    def line(self, name: str, text: str) -> None:
        self.tail.append(text)
        self.sink(name, text)


class Supervised:
    """A process that is kept running until `stop`."""

    def __init__(self, spec: Spec, *, leash: Leash, sink: Sink, on_change: Callable[[], None] = lambda: None) -> None:
        self.spec = spec
        self.state = State.STOPPED
        self.pid = 0
        self.deaths = 0
        """Ends that nobody asked for."""
        self.ready = asyncio.Event()
        """Set when it has been ready once; `state` says whether it is now."""
        self.never_ready = asyncio.Event()
        """Set when it has died three times without ever having been ready."""
        self.output = Output(sink)
        self._leash = leash
        self._on_change = on_change
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep_running(), name=f"supervise {self.spec.name}")

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL to all of it after the grace; returns when nothing of it is left.

        Only the process itself is asked: what it started is its own to end. A gateway's calls go on while it drains.
        """
        self._stopping.set()
        if self._task is None:
            return
        self._ask_to_end()
        try:
            async with asyncio.timeout(self.spec.grace_s):
                await asyncio.shield(self._task)
        except TimeoutError:
            self.output.line(self.spec.name, f"launcher: still there after {self.spec.grace_s:g} s, killed")
            self.signal(signal.SIGKILL)
            await self._task

    def signal(self, number: int) -> bool:
        """Send a signal to the process and all that it started; False when it does not run."""
        return bool(self.pid) and signal_group(self.pid, number)

    def _ask_to_end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self.pid:
                os.kill(self.pid, signal.SIGTERM)

    async def _keep_running(self) -> None:
        pause = 0.0
        clock = asyncio.get_running_loop().time
        while not self._stopping.is_set():
            began = clock()
            code = await self._run_once()
            if self._stopping.is_set():
                break
            self.deaths += 1
            if self.deaths >= 3 and not self.ready.is_set():
                self.never_ready.set()
            pause = min(next_pause_s(pause, lived_s=clock() - began), self.spec.longest_pause_s)
            self.output.line(self.spec.name, f"launcher: {_ended(code)}, starts again in {pause:g} s")
            self._set(State.WAITING)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
        self._set(State.STOPPED)

    async def _run_once(self) -> int:
        """One life of the process; its exit code, negative for a signal."""
        self._set(State.STARTING)
        # A pipe of our own: asyncio's would make wait() wait for grandchildren that hold it open.
        read_end, write_end = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *self.spec.argv,
                env=dict(self.spec.env),
                cwd=self.spec.cwd,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                start_new_session=True,
            )
        except OSError as error:
            os.close(read_end)
            self.output.line(self.spec.name, f"launcher: {self.spec.argv[0]}: {error.strerror}")
            return 127
        finally:
            os.close(write_end)
        self.pid = process.pid
        self._leash.add(process.pid)
        pump = asyncio.create_task(self._pump(read_end))
        probing = asyncio.create_task(self._watch())
        if self._stopping.is_set():
            self._ask_to_end()
        try:
            return await process.wait()
        finally:
            probing.cancel()
            signal_group(process.pid, signal.SIGKILL)
            self.pid = 0
            self._leash.remove(process.pid)
            await asyncio.wait([pump, probing], timeout=1.0)
            pump.cancel()

    async def _watch(self) -> None:
        """Ready as soon as it says so; looked at from then on, now and then."""
        was_ready = False
        while True:
            ready = await self.spec.probe()
            if ready and self.state is not State.READY:
                self.ready.set()
                self._set(State.READY)
            elif not ready and self.state is State.READY:
                self._set(State.UNREADY)
            was_ready = was_ready or ready
            pause_s = self.spec.watch_s if ready else min(self.spec.watch_s, UNREADY_POLL_S)
            await asyncio.sleep(pause_s if was_ready else POLL_S)

    async def _pump(self, read_end: int) -> None:
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", buffering=0)
        )
        left = b""
        try:
            while data := await reader.read(LINE_BYTES):
                *lines, left = (left + data).split(b"\n")
                if len(left) > LINE_BYTES:
                    lines, left = [*lines, left], b""
                for line in lines:
                    self.output.line(self.spec.name, line.decode(errors="replace"))
        finally:
            if left:
                self.output.line(self.spec.name, left.decode(errors="replace"))
            transport.close()

    def _set(self, state: State) -> None:
        self.state = state
        self._on_change()


def next_pause_s(previous_s: float, *, lived_s: float) -> float:
    """How long to wait before the next start, after a wait of `previous_s` (0: none) and this long a life."""
    if not previous_s or lived_s > SETTLED_S:
        return FIRST_PAUSE_S
    return min(previous_s * 2, LONGEST_PAUSE_S)


def _ended(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
