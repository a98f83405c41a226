"""The text gateway, put together: the one place that knows the bus and the web at once."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter, Gauge

from libs.bus.bus import Bus, new_id
from libs.bus.calls import Calls as BusCalls
from libs.bus.conversations import Conversations as BusConversations
from libs.bus.feed import Feed as BusFeed
from libs.bus.limits import Buckets
from libs.bus.settings import BusSettings
from libs.bus.tracing import Tracer
from libs.contracts.errors import BusUnavailable
from libs.observability import names
from libs.observability.health import Health, routes
from libs.observability.http import HttpMetrics, RateMetrics
from libs.observability.loop_lag import LoopLag
from libs.observability.metrics import BusMetrics, process_registry
from libs.observability.release import RELEASE
from libs.process import settle
from libs.rooms import RoomSettings
from libs.web.api_keys import ApiKeys, ApiKeySettings, load_api_keys
from libs.web.application import new_application
from libs.web.rates import Rates, RateSettings
from libs.web.serve import serve
from services.text_gateway.http.api import Desk, router
from services.text_gateway.http.streams import StreamSlots
from services.text_gateway.http.voice import VoiceDesk, voice_router
from services.text_gateway.livekit_rooms import LiveKitRooms
from services.text_gateway.no_rooms import NoRooms
from services.text_gateway.ports import Calls, Conversations, Feed, Rooms
from services.text_gateway.room_reports import RoomReports
from services.text_gateway.sessions import Sessions
from services.text_gateway.settings import TextSettings, VoiceSessionSettings
from services.text_gateway.turns import Turns


async def run(
    settings: TextSettings,
    bus_settings: BusSettings,
    key_settings: ApiKeySettings,
    stop: asyncio.Event,
    on_bound: Callable[[int], None] | None = None,
    *,
    room_settings: RoomSettings | None = None,
    session_settings: VoiceSessionSettings | None = None,
    rate_settings: RateSettings | None = None,
    tracer: Tracer | None = None,
) -> None:
    """Serve until `stop`; without rooms when they are not configured. Whether LiveKit is up is no part of readiness.

    `ConfigurationError` for keys that cannot be served with, `OSError` for a port taken.
    """
    session_settings = session_settings or VoiceSessionSettings()
    api_keys = load_api_keys(key_settings, settings.host)
    registry = process_registry("text_gateway", RELEASE)
    async with (
        Bus(bus_settings, BusMetrics(registry), "text-gateway", tracer) as bus,
        BusFeed(bus, new_id("text")) as feed,
        _rooms(room_settings, session_settings) as rooms,
    ):

        async def feeding() -> None:
            if not feed.healthy:
                raise BusUnavailable("the feed has stopped")

        health = Health(registry, {"redis": bus.ping, "feed": feeding})
        conversations = BusConversations(bus)
        rates = Rates(Buckets(bus), (rate_settings or RateSettings()).limits(), RateMetrics(registry))
        app = build(settings, api_keys, conversations, feed, health, registry, stop, rates, tracer)
        add_voice(app, conversations, rooms, BusCalls(bus), registry, session_settings, tracer)
        settle()
        await serve(
            app,
            host=settings.host,
            port=settings.port,
            stop=stop,
            beside=[LoopLag(registry).run],
            grace_s=settings.grace_s,
            stall_s=settings.stall_s,
            on_bound=on_bound,
        )


def build(
    settings: TextSettings,
    api_keys: ApiKeys,
    conversations: Conversations,
    feed: Feed,
    health: Health,
    registry: CollectorRegistry,
    closing: asyncio.Event,
    rates: Rates | None = None,
    tracer: Tracer | None = None,
) -> FastAPI:
    """The application over parts that are there already: tests give it others."""
    slots = StreamSlots(settings.max_streams, settings.max_streams_per_key)
    streams = Gauge(names.HTTP_STREAMS, "Event streams open now", registry=registry)
    streams.set_function(lambda: slots.open)
    turns = Turns(
        conversations,
        feed,
        now_ms=_now_ms,
        new_id=new_id,
        deadline_ms=settings.turn_deadline_ms,
        reply_timeout_s=settings.reply_timeout_s,
        tracer=tracer,
    )
    app = new_application(
        "Text gateway",
        api_keys=api_keys,
        max_body_bytes=settings.max_body_bytes,
        watcher=HttpMetrics(registry),
        operator_routes=routes(health),
        rates=rates,
    )
    app.state.desk = Desk(conversations, feed, turns, slots, heartbeat_s=settings.heartbeat_s, closing=closing)
    app.include_router(router)
    return app


def add_voice(
    app: FastAPI,
    conversations: Conversations,
    rooms: Rooms,
    calls: Calls,
    registry: CollectorRegistry,
    settings: VoiceSessionSettings,
    tracer: Tracer | None = None,
) -> None:
    """Voice sessions and LiveKit's webhook."""
    opened = Counter(names.VOICE_SESSIONS, "Voice sessions asked for, by outcome", ["outcome"], registry=registry)
    for outcome in ("opened", "rejoined"):
        opened.labels(outcome)
    reported = Counter(
        names.VOICE_WEBHOOKS, "LiveKit's webhooks, by event and outcome", ["event", "outcome"], registry=registry
    )
    sessions = Sessions(
        conversations,
        rooms,
        calls,
        now_ms=_now_ms,
        new_id=new_id,
        count=lambda outcome: opened.labels(outcome).inc(),
        tracer=tracer,
    )
    reports = RoomReports(
        conversations,
        rooms,
        calls,
        now_ms=_now_ms,
        count=lambda event, outcome: reported.labels(event, outcome).inc(),
    )
    app.state.voice_desk = VoiceDesk(sessions, reports, max_webhook_bytes=settings.max_webhook_bytes)
    app.include_router(voice_router)


@contextlib.asynccontextmanager
async def _rooms(where: RoomSettings | None, settings: VoiceSessionSettings) -> AsyncIterator[Rooms]:
    if where is None or not where.configured:
        yield NoRooms()
        return
    async with LiveKitRooms(where, settings, now_ms=_now_ms) as rooms:
        yield rooms


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
