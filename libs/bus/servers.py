"""Finding the server that serves now, and connecting to it: always the same one, the sentinels' master, a slot's node.

Whoever holds a `Server` connects again through it after every break, so that a failover or a moved slot is followed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from libs.bus.deployment import Address, Deployment, Shape, parse_deployment
from libs.bus.refusals import moved_to
from libs.bus.settings import BusSettings

_ASK_S = 1.0
"""How long a sentinel or a node may take to say where the server is: several are asked at once."""


class Server(Protocol):
    """Raises redis-py's errors and `OSError`."""

    newest: Address | None
    """Where it was found last; None where it cannot change."""

    async def connect(self, name: str) -> AbstractConnection:
        """A connection to the server that serves now, with nothing owed on it. `name` is told to Redis."""

    def refused(self, reason: str) -> None:
        """The server answered that it does not serve: the next `connect` looks again."""


def find_server(settings: BusSettings, slot: int = 0) -> Server:
    """What REDIS_URL names; `slot` tells which node of a cluster."""
    deployment = parse_deployment(settings.redis_url.get_secret_value())
    match deployment.shape:
        case Shape.SINGLE:
            return SingleServer(deployment.single_url, settings)
        case Shape.SENTINEL:
            return SentinelServer(deployment, settings)
        case Shape.CLUSTER:
            return ClusterServer(deployment, settings, slot)


class SingleServer:
    """Always the same address."""

    def __init__(self, url: str, settings: BusSettings) -> None:
        self.newest: Address | None = None
        self._url, self._settings = url, settings

    async def connect(self, name: str) -> AbstractConnection:
        """See `Server.connect`."""
        return await _connect(self._url, self._settings, name)

    def refused(self, reason: str) -> None:
        """See `Server.refused`: there is no other."""


class SentinelServer:
    """The master that most sentinels name, if it says itself that it is one."""

    def __init__(self, deployment: Deployment, settings: BusSettings) -> None:
        self.newest: Address | None = None
        self._deployment, self._settings = deployment, settings

    async def connect(self, name: str) -> AbstractConnection:
        """See `Server.connect`. In the middle of a failover there is none: the caller tries again."""
        named = await self._ask_sentinels()
        if not named:
            raise RedisConnectionError(f"no sentinel names a master of {self._deployment.service!r}")
        error: Exception | None = None
        for address in named:
            try:
                connection = await _connect(self._deployment.server_url(address), self._settings, name)
                role = await _ask(connection, "ROLE")
            except (RedisError, OSError) as failed:
                error = error or failed
                continue
            if role[0] == b"master":
                self.newest = address
                return connection
            await connection.disconnect(nowait=True)
        raise error or RedisConnectionError(f"{named[0]} is not a master yet")

    def refused(self, reason: str) -> None:
        """See `Server.refused`: every connect asks anyway."""

    async def _ask_sentinels(self) -> list[Address]:
        """What they name, most votes first; as soon as more than half agree."""
        nodes, votes = self._deployment.nodes, Counter[Address]()
        asked = [asyncio.create_task(self._ask_sentinel(node)) for node in nodes]
        try:
            for answer in asyncio.as_completed(asked, timeout=_ASK_S):
                address = await answer
                if address:
                    votes[address] += 1
                    if votes[address] > len(nodes) // 2:
                        break
        except TimeoutError:
            pass  # with the answers that there are
        finally:
            await _cancel(asked)
        return [address for address, _ in votes.most_common()]

    async def _ask_sentinel(self, node: Address) -> Address | None:
        question = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._deployment.service)
        with contextlib.suppress(RedisError, OSError):
            answer = await _ask_once(self._deployment.sentinel_url(node), self._settings, *question)
            return Address(answer[0].decode(), int(answer[1])) if answer else None
        return None


class ClusterServer:
    """The master of a slot."""

    def __init__(self, deployment: Deployment, settings: BusSettings, slot: int) -> None:
        self.newest: Address | None = None
        self._deployment, self._settings, self._slot = deployment, settings, slot
        self._known = list(deployment.nodes)
        self._hint: Address | None = None

    async def connect(self, name: str) -> AbstractConnection:
        """See `Server.connect`."""
        address, self._hint = self._hint or await self._locate(), None
        connection = await _connect(self._deployment.server_url(address), self._settings, name)
        self.newest = address
        return connection

    def refused(self, reason: str) -> None:
        """See `Server.refused`: MOVED names the node, whose word is newer than a map."""
        hint = moved_to(reason)
        self._hint = Address(*hint) if hint else None

    async def _locate(self) -> Address:
        """By the map of the first node that answers; its other nodes are asked too the next time."""
        asked = [asyncio.create_task(self._ask_node(node)) for node in self._known]
        try:
            for answer in asyncio.as_completed(asked, timeout=_ASK_S):
                if (address := await answer) is not None:
                    return address
        except TimeoutError:
            pass
        finally:
            await _cancel(asked)
        raise RedisConnectionError(f"no node of the cluster serves slot {self._slot}")

    async def _ask_node(self, node: Address) -> Address | None:
        with contextlib.suppress(RedisError, OSError):
            slots = await _ask_once(self._deployment.server_url(node), self._settings, "CLUSTER", "SLOTS")
            masters = [(first, last, _of_node(master, node)) for first, last, master, *_ in slots]
            self._known = list(dict.fromkeys((*self._deployment.nodes, *(address for *_, address in masters))))
            return next((address for first, last, address in masters if first <= self._slot <= last), None)
        return None


def _of_node(told: Sequence[Any], asked: Address) -> Address:
    """An address in CLUSTER SLOTS; a node that does not know its own host means the one that was asked."""
    host = told[0].decode() if told[0] else ""
    return Address(host if host not in ("", "?") else asked.host, int(told[1]))


def _tls(url: str, settings: BusSettings) -> dict[str, Any]:
    """What redis-py is told of certificates. That of the server is checked, and that it is of the host we meant."""
    if not url.startswith("rediss://"):
        return {}
    files = {"ssl_ca_certs": settings.tls_ca, "ssl_certfile": settings.tls_cert, "ssl_keyfile": settings.tls_key}
    return {
        **{name: str(path) for name, path in files.items() if path},
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_min_version": ssl.TLSVersion.TLSv1_2,
    }


async def _connect(url: str, settings: BusSettings, name: str) -> AbstractConnection:
    """URL, TLS, AUTH and SELECT are redis-py's work."""
    pool = ConnectionPool.from_url(
        url,
        **_tls(url, settings),
        protocol=2,
        decode_responses=False,
        socket_connect_timeout=settings.connect_timeout_ms / 1000,
        socket_timeout=settings.connect_timeout_ms / 1000,
        health_check_interval=0,
        client_name=f"botel-{name}",
        driver_info=None,
    )
    connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]
    try:
        await connection.connect()  # type: ignore[no-untyped-call]
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    return connection


async def _ask(connection: AbstractConnection, *parts: str) -> Any:
    """One command on a connection that is redis-py's still; it is closed when that fails."""
    try:
        await connection.send_command(*parts)
        return await connection.read_response()
    except BaseException:
        await connection.disconnect(nowait=True)
        raise


async def _ask_once(url: str, settings: BusSettings, *parts: str) -> Any:
    connection = await _connect(url, settings, "asks")
    reply = await _ask(connection, *parts)
    await connection.disconnect(nowait=True)
    return reply


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
