"""`python -m benchmarks`: run every measurement, print the tables, write out/bench.json.

`--quick` only shows that the harness works. `--write-docs` puts the figures of this run into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

import msgspec

from benchmarks import machine
from benchmarks.figures import Run
from benchmarks.measure import repetition
from benchmarks.plan import FULL, QUICK, Plan
from benchmarks.report import render
from benchmarks.targets import judge
from libs.process import run

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small run: does the harness work?")
    parser.add_argument("--runs", type=int, help="repetitions of everything")
    parser.add_argument("--seed", type=int, help="order of the loads; a fresh one if not given")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "bench.json", help="where to write the figures")
    parser.add_argument("--write-docs", action="store_true", help="put the figures into docs/benchmarks.md")
    return parser.parse_args()


async def _measure(plan: Plan, seed: int) -> list[Run]:
    runs = []
    for number in range(plan.runs):
        started = time.monotonic()
        runs.append(await repetition(plan, seed + number))
        print(f"run {number + 1} of {plan.runs}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return runs


def _write_docs(tables: str) -> None:
    page = DOCS.read_text()
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    DOCS.write_text(f"{before}{BEGIN}\nMeasured {time.strftime('%Y-%m-%d')}.\n\n{tables}\n\n{END}{after}")


def main() -> None:
    arguments = _arguments()
    plan = QUICK if arguments.quick else FULL
    if arguments.runs:
        plan = msgspec.structs.replace(plan, runs=arguments.runs)
    seed = arguments.seed if arguments.seed is not None else random.randrange(1_000_000)
    where = machine.describe()
    runs = run(_measure(plan, seed))
    targets = judge(runs)
    tables = render(runs, targets, where)
    print(tables)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    found = {"machine": where, "seed": seed, "plan": plan, "targets": targets, "runs": runs}
    arguments.out.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    if arguments.write_docs:
        _write_docs(tables)


if __name__ == "__main__":
    main()
