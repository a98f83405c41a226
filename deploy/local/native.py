"""Runs the native stack until a signal ends it: `make local` in the foreground, `make up` in the background."""

from __future__ import annotations

import asyncio
import logging
import logging.handlers
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from deploy.local.process import Sink
from deploy.local.redis_server import find_redis
from deploy.local.rooms import plan_rooms
from deploy.local.services import SERVICES, Service
from deploy.local.stack import DEFAULT_REDIS_PORT, Stack
from deploy.local.state import Files, RowState, ports_of
from deploy.observe.beside import PROMETHEUS, Plan, plan_prometheus, tell

LOG_BYTES = 20_000_000
COLOURS = (36, 32, 33, 35, 34, 96, 92, 93)


async def run(
    directory: Path,
    env: Mapping[str, str],
    *,
    brains: int,
    free_ports: bool,
    background: bool,
    services: Sequence[Service] = SERVICES,
) -> None:
    """Hold the lock, run the stack, answer SIGUSR1 (scale), end on SIGTERM or SIGINT; on a second one at once.

    Raises `AlreadyRunning`, `NoRedis`, `StartFailed` or ValueError (a setting that is none).
    """
    files = Files(directory)
    rooms = plan_rooms(services, env, directory)
    redis = env.get("REDIS_URL") or find_redis(env)
    text = {"BOTEL_LOG_FORMAT": "text"} if not background and sys.stdout.isatty() else {}
    with files.held():
        watch = plan_prometheus(rooms.services, env, directory)
        services = watch.services
        ports = {} if free_ports else _ports(services, env)
        stack = Stack(
            directory,
            env={**text, **env},
            redis=redis,
            brains=brains,
            ports=ports,
            services=services,
            sink=file_sink(files.log) if background else terminal_sink(sys.stdout),
            on_change=lambda: launcher.publish(),
        )
        launcher = Launcher(stack, files, "yours" if isinstance(redis, str) else str(redis), rooms.told, watch)
        await launcher.run()


def _ports(services: Sequence[Service], env: Mapping[str, str]) -> dict[str, int]:
    """Those that a setting or the table names."""
    names = {service.port_name: service.port for service in services if service.port_name}
    named = {name: port for name, port in names.items() if port or env.get(f"BOTEL_{name}_PORT")}
    return ports_of(env, {**named, "REDIS": DEFAULT_REDIS_PORT})


class Launcher:
    """Ties a stack to signals and to its files."""

    def __init__(self, stack: Stack, files: Files, redis: str, rooms: str, watch: Plan) -> None:
        self._stack = stack
        self._files = files
        self._redis = redis
        self._rooms = rooms
        self._watch = watch
        self._ready = False
        self._error = ""
        self._scaling: set[asyncio.Task[None]] = set()
        self._ending = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGUSR1, self._scale)
        print(f"redis: {self._redis}\nrooms: {self._rooms}", flush=True)
        starting = asyncio.create_task(self._stack.__aenter__())
        ending = asyncio.create_task(self._ending.wait())
        try:
            await asyncio.wait([starting, ending], return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting
                self._ready = True
                self.publish()
                print(f"prometheus: {self._prometheus()}\nready {self._stack.text_url}", flush=True)
                await ending
        finally:
            ending.cancel()
            starting.cancel()
            await asyncio.wait([starting])
            await self._stack.stop()

    def publish(self) -> None:
        """Write the state file, and tell Prometheus what runs."""
        known = self._stack.rows()
        if self._watch.planned:
            tell(self._files.directory, known)
        rows = [RowState(name=r.name, state=r.state, pid=r.pid, port=r.port, deaths=r.deaths) for r in known]
        self._files.write(
            {
                "pid": os.getpid(),
                "ready": self._ready,
                "redis": self._redis,
                "rooms": self._rooms,
                "prometheus": self._prometheus(),
                "text_url": self._stack.text_url,
                "rows": rows,
                "error": self._error,
            }
        )

    def _prometheus(self) -> str:
        return f"{self._stack.url(PROMETHEUS)} ({self._watch.told})" if self._watch.planned else self._watch.told

    def _end(self) -> None:
        if self._ending.is_set():
            self._stack.kill()
        else:
            print("ending; once more ends at once", flush=True)
            self._ending.set()

    def _scale(self) -> None:
        task = asyncio.create_task(self._scale_to())
        self._scaling.add(task)
        task.add_done_callback(self._scaling.discard)

    async def _scale_to(self) -> None:
        self._error = ""
        try:
            await self._stack.scale(self._files.wanted_brains())
        except (ValueError, OSError, RuntimeError) as error:
            self._error = str(error)
        self.publish()


def terminal_sink(out: TextIO) -> Sink:
    """Lines with the process's name in front, coloured on a terminal."""
    colours: dict[str, int] = {}

    def sink(name: str, line: str) -> None:
        head = f"{name:<14} | "
        if out.isatty():
            colour = colours.setdefault(name, COLOURS[len(colours) % len(COLOURS)])
            head = f"\x1b[{colour}m{head}\x1b[0m"
        print(head + line, file=out, flush=True)

    return sink


def file_sink(path: Path) -> Sink:
    """Lines into a file that is turned over before it fills the disk."""
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=2)

    def sink(name: str, line: str) -> None:
        handler.emit(logging.makeLogRecord({"msg": "%s | %s", "args": (f"{name:<14}", line)}))

    return sink
