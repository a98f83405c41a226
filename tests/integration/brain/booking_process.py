"""Run as a process of its own: accepts an offer when told to on stdin, and prints the booking's id."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from services.brain.pms.sample import harbour
from services.brain.pms.sqlite import SqlitePms
from tests.integration.brain.pms_conformance import NOW


async def main(path: str, offer_id: str, key: str) -> None:
    pms = await SqlitePms.open(Path(path), harbour(NOW.date()), lambda: NOW)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    booking = await pms.accept_offer("harbour", offer_id=offer_id, key=key)
    sys.stdout.write(booking.id + "\n")
    await pms.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
