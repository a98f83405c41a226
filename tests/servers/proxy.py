"""Stands between a client and a Redis, and does to the connection what networks do.

    async with FaultProxy("127.0.0.1", 6379) as proxy:
        ...  # clients connect to proxy.url
        proxy.drop()

It understands the commands that pass (RESP arrays, as every client library sends them), so that a fault can be aimed
at one of them. Everything but `start` and `stop` is a plain call on the loop that runs the proxy, and acts at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from types import TracebackType

import hiredis

from deploy.local.ports import HOST
from libs.bus.link import pack

_READ_BYTES = 65_536


class FaultProxy:
    """Use as `async with`, or `start` and `stop`. Not for inline commands or TLS."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        """Where new connections go."""
        self.port = 0
        self.delay_s = 0.0
        """How much later every reply arrives; their order stays."""
        self.refuse = False
        """New connections are reset as soon as they are made; those that stand are left alone."""
        self.connections_made = 0
        self._drops = 0
        self._server: asyncio.Server | None = None
        self._pairs: set[_Pair] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._losses: list[_Loss] = []

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    @property
    def stalled(self) -> bool:
        """Nothing passes in either direction, and nothing is closed: a network that swallows packets."""
        return not self._flowing.is_set()

    @stalled.setter
    def stalled(self, value: bool) -> None:
        (self._flowing.clear if value else self._flowing.set)()

    async def start(self) -> None:
        """Listen on a free port of loopback, the same again after `stop`."""
        self._server = await asyncio.start_server(self._serve, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the door (connecting is refused from now on) and every connection."""
        if self._server:
            self._server.close()
            self._server = None
        self.drop()
        tasks = [pair.task for pair in self._pairs]
        await asyncio.gather(*tasks, return_exceptions=True)

    def drop(self) -> int:
        """Reset every connection now; returns how many. What was forwarded is executed, its reply is not seen."""
        self._drops += 1
        for pair in self._pairs:
            pair.abort()
        return len(self._pairs)

    def lose_next_reply(self, *parts: bytes) -> asyncio.Event:
        """The next command that has all these arguments is executed, then its connection breaks before the reply.

        Nothing behind it on that connection is executed. The event is set when the connection has been broken.
        """
        loss = _Loss(parts)
        self._losses.append(loss)
        return loss.happened

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections_made += 1
        if self.refuse:
            writer.transport.abort()
            return
        drops = self._drops
        try:
            there = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        if drops != self._drops:
            writer.transport.abort()
            there[1].transport.abort()
            return
        task = asyncio.current_task()
        assert task
        pair = _Pair(self, (reader, writer), there, task)
        self._pairs.add(pair)
        try:
            await pair.run()
        finally:
            self._pairs.discard(pair)

    async def pass_on(self) -> None:
        """Wait while the proxy is stalled."""
        await self._flowing.wait()

    def take_loss(self, command: list[bytes]) -> _Loss | None:
        """The loss that was ordered for such a command, once."""
        for loss in self._losses:
            if set(loss.parts) <= set(command):
                self._losses.remove(loss)
                return loss
        return None

    async def __aenter__(self) -> FaultProxy:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


class _Loss:
    """A reply that is to be lost."""

    _numbers = itertools.count()

    def __init__(self, parts: tuple[bytes, ...]) -> None:
        self.parts = parts
        self.mark = f"botel-lost-{next(self._numbers)}".encode()
        """Echoed by Redis behind the command: when it comes back, the command has been executed."""
        self.happened = asyncio.Event()


_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Pair:
    """A client's connection and the one to Redis behind it."""

    def __init__(self, proxy: FaultProxy, here: _Streams, there: _Streams, task: asyncio.Task[None]) -> None:
        self._proxy = proxy
        self._from_client, self._to_client = here
        self._from_redis, self._to_redis = there
        self.task = task
        self._loss: _Loss | None = None
        self._replies: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def run(self) -> None:
        """Until either side is closed."""
        pumps = {asyncio.create_task(pump()) for pump in (self._commands, self._answers, self._deliver)}
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self.abort()
            if self._loss:
                self._loss.happened.set()

    def abort(self) -> None:
        self._to_client.transport.abort()
        self._to_redis.transport.abort()

    async def _commands(self) -> None:
        commands = hiredis.Reader()
        while data := await _read(self._from_client):
            await self._proxy.pass_on()
            commands.feed(data)
            while self._loss is None and (command := commands.gets()) is not False:
                self._to_redis.write(pack(command))
                self._loss = self._proxy.take_loss(command)
                if self._loss:
                    self._to_redis.write(pack((b"ECHO", self._loss.mark)))

    async def _answers(self) -> None:
        loop, seen = asyncio.get_running_loop(), b""
        while data := await _read(self._from_redis):
            await self._proxy.pass_on()
            if self._loss is None:
                self._replies.put_nowait((loop.time() + self._proxy.delay_s, data))
                continue
            seen = seen[-64:] + data
            if self._loss.mark in seen:
                return

    async def _deliver(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await self._replies.get()
            if due > loop.time():
                arrived = asyncio.Event()
                loop.call_at(due, arrived.set)
                await arrived.wait()
            await self._proxy.pass_on()
            self._to_client.write(data)


async def _read(reader: asyncio.StreamReader) -> bytes:
    """What came; b'' when the connection is over, in whatever way."""
    with contextlib.suppress(OSError):
        return await reader.read(_READ_BYTES)
    return b""
