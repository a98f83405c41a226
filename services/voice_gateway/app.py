"""The voice gateway, put together: bus, feed, speech and the audio door; and their end, calls first."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import time

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge

from libs.bus.bus import Bus, new_id
from libs.bus.calls import Calls
from libs.bus.conversations import Conversations
from libs.bus.feed import Feed
from libs.bus.settings import BusSettings
from libs.bus.tracing import Tracer
from libs.contracts.errors import BusUnavailable
from libs.observability import names
from libs.observability.health import Health, serve_health
from libs.observability.loop_lag import LoopLag
from libs.observability.metrics import BusMetrics, process_registry
from libs.observability.release import RELEASE
from libs.observability.settings import ObservabilitySettings
from libs.process import settle
from libs.rooms import RoomSettings
from services.voice_gateway.bus_exchange import BusExchange
from services.voice_gateway.door import Door
from services.voice_gateway.health import health_routes
from services.voice_gateway.job_reports import JobReports
from services.voice_gateway.ports import VoiceUnavailable
from services.voice_gateway.room_service import LiveKitRooms
from services.voice_gateway.settings import CallSettings, GatewaySettings, SpeechSettings
from services.voice_gateway.speech.metrics import SpeechMetrics
from services.voice_gateway.speech.providers import SpeechFactory
from services.voice_gateway.watchdog import Watchdog, WatchdogMetrics, WatchdogSettings
from services.voice_gateway.worker import Worker

_log = logging.getLogger(__name__)


async def run(
    gateway: GatewaySettings,
    call: CallSettings,
    speech_settings: SpeechSettings,
    bus_settings: BusSettings,
    watch: ObservabilitySettings,
    rooms: RoomSettings,
    stop: asyncio.Event,
    tracer: Tracer | None = None,
) -> None:
    """Take calls until `stop`. `VoiceUnavailable` for a provider that cannot work, `OSError` for a port taken."""
    _check_loopback(gateway.host)
    registry = process_registry("voice_gateway", RELEASE)
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        providers, counted = SpeechMetrics(registry), BusMetrics(registry)
        speech = SpeechFactory(speech_settings, http, providers)
        stack.callback(speech.close)
        await asyncio.to_thread(speech.warm)
        bus = await stack.enter_async_context(Bus(bus_settings, counted, "voice-gateway", tracer))
        feed = await stack.enter_async_context(Feed(bus, new_id("voice")))
        exchange = BusExchange(Conversations(bus), feed, now_ms=_now_ms, new_id=new_id, tracer=tracer)
        door = Door(exchange, speech, gateway, call, new_id, tracer)
        lag = LoopLag(registry)
        reports = await stack.enter_async_context(JobReports(registry, counted, providers))
        worker = Worker(rooms, gateway, Calls(bus), lag, reports) if rooms.configured else None
        health = _health(registry, bus, feed, door, worker)
        side = [asyncio.create_task(lag.run(), name="loop-lag"), *_operators_port(watch, gateway, health)]
        stack.push_async_callback(_end, side)
        if worker:
            side.append(asyncio.create_task(worker.run(), name="rooms"))
            watchdog = await _watchdog(stack, rooms, bus, registry)
            watching = asyncio.create_task(_watch(worker, watchdog), name="watchdog")
            # Before the calls are left: those are for the watchdogs of others. And before its connection is closed.
            stack.push_async_callback(_end, [watching])
            side.append(watching)
        runner = await _serve(gateway, door, health)
        stack.push_async_callback(runner.cleanup)
        settle()
        stopping = asyncio.create_task(stop.wait(), name="stop")
        done, _ = await asyncio.wait([stopping, *side], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        health.drain()
        await _end([task for task in side if task.get_name() == "watchdog"])
        _log.info("voice gateway drains", extra={"calls": door.calls, "rooms": worker.calls if worker else 0})
        await asyncio.gather(door.drain(gateway.drain_s), *([worker.drain(gateway.drain_s)] if worker else []))


def _operators_port(watch: ObservabilitySettings, gateway: GatewaySettings, health: Health) -> list[asyncio.Task[None]]:
    """The door is for this machine only; an operator may ask from another."""
    if watch.health_port in (0, gateway.port):
        return []
    serving = serve_health(health, host=watch.health_host, port=watch.health_port)
    return [asyncio.create_task(serving, name="health")]


async def _watch(worker: Worker, watchdog: Watchdog) -> None:
    """Not before an agent that is sent has somewhere to go: a dispatch that finds no worker is lost."""
    await worker.registered.wait()
    await watchdog.run()


async def _watchdog(
    stack: contextlib.AsyncExitStack, rooms: RoomSettings, bus: Bus, registry: CollectorRegistry
) -> Watchdog:
    settings = WatchdogSettings()
    service = await stack.enter_async_context(LiveKitRooms(rooms, timeout_s=settings.timeout_s))
    return Watchdog(Calls(bus), service, Conversations(bus), settings, WatchdogMetrics(registry), now_ms=_now_ms)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _serve(gateway: GatewaySettings, door: Door, health: Health) -> web.AppRunner:
    app = web.Application()
    app.add_routes([*door.routes(), *health_routes(health)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, gateway.host, gateway.port)
    await site.start()
    _log.info("audio door listens", extra={"addresses": [str(address) for address in runner.addresses]})
    return runner


def _health(registry: CollectorRegistry, bus: Bus, feed: Feed, door: Door, worker: Worker | None) -> Health:
    async def feeding() -> None:
        if not feed.healthy:
            raise BusUnavailable("the feed has stopped")

    calls = Gauge(names.CALLS, "Calls on the line", ["where"], registry=registry)
    calls.labels("door").set_function(lambda: door.calls)
    calls.labels("room").set_function(lambda: worker.calls if worker else 0)
    checks = {"redis": bus.ping, "feed": feeding, "lines": door.check}
    return Health(registry, {**checks, "rooms": worker.check} if worker else checks)


def _check_loopback(host: str) -> None:
    if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
        raise VoiceUnavailable("the audio door has no guest authentication: BOTEL_VOICE_HOST must be loopback")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
