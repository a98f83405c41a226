"""`make scale-demo`: a rush that one brain cannot hold, as operators see it, and turns per second by brains.

Starts the native stack with one brain and Prometheus with the shipped rules, plays the scene, measures, counts every
answer, ends everything. Exits with 1 when anything that it shows did not happen. Writes out/scale/. `--quick` only
shows that it works; `--write-docs` puts figures and pictures into docs/scaling.md and docs/pictures/.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import signal
import sys
import time
from functools import partial
from pathlib import Path

import aiohttp
import msgspec

from benchmarks import machine
from benchmarks.scale.book import Count, count, per_second, troubles
from benchmarks.scale.guests import Guests
from benchmarks.scale.log import read_log
from benchmarks.scale.plan import FULL, KEY, QUICK, Plan
from benchmarks.scale.plot import draw_scene, draw_throughput
from benchmarks.scale.report import COMMAND, Report, render, verdicts
from benchmarks.scale.running import Running, running
from benchmarks.scale.scene import Scene
from benchmarks.scale.series import look
from benchmarks.scale.throughput import measure, rows_of
from benchmarks.voice.processes import supported
from deploy.local import background
from deploy.local.state import Files
from deploy.observe.binary import NoPrometheus, PrometheusBinary, find_prometheus
from deploy.observe.capture import capture, write_capture
from deploy.observe.client import PrometheusClient
from deploy.observe.config import rule_digests, rule_files
from deploy.observe.panels import dashboard_files, read_dashboard

ROOT = Path(__file__).resolve().parents[2]
OUT, DOCS, PICTURES = ROOT / "out" / "scale", ROOT / "docs" / "scaling.md", ROOT / "docs" / "pictures"
BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"
STEP_S = 4.0
"""Of the rates in the picture."""
KEPT_S = 3.0
"""A connection that is not used: less than the gateway keeps it."""
say = partial(print, flush=True, file=sys.stderr)


async def _run(plan: Plan, binary: PrometheusBinary, seed: int, out: Path) -> Report:
    """Everything, on one stack."""
    say(f"seed {seed}; starting the stack with one brain and {binary}")
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_S)
    async with (
        running(out / "var", plan) as stack,
        aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session,
        PrometheusClient(stack.prometheus_url) as prometheus,
    ):
        read = {rule.file for rule in await prometheus.rules()}
        assert read == {str(path) for path in rule_files()}, f"Prometheus has read other rules: {read}"
        guests = Guests(session, stack.text_url, KEY, plan, seed)
        story = await Scene(stack, prometheus, guests, plan, say).play()
        seen = await look(prometheus, story.began, story.ended)
        for path in dashboard_files():
            found = await capture(prometheus, read_dashboard(path), story.began, story.ended)
            write_capture(found, out / "panels" / path.name)
        asked = list(guests.book)
        cores = len(os.sched_getaffinity(0))
        phases = await measure(stack, guests, plan, cores, seed, say)
        return Report(
            {**machine.describe(), "redis": f"{machine.describe()['redis'].split(',')[0]}, append-only file"},
            cores,
            plan,
            str(binary),
            rule_digests(),
            story,
            seen,
            await _count(stack, session, guests),
            troubles(guests.book),
            phases,
            rows_of(phases, plan, cores),
            per_second((one.at for one in asked), story.began, story.ended, STEP_S),
            per_second((one.answered for one in asked), story.began, story.ended, STEP_S),
        )


async def _count(stack: Running, session: aiohttp.ClientSession, guests: Guests) -> Count:
    conversations = {one.conversation for one in guests.book if one.conversation}
    say(f"reading {len(conversations)} conversations back from the store")
    return count(guests.book, await read_log(session, stack.store_url, conversations))


def _write_docs(tables: str, report: Report) -> None:
    page = DOCS.read_text()
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    measured = f"`{COMMAND}`, measured {time.strftime('%Y-%m-%d')}."
    DOCS.write_text(f"{before}{BEGIN}\n{measured}\n\n{tables}\n\n{END}{after}")
    _draw(report, PICTURES)


def _draw(report: Report, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    draw_scene(report, folder / "scale-demo.png")
    draw_throughput(report, folder / "scale-throughput.png")


def _clear(directory: Path) -> None:
    """Of what an earlier run has left; one that still runs there is ended."""
    files = Files(directory)
    if files.running():
        background.stop(files)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short one: does it work?")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--out", type=Path, default=OUT, help="where report, pictures and data go")
    parser.add_argument("--write-docs", action="store_true", help="put figures and pictures into docs/")
    return parser.parse_args()


def main() -> int:
    arguments = _arguments()
    if not supported():
        say("this measures processor time from /proc: Linux only")
        return 1
    try:
        binary = find_prometheus()
    except NoPrometheus as error:
        say(error)
        return 1
    # Asked to end it ends the stack as well: Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _clear(arguments.out / "var")
    try:
        report = asyncio.run(_run(QUICK if arguments.quick else FULL, binary, arguments.seed, arguments.out))
    except KeyboardInterrupt:
        say("ended before its time; so has the stack")
        return 130
    (arguments.out / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    tables = render(report)
    print(tables)
    _draw(report, arguments.out)
    if arguments.write_docs:
        _write_docs(tables, report)
    failed = [what for what, held in verdicts(report).items() if not held]
    for trouble, times in report.troubles.items():
        say(f"{times} x {trouble}")
    for what in failed:
        say(f"NOT SHOWN: {what}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
