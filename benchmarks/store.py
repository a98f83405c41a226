"""SQLite and PostgreSQL under the context store, side by side: `python -m benchmarks.store [--quick] [--write-docs]`.

`--plans` prints how each query is carried out on the filled archives. Needs PostgreSQL's binaries. Writes
out/bench-store.json.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks import machine
from benchmarks.figures import Spread
from benchmarks.store_measure import QUICK, Round, Size, databases, fill, one_round, plans
from benchmarks.tables import spread_text, table
from libs.process import run
from tests.servers.postgres import MISSING, PostgresServer, find_postgres, running_postgres
from tests.servers.redis import running_redis

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- store figures: begin -->\n", "<!-- store figures: end -->\n"
SAFE = ("fsync=on", "full_page_writes=on", "shared_buffers=128MB")
"""As it is installed: a commit is on the disk before it is told, as SQLite's is."""
Rounds = dict[str, list[Round]]


async def measure(size: Size, seed: int, server: PostgresServer, *, explain: bool) -> Rounds:
    """Fill both, then take and read in rounds, in an order shuffled for each."""
    with tempfile.TemporaryDirectory(prefix="botel-bench-") as folder, databases(Path(folder), server) as both:
        for kind, database in both.items():
            began = time.monotonic()
            await fill(database, size)
            _say(f"{kind}: filled in {time.monotonic() - began:.0f} s")
        if explain:
            for kind, database in both.items():
                for name, lines in (await plans(database, size)).items():
                    print("\n".join((f"\n{kind}: {name}", *lines)))
        found: Rounds = {kind: [] for kind in both}
        for number in range(size.rounds):
            order = list(both.items())
            random.Random(seed + number).shuffle(order)
            for kind, database in order:
                with running_redis() as redis:
                    found[kind].append(await one_round(database, redis.url, size, seed + number))
                _say(f"round {number + 1}: {kind}: {found[kind][-1].taken.per_s:.0f} events/s")
        return found


def render(found: Rounds, size: Size) -> str:
    """Everything that `make bench-store` prints and docs/benchmarks.md shows."""
    head = ("what", *found)
    return "\n\n".join(
        (
            f"{size.rounds} rounds on archives of {size.archived:,} events in {size.archived // 10:,} conversations; a "
            f"round takes {size.ingest:,} events\nof {size.guests} conversations. A percentile is the median over the "
            "rounds of each round's percentile, [rounds] the range of\nthe p50.",
            table(head, _rows(found)),
        )
    )


def _rows(found: Rounds) -> Iterator[list[str]]:
    rounds = list(found.values())
    yield ["events taken, per second", *(spread_text(Spread.of(one.taken.per_s for one in each), 0) for each in rounds)]
    yield [
        "CPU of the store, us per event",
        *(f"{Spread.of(o.taken.cpu_us for o in each).median:.0f}" for each in rounds),
    ]
    for name in rounds[0][0].reads:
        cells = []
        for each in rounds:
            p50, p95 = (Spread.of(getattr(one.reads[name], which) for one in each) for which in ("p50", "p95"))
            cells.append(f"{spread_text(p50)} / {p95.median:.2f}")
        yield [f"{name}, ms: p50 [rounds] / p95", *cells]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small round: does the harness work?")
    parser.add_argument("--plans", action="store_true", help="print the plan of each query")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument(
        "--out", type=Path, default=ROOT / "out" / "bench-store.json", help="where to write the figures"
    )
    parser.add_argument("--write-docs", action="store_true", help="put the figures into docs/benchmarks.md")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    if find_postgres() is None:
        sys.exit(MISSING)
    size = QUICK if arguments.quick else Size()
    with running_postgres(SAFE) as server:
        where = machine.describe() | {"postgresql": f"{server.version()}, loopback, as installed"}
        found = run(measure(size, arguments.seed, server, explain=arguments.plans))
    shown = {name: value for name, value in where.items() if name != "libraries"}
    tables = "\n\n".join(("\n".join(f"- {name}: {value}" for name, value in shown.items()), render(found, size)))
    print(tables)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_bytes(
        msgspec.json.format(msgspec.json.encode({"machine": where, "size": size, "found": found}))
    )
    if arguments.write_docs:
        page = DOCS.read_text()
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        DOCS.write_text(f"{before}{BEGIN}\nMeasured {time.strftime('%Y-%m-%d')}.\n\n{tables}\n\n{END}{after}")


if __name__ == "__main__":
    main()
