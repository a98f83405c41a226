"""The brain's composition root: settings, hotel, model, agent, worker, health, in this order; and their end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
from langchain_core.tracers.langchain import wait_for_all_tracers

from libs.bus.bus import Bus, new_id
from libs.bus.settings import BusSettings
from libs.bus.tracing import Tracer
from libs.bus.worker import Worker
from libs.contracts.errors import BotelError
from libs.observability.health import Check, Health, serve_health
from libs.observability.logs import configure
from libs.observability.loop_lag import LoopLag
from libs.observability.metrics import BusMetrics, process_registry
from libs.observability.release import RELEASE
from libs.observability.settings import ObservabilitySettings
from libs.observability.tracing import TracingSettings, tracing
from libs.process import settle
from services.brain.agent import Agent, OwnAgent, load_agent
from services.brain.answer import Concierge, wall_clock
from services.brain.earlier import EarlierEvents, earlier_events
from services.brain.models import address, http_client, make_model, model_name
from services.brain.pms.distant import DistantPms
from services.brain.pms.retrying import RetryingReads
from services.brain.pms.sample import TIMEZONE, harbour
from services.brain.pms.sqlite import SqlitePms
from services.brain.settings import BrainSettings, ModelSettings

_log = logging.getLogger(__name__)

TRACE_FLUSH_S = 5.0


async def run() -> None:
    """Run a brain until SIGTERM or SIGINT; running answers may end within the drain time, or until a second signal."""
    brain, model, watch = BrainSettings(), ModelSettings(), ObservabilitySettings()
    worker_id = new_id("brain")
    configure(watch, service="brain", worker_id=worker_id)
    registry = process_registry("brain", RELEASE)
    async with contextlib.AsyncExitStack() as stack:
        settings = BusSettings()
        tracer = await stack.enter_async_context(
            tracing(TracingSettings(), service="brain", instance=worker_id, show_words=watch.show_words)
        )
        earlier = await stack.enter_async_context(
            earlier_events(
                brain.store_url,
                brain.keys_of_store(),
                limit=settings.log_tail,
                timeout_s=brain.store_timeout_s,
            )
        )
        concierge = await stack.enter_async_context(concierge_of(brain, model, earlier, tracer))
        bus = await stack.enter_async_context(Bus(settings, BusMetrics(registry), worker_id, tracer))
        worker = Worker(bus, worker_id, concierge.answer, slots=brain.slots)
        health = Health(registry, {"redis": bus.ping, "leases": _leases(worker)})
        side = [serve_health(health, host=watch.health_host, port=watch.health_port), LoopLag(registry).run()]
        await _serve(worker, health, side, brain.drain_s)


async def _serve(worker: Worker, health: Health, side: Sequence[Coroutine[Any, Any, None]], drain_s: float) -> None:
    """Work until told to stop or until something breaks. Redis may come later: health tells that it is missing."""
    signals = _Signals()
    stopping = asyncio.create_task(signals.first.wait())
    starting = asyncio.create_task(worker.start())
    tasks = [stopping, starting, *map(asyncio.create_task, side)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if starting.done() and not starting.exception():
            settle()
            _log.info("brain ready")
            await asyncio.wait([task for task in tasks if task is not starting], return_when=asyncio.FIRST_COMPLETED)
        health.drain()
        _log.info("brain drains", extra={"in_flight": worker.in_flight})
        if starting.done() and not starting.exception():
            await _drain(worker, drain_s, signals)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error


@contextlib.asynccontextmanager
async def concierge_of(
    brain: BrainSettings,
    model: ModelSettings,
    earlier: EarlierEvents | None = None,
    tracer: Tracer | None = None,
) -> AsyncIterator[Concierge]:
    """The handler with all that it needs, closed at the end. Raises a typed error if a setting does not work."""
    today = wall_clock().astimezone(ZoneInfo(TIMEZONE)).date()
    pms = await SqlitePms.open(brain.hotel_path, harbour(today), wall_clock)
    http = http_client(model)
    try:
        if brain.agent:
            agent: Agent = load_agent(brain.agent)
        else:
            agent = OwnAgent(make_model(model, http), tool_timeout_s=brain.tool_timeout_s)
            await _warm(http, address(model))
        yield Concierge(
            agent,
            RetryingReads(DistantPms(pms, brain.pms_latency_s) if brain.pms_latency_s else pms),
            model_name=brain.agent or model_name(model),
            clock=wall_clock,
            tool_timeout_s=brain.tool_timeout_s,
            earlier=earlier,
            desks=brain.desk_names(),
            prices=model.prices(),
            tracer=tracer,
        )
    finally:
        await http.aclose()
        await pms.close()
        await _flush_traces()


async def _flush_traces() -> None:
    """LangSmith's client sends from threads of its own: give it a moment, but never let it hold up a shutdown."""
    flush = threading.Thread(target=wait_for_all_tracers, daemon=True)
    flush.start()
    await asyncio.to_thread(flush.join, TRACE_FLUSH_S)


async def _warm(http: httpx2.AsyncClient, url: str) -> None:
    """Open a connection before the first guest waits for it; what the server answers does not matter."""
    if url:
        with contextlib.suppress(httpx2.HTTPError):
            await http.get(f"{url.rstrip('/')}/models")


class LeaseLost(BotelError):
    code = "lease-lost"
    advice = "Redis has not confirmed this worker in time; it takes no turns until it does."


def _leases(worker: Worker) -> Check:
    async def check() -> None:
        if not worker.healthy:
            raise LeaseLost

    return check


async def _drain(worker: Worker, drain_s: float, signals: _Signals) -> None:
    """A second signal ends the grace period; a side effect that has begun ends in any case, within its timeout."""
    draining, again = asyncio.create_task(worker.drain(drain_s)), asyncio.create_task(signals.second.wait())
    await asyncio.wait({draining, again}, return_when=asyncio.FIRST_COMPLETED)
    again.cancel()
    if draining.done():
        return draining.result()
    _log.info("brain hastens", extra={"in_flight": worker.in_flight})
    draining.cancel()
    await asyncio.gather(draining, return_exceptions=True)
    await worker.drain(0)


class _Signals:
    """SIGTERM and SIGINT, the first and the next one."""

    def __init__(self) -> None:
        self.first, self.second = asyncio.Event(), asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, self._came)

    def _came(self) -> None:
        (self.second if self.first.is_set() else self.first).set()
