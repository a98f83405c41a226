"""One repetition: every load once, in an order of its own, on processes of its own."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks import floor
from benchmarks.figures import Answers, Chunks, Percentiles, Run
from benchmarks.plan import (
    BRAIN_ALONE,
    BRAIN_LOADED,
    BRAIN_TOOL_ALONE,
    BRAIN_TOOL_LOADED,
    PEERS,
    Plan,
    Shape,
)
from benchmarks.stack import Stack, running_stack


async def repetition(plan: Plan, seed: int) -> Run:
    """Start everything, warm it up, measure every load in a shuffled order."""
    async with running_stack() as stack:
        await _warm_up(stack, plan)
        return await _Repetition(stack, plan, seed).run()


async def _warm_up(stack: Stack, plan: Plan) -> None:
    for peer, prefix in PEERS.items():
        load = stack.gateway if peer == "bus" else stack.client
        await load.ask(f"{prefix}closed", turns=plan.warm_up_turns, at_once=20)


class _Repetition:
    def __init__(self, stack: Stack, plan: Plan, seed: int) -> None:
        self._stack, self._plan, self._seed = stack, plan, seed
        self._answers: dict[str, dict[str, Answers]] = {shape.name: {} for shape in plan.shapes}
        self._found: dict[str, Any] = {"answers": self._answers}

    async def run(self) -> Run:
        works: list[Callable[[], Awaitable[None]]] = [self._floor, self._chunks, self._cancels, self._overhead]
        works += [self._load(peer, shape) for peer in PEERS for shape in self._plan.shapes]
        random.Random(self._seed).shuffle(works)
        for work in works:
            await work()
        return Run(**self._found)

    def _load(self, peer: str, shape: Shape) -> Callable[[], Awaitable[None]]:
        async def work() -> None:
            self._answers[shape.name][peer] = await self._answer(peer, shape)

        return work

    async def _answer(self, peer: str, shape: Shape) -> Answers:
        bus = peer == "bus"
        load = self._stack.gateway if bus else self._stack.client
        before = await self._stack.cpu_s(bus=bus)
        if shape.per_s:
            arguments = {"turns": shape.turns, "per_s": shape.per_s, "seed": self._seed}
            took = await load.ask(f"{PEERS[peer]}opened", **arguments)
        else:
            took = await load.ask(f"{PEERS[peer]}closed", turns=shape.turns, at_once=shape.at_once)
        after = await self._stack.cpu_s(bus=bus)
        return Answers(
            first=Percentiles.of(took["first"]),
            last=Percentiles.of(took["last"]),
            per_s=shape.turns / took["seconds"][0],
            cpu_us={name: (after[name] - before[name]) / shape.turns * 1e6 for name in before},
        )

    async def _floor(self) -> None:
        took = floor.measure(self._stack.redis.port, self._plan.floor_commands)
        self._found["floor"] = {name: Percentiles.of(values) for name, values in took.items()}

    async def _chunks(self) -> None:
        plan, stack = self._plan, self._stack
        paced = {"replies": plan.replies, "tokens": plan.tokens, "step_ms": plan.token_ms}
        total = plan.replies * plan.tokens
        before = await stack.brain.ask("cpu")
        took = await stack.gateway.ask("chunks", **paced)
        between = await stack.brain.ask("cpu")
        await stack.brain.ask("make", **paced)
        after = await stack.brain.ask("cpu")
        self._found["chunks"] = Chunks(
            late=Percentiles.of(took["late"]),
            delivered=len(took["late"]) / total,
            per_s=len(took["late"]) / took["seconds"][0],
            brain_cpu_us=(between - before) / total * 1e6,
            making_cpu_us=(after - between) / total * 1e6,
        )

    async def _cancels(self) -> None:
        plan = self._plan
        asked = await self._stack.gateway.ask(
            "cancels", turns=plan.cancels, at_once=plan.cancels_at_once, step_ms=plan.token_ms
        )
        stopped = await self._stack.brain.ask("stopped")
        self._found["cancel"] = Percentiles.of([(stopped[turn] - asked[turn]) / 1e6 for turn in asked])

    async def _overhead(self) -> None:
        plan, concierge = self._plan, self._stack.concierge
        alone = {"turns": plan.brain_turns, "first_token_s": plan.brain_first_token_s}
        loaded = {
            "turns": plan.brain_turns_at_once,
            "ahead": plan.brain_at_once,
            "every_s": plan.brain_every_s,
            "token_s": plan.brain_token_s,
        }
        took = {
            BRAIN_ALONE: await concierge.ask("alone", kind="words", **alone),
            BRAIN_LOADED: await concierge.ask("at once", kind="words", **loaded),
            BRAIN_TOOL_ALONE: await concierge.ask("alone", kind="tool", **alone),
            BRAIN_TOOL_LOADED: await concierge.ask("at once", kind="tool", **loaded),
        }
        self._found["overhead"] = {what: Percentiles.of(one["overhead"]) for what, one in took.items()}
