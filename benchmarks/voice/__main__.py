"""`python -m benchmarks.voice`: hold the calls, print the tables, write out/bench-voice.json.

`--turns 6` shows that the harness works. `--strict` fails when ours is later than the peer with our options, beyond
noise. `--write-docs` puts the figures of this run into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import random
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from benchmarks import machine
from benchmarks.voice import processes
from benchmarks.voice.claim import refusal
from benchmarks.voice.measure import Found, Measurement
from benchmarks.voice.plan import Plan, plan_of
from benchmarks.voice.report import render
from benchmarks.voice.stack import ROOT, running_voice_stack
from deploy.livekit.binary import NoLiveKit, find_livekit

DOCS, OUT = ROOT / "docs" / "benchmarks.md", ROOT / "out" / "bench-voice.json"
BEGIN, END = "<!-- voice figures: begin -->\n", "<!-- voice figures: end -->\n"
PARTS = ("turns", "cuts", "loads")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.voice", description=__doc__)
    parser.add_argument("--turns", type=int, default=30, help="questions to every side, at least")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that they are spread over")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure")
    parser.add_argument("--seed", type=int, help="order of the sides; a fresh one if not given")
    parser.add_argument("--strict", action="store_true", help="fail when ours is later, beyond noise")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "out" / "bench-voice.json", help="where to write the figures"
    )
    parser.add_argument("--logs", type=Path, help="keep the processes' logs here")
    parser.add_argument("--write-docs", action="store_true", help="put the figures into docs/benchmarks.md")
    return parser.parse_args()


async def _measure(plan: Plan, seed: int, parts: tuple[str, ...], directory: Path) -> Found:
    async with running_voice_stack(directory) as stack:
        return await Measurement(stack, plan, seed).run(parts)


def _machine() -> dict[str, str]:
    names = ("livekit", "livekit-agents", "livekit-plugins-langchain", "langchain", "pocketsphinx")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    binary = find_livekit()
    server = f"livekit-server {'.'.join(map(str, binary.version))}, loopback"
    return {**machine.describe(), "livekit": server, "calls": versions}


def _write_docs(tables: str) -> None:
    page = DOCS.read_text()
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    DOCS.write_text(f"{before}{BEGIN}\nMeasured {time.strftime('%Y-%m-%d')}.\n\n{tables}\n\n{END}{after}")


def main() -> int:
    arguments = _arguments()
    if not processes.supported():
        print("bench-voice reads /proc: it runs on Linux", file=sys.stderr)
        return 2
    plan = plan_of(arguments.turns, arguments.rounds)
    seed = arguments.seed if arguments.seed is not None else random.randrange(1_000_000)
    with tempfile.TemporaryDirectory(prefix="botel-bench-voice-") as temporary:
        directory = arguments.logs or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        try:
            found = asyncio.run(_measure(plan, seed, tuple(arguments.parts), directory))
        except NoLiveKit as error:
            print(f"bench-voice needs a LiveKit server: {error}", file=sys.stderr)
            return 2
    where = _machine()
    tables = render(found, plan, where)
    print(tables)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    whole = {"machine": where, "seed": seed, "plan": plan, "found": found}
    arguments.out.write_bytes(msgspec.json.format(msgspec.json.encode(whole)))
    if arguments.write_docs:
        _write_docs(tables)
    late = refusal(found.turns) if arguments.strict else ""
    if late:
        print(late, file=sys.stderr)
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
