"""`make lag`: what waits and what is being answered, by stream and group, as it changes."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from pydantic import SecretStr

from deploy.local.address import redis_address
from deploy.local.tool import run
from libs.bus.bus import Bus
from libs.bus.settings import BusSettings
from libs.bus.stats import GroupStats, ShardStats, read_stats
from libs.contracts.errors import BusUnavailable

HOME = "\x1b[H\x1b[J"
HEAD = (
    f"{'stream':<20}{'group':<15}{'lag':>6}{'in flight':>11}"
    f"{'oldest waiting':>16}{'oldest in flight':>18}{'readers':>9}"
)


def lag_table(shards: Sequence[ShardStats]) -> list[str]:
    """For people. An unknown lag is '?', never 0."""
    lines = [HEAD]
    for shard in shards:
        lines += [_row(group) for group in shard.groups]
        lines.append(
            f"{shard.shard} turns waiting: {shard.turns_waiting}, brains alive: {shard.workers_alive}, "
            f"dead letters: {shard.dead_letters}"
        )
    return lines


def _row(group: GroupStats) -> str:
    head = f"{group.stream:<20}{group.group:<15}"
    if not group.present:
        return head + "  not there: nobody has read yet"
    lag = "?" if group.lag is None else str(group.lag)
    waiting, in_flight = age(group.oldest_waiting_ms), age(group.oldest_in_flight_ms)
    return f"{head}{lag:>6}{group.pending:>11}{waiting:>16}{in_flight:>18}{group.consumers:>9}"


def age(ms: int) -> str:
    """Milliseconds for people; '-' for none."""
    if not ms:
        return "-"
    return f"{ms} ms" if ms < 1_000 else f"{ms / 1_000:.1f} s"


async def watch(redis_url: str, *, every_s: float, once: bool) -> None:
    """Print until interrupted. `BusUnavailable` when Redis does not answer at the start; later that is a line."""
    settings = BusSettings(redis_url=SecretStr(redis_url), command_timeout_ms=2_000)
    live = sys.stdout.isatty() and not once
    async with Bus(settings, name="lag") as bus:
        while True:
            try:
                lines = lag_table(await read_stats(bus))
            except BusUnavailable as error:
                lines = [str(error)]
            print((HOME if live else "") + "\n".join(lines), flush=True)
            if once:
                return
            await asyncio.sleep(every_s)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.lag", description=__doc__)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between readings")
    parser.add_argument("--once", action="store_true")
    arguments = parser.parse_args()
    return run(lambda: watch(redis_address(), every_s=arguments.every, once=arguments.once))


if __name__ == "__main__":
    sys.exit(main())
