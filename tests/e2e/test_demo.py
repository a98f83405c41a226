"""The demo itself: a spoken call and text messages through the whole stack, judged by its own checks and its report."""

from __future__ import annotations

import asyncio
import json
import sys
import wave
from pathlib import Path
from typing import Any

import pytest

from deploy.demo.script import SPOKEN
from services.voice_gateway.corpus.patterns import sentences
from services.voice_gateway.domain.wording import words_of
from services.voice_gateway.speech.sphinx import CORPUS

LIMIT_S = 240


async def play(model: str, folder: Path) -> tuple[int, str]:
    """Run the demo as `make demo` does; exit code and what it printed."""
    command = (sys.executable, "-m", "deploy.demo", "--model", model, "--out", folder, "--store", folder / "store.db")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
    try:
        async with asyncio.timeout(LIMIT_S):
            printed, _ = await process.communicate()
    except TimeoutError:
        process.terminate()
        await process.wait()
        raise
    return process.returncode or 0, printed.decode()


@pytest.mark.slow
@pytest.mark.parametrize("model", ["offline", pytest.param("openai", marks=pytest.mark.long)])
async def test_the_demo_holds(model: str, tmp_path: Path) -> None:
    code, printed = await play(model, tmp_path)
    assert code == 0, printed
    report = json.loads((tmp_path / "report.json").read_text())
    turns: list[dict[str, Any]] = report["turns"]
    assert report["conversationId"].startswith("conv-")
    assert len(turns) == len(SPOKEN) + 2
    assert sum(turn["channel"] == "text" for turn in turns) == 2
    assert [turn["said"] for turn in turns if turn["channel"] == "voice"] == list(SPOKEN)
    assert sum(turn["interrupted"] for turn in turns) == 1
    for turn in turns:
        assert turn["generated"]
        assert turn["timings_ms"]["queue_ms"] >= 0
        if turn["channel"] == "voice":
            assert turn["heard"]
            assert 0 <= turn["wordErrorRate"] < 0.5
            assert turn["timings_ms"]["first_audio_ms"] > 0
    with wave.open(str(tmp_path / "call.wav")) as call:
        assert call.getnchannels() == 2
        assert call.getnframes() / call.getframerate() > 20


def test_no_line_of_the_demo_is_in_the_recogniser_s_corpus() -> None:
    corpus = {" ".join(words_of(sentence)) for sentence in sentences(CORPUS.read_text(encoding="utf-8"))}
    assert len(corpus) > 1_000
    assert not corpus & {" ".join(words_of(line)) for line in SPOKEN}
