"""Scripts that Redis forgets twice: the refusals of commands that are sent again are nobody's, and not the loads'."""

from __future__ import annotations

import asyncio
from typing import Any

import hiredis
from pydantic import SecretStr

from libs.bus.bus import Bus
from libs.bus.settings import BusSettings
from tests.bus.support.waiting import eventually, soon

_NOSCRIPT = b"-NOSCRIPT No matching script. Please use EVAL.\r\n"


class Forgetful:
    """Speaks as much RESP as the bus needs. While it has no scripts it refuses the first call at once, and the others
    only when it is given scripts again: their refusals come behind the first one's, as in two segments of a network."""

    def __init__(self) -> None:
        self.knows = False
        self._held = 0
        self._refused = False
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parser = hiredis.Reader()
        self.connections += 1
        while data := await reader.read(65_536):
            parser.feed(data)
            while (command := parser.gets()) is not False:
                writer.write(self._answer(command))
        writer.close()
        self.connections -= 1

    def _answer(self, command: list[Any]) -> bytes:
        match command[0].upper():
            case b"SCRIPT":
                owed, self._held, self.knows, self._refused = self._held, 0, True, False
                return _NOSCRIPT * owed + b"$2\r\nok\r\n"
            case b"EVALSHA" if self.knows:
                return b":7\r\n"
            case b"EVALSHA" if self._refused:
                self._held += 1
                return b""
            case b"EVALSHA":
                self._refused = True
                return _NOSCRIPT
            case _:
                return b"+OK\r\n"


async def test_a_refusal_of_a_repeated_call_was_taken_for_one_of_a_load() -> None:
    redis = Forgetful()
    server = await asyncio.start_server(redis.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = BusSettings(redis_url=SecretStr(f"redis://127.0.0.1:{port}/0"), command_timeout_ms=5_000)
    async with server, Bus(settings) as bus:
        for _ in range(3):
            redis.knows = False
            calls = [bus.commands.call("beat", ["leases", "owned"], ["w", 1]) for _ in range(3)]
            assert await soon(asyncio.gather(*calls)) == [7, 7, 7]
    await eventually(lambda: redis.connections == 0)
