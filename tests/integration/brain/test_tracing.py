"""LangSmith is on when its own variables say so, and only then."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.servers.langsmith import running_sink

ROOT = Path(__file__).parents[3]


async def one_turn(path: Path, **extra: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.brain.traced_turn", path / "hotel.sqlite3"),
        cwd=ROOT,
        env={**os.environ, **extra},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    return out.decode()


async def test_a_turn_is_traced_when_the_environment_says_so(tmp_path: Path) -> None:
    async with running_sink() as sink:
        reply = await one_turn(
            tmp_path, LANGSMITH_TRACING="true", LANGSMITH_ENDPOINT=sink.url, LANGSMITH_API_KEY="ls-test"
        )

        assert reply.startswith("Breakfast is served")
        assert {key for _, key, _ in sink.bodies} == {"ls-test"}
        sent = sink.text()
        for part in ("brain.turn", "conv-traced", "property_info", "offline"):
            assert part in sent, part


async def test_nothing_is_sent_otherwise(tmp_path: Path) -> None:
    async with running_sink() as sink:
        await one_turn(tmp_path, LANGSMITH_ENDPOINT=sink.url, LANGSMITH_API_KEY="ls-test")

        assert sink.bodies == []
