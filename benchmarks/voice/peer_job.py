"""The peer's job: one call, answered in this process. `benchmarks.voice.peer` hands `prewarm` and `entry` to LiveKit.

Same agent and model as the brain's, same recogniser, voice and detector classes as the gateway's.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from pathlib import Path
from typing import Any, cast

import msgspec
from langchain_core.messages import HumanMessage
from livekit.agents import Agent, AgentSession, AutoSubscribe, JobContext, JobProcess
from livekit.agents.voice import events as lk
from livekit.agents.voice.room_io import AudioInputOptions, RoomOptions
from livekit.plugins.langchain import LLMAdapter

from benchmarks.voice.journal import Journal, Order, Said, numbers_of
from benchmarks.voice.peer_graph import InProcessGraph
from benchmarks.voice.plan import GREETING, PROPERTY, QUESTIONS
from libs.process import settle
from services.brain.agent import OwnAgent
from services.brain.answer import wall_clock
from services.brain.offline_model import OfflineChatModel
from services.brain.pms.memory import MemoryPms
from services.brain.pms.retrying import RetryingReads
from services.brain.pms.sample import harbour
from services.brain.pms.sqlite import SqlitePms
from services.voice_gateway.audio import FRAME_MS, SAMPLE_RATE
from services.voice_gateway.session import session_of
from services.voice_gateway.settings import CallSettings, SpeechSettings
from services.voice_gateway.speech.providers import Speech, SpeechFactory

DIRECTORY = "BENCH_PEER_DIRECTORY"
"""In the environment: where each call's hotel is."""
_SPEECH = "speech"
_GUEST_S = 60.0


def prewarm(process: JobProcess) -> None:
    """As our gateway does it: the models are loaded before there is a call. And the agent has answered before, as a
    brain's has: LangGraph's first run in a process takes three times as long as any other."""
    speech = SpeechFactory(SpeechSettings())
    speech.warm()
    process.userdata[_SPEECH] = speech
    warming = threading.Thread(target=lambda: asyncio.run(_warm()))
    warming.start()
    warming.join()


async def _warm() -> None:
    pms = MemoryPms(harbour(wall_clock().date()), wall_clock)
    graph = InProcessGraph(OwnAgent(OfflineChatModel()), RetryingReads(pms), lambda _: None)
    for question in QUESTIONS[:2]:
        async for _ in graph.astream({"messages": [HumanMessage(question)]}):
            pass


async def entry(ctx: JobContext) -> None:
    """Take the call until the guest leaves."""
    order = msgspec.json.decode(ctx.job.metadata, type=Order)
    journal = Journal(order.journal)
    directory = Path(tempfile.mkdtemp(prefix="hotel-", dir=os.environ[DIRECTORY]))
    pms = await SqlitePms.open(directory / "hotel.sqlite3", harbour(wall_clock().date()), wall_clock)
    agent = OwnAgent(OfflineChatModel(token_s=order.token_s))
    # The adapter is typed for LangGraph's class and uses one method of it.
    graph = cast("Any", InProcessGraph(agent, RetryingReads(pms), journal.write))
    await ctx.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)
    async with asyncio.timeout(_GUEST_S):
        await ctx.wait_for_participant()
    speech: Speech = ctx.proc.userdata[_SPEECH].speech(PROPERTY)
    session = _session(order, LLMAdapter(graph), speech)

    def note(event: lk.ConversationItemAddedEvent) -> None:
        item = event.item
        if item.type == "message":
            journal.write(Said(item.role, item.text_content or "", item.interrupted, numbers_of(item.metrics)))

    async def end() -> None:
        await speech.close()
        await pms.close()

    session.on("conversation_item_added", note)
    session.on("close", lambda _: ctx.shutdown("over"))
    ctx.add_shutdown_callback(end)
    await session.start(Agent(instructions=""), room=ctx.room, room_options=_room_options(order))
    session.say(GREETING, add_to_chat_ctx=False)
    settle()


def _session(order: Order, model: LLMAdapter[Any], speech: Speech) -> AgentSession[None]:
    if order.defaults:
        return AgentSession(stt=speech.stt, llm=model, tts=speech.tts)
    return session_of(model, speech, CallSettings())


def _room_options(order: Order) -> RoomOptions:
    """The defaults; or the guest's audio in frames as short as ours, which is less than half of the default."""
    if order.defaults:
        return RoomOptions(delete_room_on_close=True)
    heard = AudioInputOptions(sample_rate=SAMPLE_RATE, frame_size_ms=FRAME_MS)
    return RoomOptions(delete_room_on_close=True, audio_input=heard)
