"""A job's process, put together: one call in one room, with a bus, a feed and voices of its own.

`prewarm` and `entry` are what the worker hands to LiveKit's process pool; both run here, never in the worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass

import aiohttp
import msgspec
from livekit import rtc
from livekit.agents import AutoSubscribe, JobContext, JobProcess

from libs.bus.bus import Bus, new_id
from libs.bus.calls import CallOver, Calls
from libs.bus.conversations import Conversations
from libs.bus.feed import Feed
from libs.bus.settings import BusSettings
from libs.contracts.calls import CallTicket, ticket_of
from libs.observability.logs import configure_child
from libs.observability.loop_lag import Lateness
from libs.observability.settings import ObservabilitySettings
from libs.observability.tracing import Tracing, TracingSettings, begin_tracing
from libs.process import settle
from services.voice_gateway import events, livekit_spans
from services.voice_gateway.bus_exchange import BusExchange
from services.voice_gateway.call import VoiceCall
from services.voice_gateway.domain.manners import BACK_AGAIN
from services.voice_gateway.job_reports import Reporter, log_and_tell
from services.voice_gateway.ports import CallerIdentity, EndReason
from services.voice_gateway.presence import Presence
from services.voice_gateway.room_call import RoomCall
from services.voice_gateway.room_chat import RoomChat
from services.voice_gateway.room_line import RoomLine
from services.voice_gateway.room_switchboard import RoomSwitchboard
from services.voice_gateway.settings import CallSettings, GatewaySettings, SpeechSettings
from services.voice_gateway.speech.providers import SpeechFactory

_log = logging.getLogger(__name__)
_PREPARED = "botel"
_SERVICE = "voice_gateway"


@dataclass(frozen=True)
class Prepared:
    """What a process has ready before it is given a call."""

    speech: SpeechFactory
    call: CallSettings
    bus: BusSettings
    tracing: Tracing
    reporter: Reporter
    """Tells the gateway what this process counts."""


def prewarm(process: JobProcess, reports: str) -> None:
    """Read the settings and load the models. Raises `VoiceUnavailable` for a provider that cannot work.

    `reports`: `JobReports.path` of the gateway.
    """
    watch = ObservabilitySettings()
    configure_child(watch, service=_SERVICE)
    livekit_spans.switch_off()
    reporter = Reporter(reports)
    speech = SpeechFactory(SpeechSettings(), watch=log_and_tell(reporter))
    for property_id in GatewaySettings().property_ids():
        speech.warm(property_id)
    tracing = begin_tracing(TracingSettings(), service=_SERVICE, show_words=watch.show_words)
    process.userdata[_PREPARED] = Prepared(speech, CallSettings(), BusSettings(), tracing, reporter)


async def entry(ctx: JobContext) -> None:
    """Take the call. What goes wrong before it stands leaves the room as it is: a watchdog tries again."""
    prepared: Prepared = ctx.proc.userdata[_PREPARED]
    stack = contextlib.AsyncExitStack()
    stack.push_async_callback(prepared.tracing.close)
    try:
        ticket = ticket_of(ctx.job.room.name, ctx.job.metadata or ctx.job.room.metadata)
        ctx.log_context_fields = {"call_id": ticket.call_id}
        # All, as the server does it: what is subscribed by hand is not when LiveKit comes back after a restart, and the
        # concierge is deaf. Guests may publish a microphone and nothing else.
        await ctx.connect(auto_subscribe=AutoSubscribe.SUBSCRIBE_ALL)
        guest = await _guest(ctx, ticket, prepared.call.guest_wait_s)
        call = await _take(stack, ctx, prepared, ticket, guest)
    except Exception as error:  # the SDK raises bare ones; whatever it was, a watchdog tries again
        _log.warning("call not taken", extra={"reason": getattr(error, "code", type(error).__name__)})
        _log.debug("call not taken here", exc_info=True)
        try:
            await stack.aclose()
            if isinstance(error, CallOver):  # somebody came back with what had let them in: they need a new session
                await ctx.delete_room()
        finally:
            ctx.shutdown("not taken")  # or it stays in the room, silent, and keeps a process busy
        return
    serving = asyncio.create_task(_serve(stack, ctx, call), name="serve")

    async def served() -> None:
        await serving

    ctx.add_shutdown_callback(served)
    settle()


async def _serve(stack: contextlib.AsyncExitStack, ctx: JobContext, call: RoomCall) -> None:
    try:
        async with stack:
            await call.serve()
    finally:
        ctx.shutdown("served")


async def _guest(ctx: JobContext, ticket: CallTicket, wait_s: float) -> rtc.RemoteParticipant:
    """Raises TimeoutError when nobody comes."""
    async with asyncio.timeout(wait_s):
        return await ctx.wait_for_participant(identity=ticket.guest or None)


async def _take(
    stack: contextlib.AsyncExitStack,
    ctx: JobContext,
    prepared: Prepared,
    ticket: CallTicket,
    guest: rtc.RemoteParticipant,
) -> RoomCall:
    """Everything that a call needs, its lease first: `CallTaken` when somebody else answers it."""
    reporter = await stack.enter_async_context(prepared.reporter)
    late = asyncio.create_task(Lateness(reporter.late).run(), name="loop-lag")
    stack.callback(late.cancel)
    prepared.speech.attach(await stack.enter_async_context(aiohttp.ClientSession()))
    tracer = prepared.tracing.tracer
    bus = await stack.enter_async_context(Bus(prepared.bus, reporter, "voice-job", tracer))
    feed = await stack.enter_async_context(Feed(bus, new_id("voice")))
    calls = Calls(bus)
    caller = _caller(ticket, guest)
    exchange = BusExchange(Conversations(bus), feed, now_ms=_now_ms, new_id=new_id, tracer=tracer)
    link = await exchange.connect(caller)
    known = {"conversation_id": link.conversation_id, "guest": guest.identity, "trace": link.trace}
    ticket = msgspec.structs.replace(ticket, **known)
    stack.push_async_callback(link.close)
    lease = await stack.enter_async_context(calls.hold(ticket, feed.gateway_id))
    speech = prepared.speech.speech(ticket.property_id)
    stack.push_async_callback(speech.close)
    line = RoomLine(ctx.room, guest.identity)
    switchboard = RoomSwitchboard(ctx.api, ctx.room, guest, trunk_id=prepared.call.sip_trunk, new_id=new_id)
    call = VoiceCall(ticket.call_id, link, speech, line, prepared.call, _unwatched, switchboard, tracer)
    stack.push_async_callback(call.close, EndReason.ERROR, over=False)
    presence = Presence(
        guest.identity,
        after_hang_up_s=prepared.call.after_hang_up_s,
        after_loss_s=prepared.call.after_loss_s,
        on_left=call.hush,
        on_back=lambda: call.excuse(BACK_AGAIN),
    )
    presence.watch(ctx.room)
    stack.callback(presence.close)
    chat = RoomChat(ctx.room, guest.identity, link)
    stack.push_async_callback(chat.close)
    room_call = RoomCall(ticket, call, chat, presence, switchboard, lease, line.broken, prepared.call)
    await room_call.start()
    _log.info("call taken", extra={"conversation_id": link.conversation_id, "takeover": ticket.takeover})
    return room_call


def _caller(ticket: CallTicket, guest: rtc.RemoteParticipant) -> CallerIdentity:
    """Who calls by phone without a conversation is known by the number."""
    phone = guest.attributes.get("sip.phoneNumber", "")
    known = ticket.customer_id or ticket.reservation_id or ticket.conversation_id
    return CallerIdentity(
        property_id=ticket.property_id,
        customer_id=ticket.customer_id if known else phone,
        reservation_id=ticket.reservation_id,
        conversation_id=ticket.conversation_id,
        trace=ticket.trace,
    )


def _unwatched(event: events.AnyCallEvent) -> None:
    """Nobody looks into a room's call but its participants: LiveKit tells them of states and transcripts."""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
