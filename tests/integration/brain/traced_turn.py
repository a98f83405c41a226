"""Run as a process of its own, with LangSmith's variables in its environment: one turn, then the end of a brain."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from services.brain.app import concierge_of
from services.brain.rehearsal import Rehearsal
from services.brain.settings import BrainSettings, ModelSettings


async def main(path: str) -> None:
    async with concierge_of(BrainSettings(hotel_path=Path(path)), ModelSettings()) as concierge:
        talk = Rehearsal(concierge.answer, customer_id="guest-204", conversation_id="conv-traced")
        sys.stdout.write(await talk.say("what time is breakfast"))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
