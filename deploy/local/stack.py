"""The native stack: Redis and the services, started in order, kept running, ended to the last process.

    async with Stack(directory, env={"BRAIN_MODEL": "offline"}) as stack:
        ...  # stack.text_url, stack.store_url, stack.redis_url

`make local` runs one with fixed ports in var/; the demo and the tests run theirs on free ports in a directory of their
own. It never reads the environment: the processes get `env` and what their table adds.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from deploy.local.env import API_KEY
from deploy.local.leash import Leash
from deploy.local.ports import HOST, free_ports, is_free
from deploy.local.probes import http_ready, redis_ready
from deploy.local.process import Sink, Spec, State, Supervised
from deploy.local.redis_server import RedisBinary, redis_command
from deploy.local.services import BRAIN, EVERY_PROCESS, REDIS, SERVERS_END, SERVICES, Service
from deploy.redis.passwords import PASSWORDS_FILE, USERS_FILE, Passwords, kept_passwords, url_of, write_users
from libs.bus.access import OPERATOR

ROOT = Path(__file__).resolve().parent.parent.parent
MAX_BRAINS = 64
DEFAULT_REDIS_PORT = 6390


class StartFailed(RuntimeError):
    """Something did not become ready; the text has its last lines."""


class Row(NamedTuple):
    name: str
    state: State
    pid: int
    port: int
    deaths: int


class Stack:
    """An async context manager. `ports` maps REDIS, TEXT, STORE, VOICE, LIVEKIT to a fixed port; else a free one."""

    def __init__(
        self,
        directory: Path,
        *,
        env: Mapping[str, str],
        redis: RedisBinary | str,
        brains: int = 2,
        ports: Mapping[str, int] | None = None,
        services: Sequence[Service] = SERVICES,
        durable: bool = True,
        sink: Sink | None = None,
        more_users: Sequence[str] = (),
        on_change: Callable[[], None] = lambda: None,
        start_s: float = 120.0,
    ) -> None:
        """`redis`: the server to start, or the URL of one that runs. `directory` holds the data and stack.log.

        A server that is started here knows the users of libs.bus.access, and those of `more_users`: lines of its
        users file, for tests that do to Redis what no service may.
        """
        self.directory = directory
        self._env = dict(env)
        self._redis = redis
        self._services = services
        self._wanted = {service.name: brains if service.name == BRAIN else 1 for service in services}
        self._fixed = dict(ports or {})
        self._durable = durable
        self._sink = sink or self._to_file
        self._more_users = tuple(more_users)
        self._passwords: Passwords = {}
        self._on_change = on_change
        self._start_s = start_s
        self._processes: dict[str, Supervised] = {}
        self._ends: dict[str, int] = {}
        self._ports: dict[str, int] = {}
        self._leash: Leash | None = None
        self._scaling = asyncio.Lock()

    @property
    def redis_url(self) -> str:
        """For the operator's tools."""
        return self.redis_url_of(OPERATOR.name)

    def redis_url_of(self, user: str) -> str:
        """With the user's password; without a user the bare address. A Redis of yours has one URL for all."""
        if isinstance(self._redis, str):
            return self._redis
        address = f"{HOST}:{self._ports['REDIS']}"
        return url_of(user, self._passwords, address) if user else f"redis://{address}/0"

    @property
    def text_url(self) -> str:
        return self.url("TEXT")

    @property
    def store_url(self) -> str:
        return self.url("STORE")

    @property
    def voice_url(self) -> str:
        return self.url("VOICE")

    def url(self, port_name: str) -> str:
        return f"http://{HOST}:{self._ports[port_name]}"

    def rows(self) -> list[Row]:
        """What runs, in the order of starting."""
        return [Row(p.spec.name, p.state, p.pid, p.spec.port, p.deaths) for p in self._processes.values()]

    def process(self, name: str) -> Supervised:
        """The process called so (`brain-2`, `redis`); KeyError when there is none."""
        return self._processes[name]

    async def __aenter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._choose_ports()
        self._leash = Leash()
        try:
            await self._start_all()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        await self.stop()

    async def stop(self) -> None:
        """End everything: gateways first, then brains with time to drain, Redis and LiveKit last."""
        for now in sorted(set(self._ends.values())):
            ending = [process for name, process in self._processes.items() if self._ends[name] == now]
            await asyncio.gather(*(process.stop() for process in ending))
        if self._leash:
            await asyncio.to_thread(self._leash.close)

    def kill(self) -> None:
        """SIGKILL to everything at once: for someone who does not want to wait. `stop` still has to be awaited."""
        for process in self._processes.values():
            process.signal(signal.SIGKILL)

    async def scale(self, brains: int) -> None:
        """Run this many brains; returns when they are ready, and those given up have drained and ended."""
        if not 0 <= brains <= MAX_BRAINS:
            raise ValueError(f"brains: 0 to {MAX_BRAINS}")
        async with self._scaling:
            service = next(service for service in self._services if service.name == BRAIN)
            have = [name for name in self._processes if name.startswith(f"{BRAIN}-")]
            surplus = [self._processes[name] for name in have[brains:]]
            started = [self._start(service, index) for index in range(len(have) + 1, brains + 1)]
            await asyncio.gather(self._all_ready(started), *(process.stop() for process in surplus))
            for process in surplus:
                del self._processes[process.spec.name]
            self._wanted[BRAIN] = brains
            self._on_change()

    def _choose_ports(self) -> None:
        names = [service.port_name for service in self._services if service.port_name]
        if not isinstance(self._redis, str):
            names.insert(0, "REDIS")
        for name, port in zip(names, free_ports(len(names)), strict=True):
            self._ports[name] = self._fixed.get(name) or port
            if self._fixed.get(name) and not is_free(self._ports[name]):
                raise StartFailed(f"port {self._ports[name]} is taken: choose another with BOTEL_{name}_PORT")

    async def _start_all(self) -> None:
        if not isinstance(self._redis, str):
            self._start_redis(self._redis)
            await self._all_ready([self._processes[REDIS]])
        for stage in sorted({service.stage for service in self._services}):
            started = [
                self._start(service, index)
                for service in self._services
                if service.stage == stage
                for index in range(1, self._wanted[service.name] + 1)
            ]
            await self._all_ready(started)

    def _start_redis(self, binary: RedisBinary) -> None:
        data = self.directory / "redis"
        data.mkdir(exist_ok=True)
        port = self._ports["REDIS"]
        self._passwords = kept_passwords(self.directory / PASSWORDS_FILE)
        write_users(data / USERS_FILE, self._passwords, more=self._more_users)
        argv = redis_command(
            binary, port=port, directory=data, durable=self._durable, users=(data / USERS_FILE).resolve()
        )
        env = {"PATH": os.defpath}
        probe = redis_ready(port, f"{OPERATOR.name} {self._passwords[OPERATOR.name][0]}")
        self._run(SERVERS_END, Spec(name=REDIS, argv=argv, env=env, cwd=data, probe=probe, port=port))

    def _start(self, service: Service, index: int) -> Supervised:
        port = self._ports[service.port_name] if service.port_name else free_ports(1)[0]
        places = {f"{name.lower()}_port": str(number) for name, number in self._ports.items()}
        places |= {"port": str(port), "index": str(index), "var": str(self.directory)}
        places["api_key"] = self._env.get(API_KEY, "")
        given = {key: _filled(value, places) for key, value in {**EVERY_PROCESS, **service.env}.items()}
        name = f"{service.name}-{index}" if service.name == BRAIN else service.name
        spec = Spec(
            name=name,
            argv=[_filled(part, places) for part in service.argv],
            env={**self._env, **given, "REDIS_URL": self.redis_url_of(service.redis_user)},
            cwd=ROOT,
            probe=http_ready(port, service.ready_path),
            port=port,
            grace_s=service.grace_s,
            longest_pause_s=service.longest_pause_s,
        )
        return self._run(service.ends, spec)

    def _run(self, ends: int, spec: Spec) -> Supervised:
        assert self._leash, "not entered"
        process = Supervised(spec, leash=self._leash, sink=self._sink, on_change=self._on_change)
        self._processes[spec.name] = process
        self._ends[spec.name] = ends
        process.start()
        return process

    async def _all_ready(self, processes: Sequence[Supervised]) -> None:
        waits = {process: asyncio.create_task(_ready_or_not(process)) for process in processes}
        try:
            async with asyncio.timeout(self._start_s):
                await asyncio.gather(*waits.values())
        except TimeoutError as error:
            late = [process for process in processes if not process.ready.is_set()]
            raise StartFailed(
                "\n".join(_why(process, f"not ready in {self._start_s:g} s") for process in late)
            ) from error
        finally:
            for task in waits.values():
                task.cancel()

    def _to_file(self, name: str, line: str) -> None:
        with (self.directory / "stack.log").open("a") as out:
            out.write(f"{name} | {line}\n")


def _filled(text: str, places: Mapping[str, str]) -> str:
    for name, value in places.items():
        text = text.replace("{" + name + "}", value)
    return text


async def _ready_or_not(process: Supervised) -> None:
    waits = [asyncio.create_task(process.ready.wait()), asyncio.create_task(process.never_ready.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waits:
            task.cancel()
    if not process.ready.is_set():
        raise StartFailed(_why(process, "dies as soon as it is started"))


def _why(process: Supervised, what: str) -> str:
    lines = "".join(f"\n  {line}" for line in process.output.tail)
    return f"{process.spec.name}: {what}; its last lines:{lines}"
