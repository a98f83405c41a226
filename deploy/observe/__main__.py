"""`make pictures`: the dashboards' panels for the README, drawn from real data of Prometheus.

"Bus and brains" from the last `make scale-demo`, everything about speech from calls that are held now, for some
minutes, in rooms of a LiveKit server. `--again` draws from the data of the last time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import time
from functools import partial
from pathlib import Path

from deploy.livekit.binary import NoLiveKit, find_livekit
from deploy.local.env import without_settings
from deploy.local.redis_server import find_redis
from deploy.local.rooms import with_livekit
from deploy.local.services import SERVICES
from deploy.local.stack import ROOT, Stack
from deploy.observe.beside import PROMETHEUS, tell, with_prometheus
from deploy.observe.binary import NoPrometheus, find_prometheus
from deploy.observe.calls import KEY, Calls
from deploy.observe.capture import capture, read_capture, without_data, write_capture
from deploy.observe.client import PrometheusClient
from deploy.observe.draw import draw
from deploy.observe.panels import dashboard_files, read_dashboard

OUT, SCALE, PICTURES = ROOT / "out" / "pictures", ROOT / "out" / "scale" / "panels", ROOT / "docs" / "pictures"
SPEECH = "Voice experience"
"""Title of the dashboard that is drawn from calls; others are drawn from the scale demo."""
SHOWN = {"Bus and brains": 38, SPEECH: 54}
"""Of the grid's height, from the top, in the picture for the README; another has all of it."""
SCENES = {True: "calls in rooms, with a brain killed and a while without any", False: "make scale-demo"}
MODEL = {
    "BRAIN_OFFLINE_FIRST_TOKEN_S": "0.8",
    "BRAIN_OFFLINE_TOKEN_S": "0.0333",
    "BOTEL_TEXT_TURN_DEADLINE_MS": "10000",
    "BRAIN_PRICE_INPUT": "0.40",
    "BRAIN_PRICE_OUTPUT": "1.60",
}
"""Slow enough for fillers; impatient writers, so that some are too late while there is no brain; example prices."""
SETTLE_S = 12.0
"""Until Prometheus has looked twice."""
_KEPT = ("BOTEL_LIVEKIT_SERVER", "BOTEL_PROMETHEUS", "BOTEL_REDIS_SERVER")
say = partial(print, flush=True, file=sys.stderr)


async def hold_calls(directory: Path) -> None:
    """Some minutes of calls on a stack of their own; what every dashboard shows of them goes to out/pictures/."""
    env = {
        **without_settings(os.environ),
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        **{"BOTEL_API_KEY": KEY, "BOTEL_STT": "local", "BOTEL_TTS": "local", **MODEL},
    }
    services = with_prometheus(with_livekit(SERVICES, directory, find_livekit(env)), directory, find_prometheus(env))
    stack = Stack(
        directory,
        env=env,
        redis=find_redis(env),
        services=services,
        on_change=lambda: tell(directory, stack.rows()),
    )
    async with stack, PrometheusClient(stack.url(PROMETHEUS)) as prometheus:
        await asyncio.sleep(SETTLE_S)
        began, calls = time.time(), Calls(stack, say)
        await calls.hold()
        await asyncio.sleep(SETTLE_S)
        ended = time.time()
        say(f"{calls.held} calls held to their end, {calls.broken} broke off, {ended - began:.0f} s")
        for path in dashboard_files():
            write_capture(await capture(prometheus, read_dashboard(path), began, ended), OUT / path.name)


def draw_all() -> int:
    """Every dashboard for which there is data; how many there are not."""
    missing = 0
    for path in dashboard_files():
        board = read_dashboard(path)
        spoken = board.title == SPEECH
        kept = (OUT if spoken else SCALE) / path.name
        if not kept.exists():
            missing += 1
            say(f"no data for {board.title!r}: {'make pictures' if spoken else 'make scale-demo'} first")
            continue
        found = read_capture(kept)
        PICTURES.mkdir(parents=True, exist_ok=True)
        draw(found, PICTURES / f"{path.stem}.png", about=SCENES[spoken], units=SHOWN.get(board.title, 0))
        draw(found, PICTURES / f"{path.stem}-all.png", about=SCENES[spoken])
        empty = without_data(found)
        say(f"{board.title}: docs/pictures/{path.stem}.png; nothing happened in: {', '.join(empty) or 'no panel'}")
    return missing


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.observe", description=__doc__)
    parser.add_argument("--again", action="store_true", help="draw from the data of the last time")
    arguments = parser.parse_args()
    if not arguments.again:
        directory = OUT / "var"
        shutil.rmtree(directory, ignore_errors=True)
        try:
            asyncio.run(hold_calls(directory))
        except (NoPrometheus, NoLiveKit) as error:
            say(error)
            return 1
    return 1 if draw_all() else 0


if __name__ == "__main__":
    sys.exit(main())
