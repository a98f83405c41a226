"""A brain process asks a store process for what Redis has forgotten: services joined by settings alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pydantic import SecretStr

from libs.bus.bus import Bus
from libs.bus.retiring import Retirement, Retiring
from libs.bus.settings import BusSettings
from tests.eventually import eventually
from tests.integration.brain.brains import running_brains
from tests.integration.context_store.processes import store_process
from tests.integration.context_store.test_live import stored
from tests.integration.text_gateway.gateway import CHAT, running_gateway


async def test_a_guest_who_comes_back_makes_the_brain_ask_the_store_once(redis_url: str, tmp_path: Path) -> None:
    async with (
        asyncio.timeout(300),
        store_process(redis_url, tmp_path / "store.sqlite3") as store,
        running_brains(
            1,
            redis_url,
            tmp_path / "hotel.sqlite3",
            BRAIN_STORE_URL=str(store.client.base_url),
            BRAIN_STORE_KEYS="harbour:development",
            BRAIN_STORE_TIMEOUT_S="20",
        ),
        running_gateway(redis_url) as gateway,
        Bus(BusSettings(redis_url=SecretStr(redis_url))) as bus,
    ):

        async def say(text: str) -> str:
            answer = await gateway.client.post(CHAT, json={"customerId": "guest-204", "message": text})
            assert answer.status_code == 200, answer.text
            return str(answer.json()["conversationId"])

        async def asked() -> list[str]:
            metrics = (await store.client.get("/metrics")).text.splitlines()
            return [
                line for line in metrics if line.startswith("botel_http_request_seconds_count") and "/events" in line
            ]

        conversation = await say("Good evening.")
        assert await asked() == [], "the log reaches back to its first event"
        await eventually(lambda: stored(store.client), lambda number: number == 3)
        await bus.commands.send("DEL", bus.shards[0].subs(conversation))  # as if it had run out
        assert await Retiring(bus).retire("harbour", conversation, 2) is Retirement.BEHIND
        assert await Retiring(bus).retire("harbour", conversation, 3) is Retirement.RETIRED
        assert await Retiring(bus).retire("harbour", conversation, 3) is Retirement.NONE

        assert await say("Thank you.") == conversation
        assert await say("Thank you very much.") == conversation

        (line,) = await asked()
        assert 'method="GET"' in line
        assert line.endswith('status="200"} 1.0')
