"""A client that does not read: nobody else waits for it, what is held for it has a limit, and it can resume."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from libs.bus import subscription
from libs.bus.handler import Done, Turn
from libs.bus.worker import Worker
from tests.eventually import eventually
from tests.integration.text_gateway.gateway import CHAT, Concierge, Gateway, running_brain, running_gateway
from tests.integration.text_gateway.reader import Reader

SLOW = {"customerId": "slow"}


class Talker(Concierge):
    """A long answer in many pieces: more than any buffer between it and a client takes."""

    PIECES = 2_500

    async def __call__(self, turn: Turn) -> AsyncGenerator[str | Done, None]:
        self.asked.append(turn.message.text)
        if turn.message.text == "short":
            yield "Yes."
        else:
            for number in range(self.PIECES):
                yield f"word {number:04}, "
                await asyncio.sleep(0)
        yield Done(model="test")


@pytest.fixture
async def talker(redis_url: str) -> AsyncIterator[Worker]:
    async with running_brain(redis_url, Talker()) as worker:
        yield worker


@contextlib.asynccontextmanager
async def deaf(gateway: Gateway, path: str) -> AsyncIterator[socket.socket]:
    """A client that has asked to follow and reads nothing of it, with the smallest buffer that there is."""
    host, port = gateway.client.base_url.host, gateway.client.base_url.port
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, (host, port))
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer development\r\n\r\n"
        await loop.sock_sendall(sock, request.encode())
        await eventually(gateway.open_streams, lambda count: count == 1)
        yield sock


async def opened(gateway: Gateway) -> str:
    return str((await gateway.client.post(CHAT, json={**SLOW, "message": "short"})).json()["conversationId"])


async def streams_ended(gateway: Gateway) -> bool:
    metrics = (await gateway.client.get("/metrics")).text.splitlines()
    return any(line.startswith("botel_http_request_seconds_count") and "/events" in line for line in metrics)


async def talk_until_cut_off(gateway: Gateway) -> int:
    """Turns in the slow client's conversation, which it follows; the last event's number."""
    turns = 1
    while not await streams_ended(gateway):
        answer = await gateway.client.post(CHAT, json={**SLOW, "message": "long"})
        assert answer.status_code == 200
        turns += 1
    return 1 + 2 * turns


@pytest.mark.usefixtures("talker")
async def test_others_finish_while_one_does_not_read_and_it_is_cut_off_and_resumes(redis_url: str) -> None:
    async with asyncio.timeout(300), running_gateway(redis_url, stall_s=6) as gateway:
        conversation_id = await opened(gateway)
        async with deaf(gateway, f"/llm/conversations/{conversation_id}/events"):
            others = [Reader() for _ in range(20)]
            asking = [
                other.post(gateway.client, {"customerId": f"C-{number}", "message": "long"}, f"k-{number}")
                for number, other in enumerate(others)
            ]
            last, *_ = await asyncio.gather(talk_until_cut_off(gateway), *asking)
            assert {len(other.end["response"]) for other in others} == {Talker.PIECES * len("word 0000, ")}
            await eventually(gateway.open_streams, lambda count: count == 0)

        back = Reader()
        back.conversation_id = conversation_id
        assert await back.follow(gateway.client, lambda item: item.id == str(last))
        assert list(back.events) == list(range(1, last + 1))


async def read_all(sock: socket.socket) -> str:
    """What comes until the server's last chunk, without HTTP's chunk sizes."""
    loop, parts = asyncio.get_running_loop(), b""
    while not parts.endswith(b"0\r\n\r\n"):
        got = await loop.sock_recv(sock, 65_536)
        assert got, "closed in the middle"
        parts += got
    body, out = parts.partition(b"\r\n\r\n")[2], b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        out, body = out + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return out.decode()


async def test_a_reader_that_is_far_behind_is_told_so_and_resumes(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is held for it is limited in bytes: forty events of the largest kind would be most of a megabyte."""
    monkeypatch.setattr(subscription, "_MAX_HELD_BYTES", 20_000)
    async with asyncio.timeout(300), running_gateway(redis_url) as gateway, running_brain(redis_url, Concierge()):
        conversation_id = await opened(gateway)
        async with deaf(gateway, f"/llm/conversations/{conversation_id}/events") as sock:
            for number in range(40):
                answer = await gateway.client.post(CHAT, json={**SLOW, "message": f"{number} " + "x" * 16_000})
                assert answer.status_code == 200
            stream = await read_all(sock)
        monkeypatch.undo()

        frames = stream.split("\n\n")[:-1]
        problem = json.loads(frames[-1].partition("data: ")[2])
        assert frames[-1].startswith("event: error\n")
        assert (problem["code"], problem["status"], problem["retry"]) == ("slow-reader", 503, "later")
        back = Reader()
        back.conversation_id = conversation_id
        back.last_id = [one.splitlines()[0].removeprefix("id: ") for one in frames if one.startswith("id: ")][-1]
        had = int(back.last_id)
        assert await back.follow(gateway.client, lambda item: item.id == "83")
        assert list(back.events) == list(range(had + 1, 84))
