"""The context store, put together: the one place that knows the bus, the database and the web at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from libs.bus.bus import Bus, new_id
from libs.bus.events import EventConsumer
from libs.bus.limits import Buckets
from libs.bus.settings import BusSettings
from libs.bus.stats import read_stats
from libs.bus.tracing import Tracer
from libs.contracts.errors import BusUnavailable
from libs.contracts.keys import STORE_GROUP
from libs.observability.health import Check, Health, routes
from libs.observability.http import HttpMetrics, RateMetrics
from libs.observability.loop_lag import LoopLag
from libs.observability.metrics import BusMetrics, process_registry
from libs.observability.release import RELEASE
from libs.observability.stages import StageMetrics
from libs.process import settle
from libs.web.api_keys import ApiKeys, ApiKeySettings, ConfigurationError, load_api_keys
from libs.web.application import new_application
from libs.web.problems import problem_response, request_id_of
from libs.web.rates import Rates, RateSettings
from libs.web.serve import serve
from services.context_store.adapters.bus_live import BusConversations
from services.context_store.adapters.sql_archive import SqlArchive, open_archive
from services.context_store.changes import Changes
from services.context_store.history import History
from services.context_store.http.api import Desk, router
from services.context_store.ingest import Ingest
from services.context_store.lag import LagWatch, lag_table
from services.context_store.metrics import StoreMetrics
from services.context_store.retire import Retirer
from services.context_store.settings import StoreSettings


async def run(
    settings: StoreSettings,
    bus_settings: BusSettings,
    key_settings: ApiKeySettings,
    stop: asyncio.Event,
    on_bound: Callable[[int], None] | None = None,
    now_ms: Callable[[], int] | None = None,
    *,
    rate_settings: RateSettings | None = None,
    tracer: Tracer | None = None,
) -> None:
    """Consume and serve until `stop`. `ConfigurationError` for keys or times that cannot be served with.

    `now_ms`: another clock than the wall's, Unix milliseconds.
    """
    api_keys = load_api_keys(key_settings, settings.host)
    _check_times(settings, bus_settings)
    clock = now_ms or _now_ms
    registry = process_registry("context_store", RELEASE)
    archive = await open_archive(settings.database)
    try:
        async with Bus(bus_settings, BusMetrics(registry), "context-store", tracer) as bus:
            live = BusConversations(bus, tail_timeout_ms=settings.tail_timeout_ms)
            history = History(archive, live)
            changes = Changes(archive, history, live, now_ms=clock, new_id=new_id, tracer=tracer)
            watch = LagWatch(lambda: read_stats(bus), registry, every_s=settings.lag_every_s)
            metrics = StoreMetrics(registry)
            sink = Ingest(archive, live, on_event=StageMetrics(registry).observe, on_batch=metrics.count)
            beside = [watch.run, LoopLag(registry).run]
            if settings.retire_after_s:
                beside.append(_retirer(settings, archive, live, clock, metrics.retired).run)
            consumer = EventConsumer(bus, STORE_GROUP, settings.consumer, sink)
            checks = {"archive": archive.ping, "ingest": sink.check, "redis": bus.ping, "events": _reading(consumer)}
            health = Health(registry, checks)
            rates = Rates(Buckets(bus), (rate_settings or RateSettings()).limits(), RateMetrics(registry))
            app = build(settings, api_keys, Desk(archive, history, changes), watch, health, registry, rates)
            settle()
            await serve(
                app,
                host=settings.host,
                port=settings.port,
                stop=stop,
                beside=[consumer.run, *beside],
                grace_s=settings.grace_s,
                on_bound=on_bound,
            )
    finally:
        await archive.close()


def build(
    settings: StoreSettings,
    api_keys: ApiKeys,
    desk: Desk,
    watch: LagWatch,
    health: Health,
    registry: CollectorRegistry,
    rates: Rates | None = None,
) -> FastAPI:
    """The application over parts that are there already: tests give it others."""

    async def lag(request: Request) -> Response:
        if watch.known is None:
            return problem_response(BusUnavailable("the streams could not be read"), request_id_of(request))
        return JSONResponse({"shards": lag_table(watch.known)})

    app = new_application(
        "Context store",
        api_keys=api_keys,
        max_body_bytes=settings.max_body_bytes,
        watcher=HttpMetrics(registry),
        operator_routes=[*routes(health), Route("/lag", lag)],
        rates=rates,
    )
    app.state.desk = desk
    app.include_router(router)
    return app


def _reading(consumer: EventConsumer) -> Check:
    async def check() -> None:
        if not consumer.healthy:
            raise BusUnavailable("the events cannot be read: the log says why")

    return check


def _retirer(
    settings: StoreSettings,
    archive: SqlArchive,
    live: BusConversations,
    now_ms: Callable[[], int],
    on_retired: Callable[[str], None],
) -> Retirer:
    idle_ms, every_s = settings.retire_after_s * 1000, settings.retire_every_s
    return Retirer(archive, live, live, idle_ms=idle_ms, every_s=every_s, now_ms=now_ms, on_retired=on_retired)


def _check_times(settings: StoreSettings, bus_settings: BusSettings) -> None:
    """An id that is still remembered must not name an event that is gone: its repetition would find no answer."""
    if 0 < settings.retire_after_s < bus_settings.dedup_s:
        raise ConfigurationError(
            f"BOTEL_STORE_RETIRE_AFTER_S={settings.retire_after_s} is below BOTEL_BUS_DEDUP_S={bus_settings.dedup_s}"
        )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
