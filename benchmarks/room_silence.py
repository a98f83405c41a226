"""What a guest hears of a brain or a gateway that dies: `python -m benchmarks.room_silence [--calls 8] [--write-docs]`.

Real calls in rooms of a real LiveKit server, on the native stack with two brains. The guest asks for the long tour of
the hotel. While it is told, the brain that writes it is killed with SIGKILL, or the process that speaks it, or nothing:
measured is the longest silence in what the guest's participant received around that moment. In other calls the brain
is killed while its model thinks, before there is a word: measured is from the end of the question to the first sound,
which may be a filler, and to the first words of the answer.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks import machine
from deploy.local.stack import Stack
from services.voice_gateway.domain.manners import BACK_AGAIN
from tests.rooms.calls import Call, kill_busy_brain, kill_job, room_stack

DOCS = Path("docs/reliability.md")
BEGIN, END = "<!-- silence: begin -->", "<!-- silence: end -->"
MODEL = {"BRAIN_OFFLINE_TOKEN_S": "0.03"}
THINKING = {**MODEL, "BRAIN_OFFLINE_FIRST_TOKEN_S": "0.8"}
_BEFORE_S, _AFTER_S = 1.0, 8.0
Deed = Callable[[Stack, Call], Awaitable[None]]


async def nothing(stack: Stack, call: Call) -> None:
    """For comparison: the pauses of the voice itself."""


async def brain(stack: Stack, call: Call) -> None:
    await kill_busy_brain(stack)


async def job(stack: Stack, call: Call) -> None:
    kill_job(stack, call.way.room)


async def silence(stack: Stack, guest: str, deed: Deed) -> float:
    """Seconds of the longest silence around the deed, in one call."""
    async with Call(stack, guest) as call:
        await call.guest.speech()
        said = await call.say("tell me about the hotel")
        await call.guest.voice(said.end_s)
        await call.until_said("Let me take you")
        done = time.time()
        await deed(stack, call)
        if deed is job:
            await call.until_said(BACK_AGAIN)
        heard = call.guest.heard
        await call.guest.until(
            lambda: heard.span.end_s > done + _AFTER_S, timeout_s=60, why="nothing comes after the deed"
        )
        return heard.longest_silence(done - _BEFORE_S, done + _AFTER_S).length_s


async def waits(stack: Stack, guest: str, deed: Deed) -> tuple[float, float]:
    """Seconds from the end of the question to the first sound, and to the first words of the answer."""
    async with Call(stack, guest) as call:
        await call.guest.speech()
        said = await call.say("tell me about the hotel")
        await deed(stack, call)
        sound = await call.guest.voice(said.end_s)
        await call.until_said("Let me")
        words = next(text.at_s for text in call.guest.texts if "Let me" in text.text)
        return sound - said.end_s, words - said.end_s


async def measure(calls: int, tell: Callable[[str], None]) -> dict[str, list[float]]:
    """Figures of each kind of call, in turns."""
    found: dict[str, list[float]] = {}

    def note(what: str, seconds: float) -> None:
        found.setdefault(what, []).append(seconds)
        tell(f"{what}: {seconds:.2f} s")

    with tempfile.TemporaryDirectory(prefix="botel-silence-") as folder:
        async with room_stack(Path(folder) / "speaking", brains=2, **MODEL) as stack:
            for number in range(calls):
                for deed in (nothing, brain, job):
                    note(f"answering, {deed.__name__}", await silence(stack, f"guest-{number}-{deed.__name__}", deed))
        async with room_stack(Path(folder) / "thinking", brains=2, **THINKING) as stack:
            for number in range(calls):
                for deed in (nothing, brain):
                    sound, words = await waits(stack, f"guest-{number}-{deed.__name__}", deed)
                    note(f"thinking, {deed.__name__}, sound", sound)
                    note(f"thinking, {deed.__name__}, words", words)
    return found


def row(what: str, silences: list[float]) -> str:
    return f"| {what} | {len(silences)} | {statistics.median(silences):.2f} s | {max(silences):.2f} s |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=8, help="of each kind")
    parser.add_argument("--write-docs", action="store_true", help="put the figures into docs/reliability.md")
    options = parser.parse_args()
    tell = functools.partial(print, flush=True)
    found = asyncio.run(measure(options.calls, tell))
    about = machine.describe()
    rows = [
        f"`make bench-silence`. {about['cores']} cores, {about['processor']}, {about['system']}, {about['python']}.",
        "",
        "| what happens in the call | calls | median | worst |",
        "|---|---|---|---|",
        row("longest silence in an answer: nothing happens", found["answering, nothing"]),
        row("... its brain is killed (`kill -9`)", found["answering, brain"]),
        row("... the voice job is killed: until the apology", found["answering, job"]),
        row("question to first sound: nothing happens, the model thinks 0.8 s", found["thinking, nothing, sound"]),
        row("... its brain is killed while it thinks", found["thinking, brain, sound"]),
        row("question to first words of the answer: nothing happens", found["thinking, nothing, words"]),
        row("... its brain is killed while it thinks", found["thinking, brain, words"]),
    ]
    print("\n".join(rows))
    out = Path("out/room-silence.json")
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"machine": about, "seconds": found}, indent=1), encoding="utf-8")
    if options.write_docs:
        page = DOCS.read_text(encoding="utf-8")
        head, rest = page.split(BEGIN)
        DOCS.write_text(f"{head}{BEGIN}\n" + "\n".join(rows) + f"\n{END}{rest.split(END)[1]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
