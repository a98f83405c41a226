"""The scene: a calm hotel, a rush that one brain cannot hold, the alert, more brains, and calm again.

What happens is decided by Prometheus: brains are added when its alert fires, and the scene is over when it has cleared.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

import msgspec

from benchmarks.scale.guests import Guests
from benchmarks.scale.plan import ALERT, Plan
from benchmarks.scale.running import Running
from deploy.observe.client import PrometheusClient

LOOK_S = 0.5
SETTLE_S = 5.0
"""After the rush began: every slot of the one brain is taken by then."""


class Told(msgspec.Struct, frozen=True):
    """The alert as Prometheus told it."""

    summary: str
    description: str
    labels: dict[str, str]
    value: float


class Story(msgspec.Struct):
    """When what happened, in seconds since the epoch; 0: it did not."""

    began: float = 0.0
    rush: float = 0.0
    fired: float = 0.0
    asked_for_brains: float = 0.0
    got_brains: float = 0.0
    cleared: float = 0.0
    ended: float = 0.0
    told: Told | None = None
    served_by_one_per_s: float = 0.0
    """Answers per second of one brain with more to do than it can."""
    came_meanwhile_per_s: float = 0.0
    served_by_all_per_s: float = 0.0
    """From when all brains were there to when the alert cleared."""


class Scene:
    def __init__(
        self, stack: Running, prometheus: PrometheusClient, guests: Guests, plan: Plan, say: Callable[[str], None]
    ) -> None:
        self._stack, self._prometheus, self._guests, self._plan, self._say = stack, prometheus, guests, plan, say
        self.story = Story()

    async def play(self) -> Story:
        """From calm to calm. An alert that does not come or go in time ends it; the story has a 0 there."""
        story, plan, over = self.story, self._plan, asyncio.Event()
        story.began = time.time()
        async with asyncio.TaskGroup() as tasks:
            await self._calm(tasks)
            story.rush = time.time()
            self._say(f"the rush: {plan.rush_per_s:g} questions per second, one brain")
            tasks.create_task(self._guests.come(plan.rush_per_s, over))
            try:
                await self._rise_and_fall()
            finally:
                over.set()
                story.ended = time.time()
        self._measure()
        return story

    async def _calm(self, tasks: asyncio.TaskGroup) -> None:
        """Its last answers are still on their way when it is over."""
        over = asyncio.Event()
        tasks.create_task(self._guests.come(self._plan.calm_per_s, over))
        await asyncio.sleep(self._plan.calm_s)
        over.set()

    async def _rise_and_fall(self) -> None:
        story, plan = self.story, self._plan
        if not await self._until(True, plan.fires_within_s):
            return
        story.fired = time.time()
        self._say(f"{ALERT} fires after {story.fired - story.rush:.0f} s: {story.told and story.told.summary}")
        story.asked_for_brains = time.time()
        await self._stack.scale(plan.brains_then)
        story.got_brains = time.time()
        self._say(f"{plan.brains_then} brains after {story.got_brains - story.asked_for_brains:.0f} s")
        if not await self._until(False, plan.clears_within_s):
            return
        story.cleared = time.time()
        self._say(f"{ALERT} cleared {story.cleared - story.got_brains:.0f} s later; the rush goes on")
        await asyncio.sleep(plan.after_s)

    async def _until(self, firing: bool, within_s: float) -> bool:
        """Whether Prometheus says so in time."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            alerts = [one for one in await self._prometheus.alerts() if one.name == ALERT and one.state == "firing"]
            if alerts and not self.story.told:
                first, text = alerts[0], alerts[0].annotations
                self.story.told = Told(
                    text.get("summary", ""), text.get("description", ""), dict(first.labels), first.value
                )
            if bool(alerts) is firing:
                return True
            await asyncio.sleep(LOOK_S)
        return False

    def _measure(self) -> None:
        story, book = self.story, self._guests.book
        asked, answered = [one.at for one in book], [one.answered for one in book]
        if story.asked_for_brains:
            span = (story.rush + SETTLE_S, story.asked_for_brains)
            story.served_by_one_per_s = _rate(answered, *span)
            story.came_meanwhile_per_s = _rate(asked, *span)
        if story.cleared:
            story.served_by_all_per_s = _rate(answered, story.got_brains, story.cleared)


def _rate(times: Iterable[float], start: float, end: float) -> float:
    return sum(start <= at < end for at in times) / (end - start)
