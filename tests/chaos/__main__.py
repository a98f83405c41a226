"""`python -m tests.chaos`: a run of faults, and what the auditor says of it. Exits 0 if every promise held.

--break fence   a short run with brains that have no fence: the auditor must notice, and the exit code is 1
--strict        the figures count, too
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import msgspec

from deploy.local.stack import StartFailed
from tests.chaos.auditor import audit
from tests.chaos.plan import FULL, SHORT, Plan
from tests.chaos.report import as_json, figures, lines, missed, table
from tests.chaos.run import run

DOCS = Path("docs/reliability.md")
BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--break", dest="broken", choices=("", "fence"), default="")
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--short", action="store_true", help="the size of the part in make test")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--turns", type=int)
    parser.add_argument("--kills", type=int)
    parser.add_argument("--write-docs", action="store_true", help="put the figures into docs/reliability.md")
    parser.add_argument("--out", type=Path, default=Path("out/chaos"))
    options = parser.parse_args()
    plan = msgspec.structs.replace(SHORT if options.short or options.broken else FULL, seed=options.seed)
    if options.kills:
        shares = {"mid_stream": options.kills * 3 // 4, "in_effect": max(2, options.kills // 10)}
        plan = msgspec.structs.replace(plan, kills=options.kills, zombies=options.kills // 15, **shares)
    plan = msgspec.structs.replace(plan, turns=options.turns or plan.turns)
    logging.basicConfig(level=logging.CRITICAL)
    try:
        return report(plan, options)
    except (StartFailed, TimeoutError) as error:
        print(f"the run failed: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def report(plan: Plan, options: argparse.Namespace) -> int:
    """Run, audit, print, write; the exit code."""
    out: Path = options.out
    with tempfile.TemporaryDirectory(prefix="botel-chaos-") as folder:
        outcome = asyncio.run(run(plan, Path(folder), lambda line: print(line, flush=True), fenced=not options.broken))
        out.mkdir(parents=True, exist_ok=True)
        (out / "stack.log").write_bytes((Path(folder) / "stack.log").read_bytes())
    outcome.transcript.write(out / "transcript.jsonl")
    outcome.ledger.write(out / "faults.jsonl")
    verdict, told = audit(outcome.evidence), figures(plan, outcome)
    (out / "report.json").write_text(as_json(told, verdict), encoding="utf-8")
    print("\n".join(lines(told, verdict)))
    if options.write_docs:
        page = DOCS.read_text(encoding="utf-8")
        head, rest = page.split(BEGIN)
        DOCS.write_text(f"{head}{BEGIN}\n{table(told, verdict)}\n{END}{rest.split(END)[1]}", encoding="utf-8")
    short = missed(plan, told)
    for what in short:
        print(f"missed: {what}")
    kept = not any(verdict.values())
    print(f"\n{'every promise held' if kept else 'NOT every promise held'}; written to {out}")
    return 0 if kept and not (options.strict and short) else 1


if __name__ == "__main__":
    sys.exit(main())
