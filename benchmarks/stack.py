"""The processes of one repetition: Redis, a brain, a gateway, the HTTP peer and its client, a concierge."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import msgspec

from benchmarks.control import Child
from deploy.local.ports import HOST, free_port
from tests.servers.redis import RedisServer, running_redis


class Stack(msgspec.Struct, frozen=True):
    redis: RedisServer
    brain: Child
    gateway: Child
    peer: Child
    client: Child
    concierge: Child

    async def cpu_s(self, *, bus: bool) -> dict[str, float]:
        """Processor seconds so far of the processes that the bus, or the peer, runs in."""
        if not bus:
            return {"client": await self.client.ask("cpu"), "server": await self.peer.ask("cpu")}
        return {
            "gateway": await self.gateway.ask("cpu"),
            "brain": await self.brain.ask("cpu"),
            "redis": self._redis_cpu_s(),
        }

    def _redis_cpu_s(self) -> float:
        told = self.redis.ask("INFO cpu").decode()
        fields = dict(line.split(":", 1) for line in told.splitlines() if ":" in line)
        return float(fields["used_cpu_user"]) + float(fields["used_cpu_sys"])


@contextlib.asynccontextmanager
async def running_stack() -> AsyncIterator[Stack]:
    """Everything started afresh; nothing is kept on disk and nothing is left behind."""
    port = free_port()
    with running_redis() as redis:
        async with (
            Child("benchmarks.brain", redis.url) as brain,
            Child("benchmarks.gateway", redis.url) as gateway,
            Child("benchmarks.peer", str(port)) as peer,
            Child("benchmarks.http_load", f"http://{HOST}:{port}") as client,
            Child("benchmarks.brain_overhead") as concierge,
        ):
            yield Stack(redis, brain, gateway, peer, client, concierge)
