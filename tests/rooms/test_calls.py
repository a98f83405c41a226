"""Calls in real rooms: what the guest hears, types and finds in the history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from deploy.call.recording import Span
from deploy.demo.hearing import words_audible
from deploy.local.stack import Stack
from services.voice_gateway.domain.manners import BACK_AGAIN
from services.voice_gateway.domain.wording import words_of
from tests.eventually import eventually
from tests.rooms.calls import Call, as_said, asked, events, kill_busy_brain, kill_job, room_stack
from tests.servers.livekit import need_livekit

BREAKFAST = "what time is breakfast served on monday"
PARKING = "where can we park the car"
TOUR = "tell me about the hotel"
TOUR_ENDS = "one in the morning"


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    need_livekit()
    # Words are written faster than they are spoken, and still for seconds when the first of them are heard.
    async with room_stack(tmp_path, BRAIN_OFFLINE_TOKEN_S="0.1", BOTEL_CALL_AFTER_HANG_UP_S="10") as running:
        yield running


async def metrics(stack: Stack) -> str:
    """Of the voice gateway."""
    async with aiohttp.ClientSession() as http, http.get(f"{stack.voice_url}/metrics") as told:
        return await told.text()


async def audible(call: Call, span: Span, text: str) -> int:
    """Words of the text that are in what the guest heard meanwhile."""
    return await asyncio.to_thread(words_audible, call.guest.heard.pcm(span.start_s, span.end_s), text)


async def test_a_call_from_the_greeting_to_the_history(stack: Stack) -> None:
    async with Call(stack) as call:
        greeting = await call.guest.speech()
        assert await audible(call, greeting, "hello this is your hotel concierge how can i help") >= 8

        answer = await call.ask(BREAKFAST)
        text = "breakfast is served from seven to half past ten in the lighthouse restaurant on the ground floor"
        assert await audible(call, answer, text) >= len(text.split()) - 2

        toured = await call.say(TOUR)
        began = await call.guest.voice(toured.end_s)
        await call.until_said("Let me take you")
        barged = await call.say(PARKING)
        await call.until_said("garage")
        await call.guest.speech(barged.end_s)
        cut = call.guest.heard.pcm(began, barged.end_s)

        await call.guest.write("is there a swimming pool?")
        await call.guest.until(lambda: "pool" in call.typed(), timeout_s=60, why="no typed answer")
        conversation = call.way.conversation_id

    async def over() -> bool:
        return any(event["type"] == "call.ended" for event in await events(stack, conversation))

    await eventually(over, within_s=60)
    lines = [BREAKFAST, TOUR, PARKING, "is there a swimming pool?"]
    assert as_said(await asked(stack, conversation), *lines) == lines
    kinds = [event["type"] for event in await events(stack, conversation)]
    assert kinds.count("call.started") == kinds.count("call.ended") == 1
    heard = [event for event in await events(stack, conversation) if event["type"] == "reply.heard"]
    assert [event["complete"] for event in heard] == [True, False, True]
    generated = [event for event in await events(stack, conversation) if event["type"] == "reply.generated"]
    listened = await asyncio.to_thread(words_audible, cut, generated[1]["text"])
    # Two words, and one for the recogniser that listens here.
    assert abs(len(words_of(heard[1]["text"])) - listened) <= 3, (heard[1]["text"], listened)
    assert listened >= 2
    # The job has no port: what it counts is told by its gateway.
    assert 'botel_turns_accepted_total{outcome="ok",property="harbour"} 4.0' in await metrics(stack)
    [ended] = [event for event in await events(stack, conversation) if event["type"] == "call.ended"]
    assert ended["reason"] == "guest-left"
    assert (ended["quality"]["turns"], ended["quality"]["interruptions"]) == (3, 1)
    # The figures of the line have come; jitter may well be none on loopback.
    assert ended["quality"]["packets"] > 100
    assert 0 <= ended["quality"].get("packet_loss", 0) < 0.2


async def test_a_call_outlives_a_brain_and_its_gateway(stack: Stack) -> None:
    async with Call(stack) as call:
        await call.guest.speech()
        await call.say(TOUR)
        await call.until_said("Let me take you")
        await kill_busy_brain(stack)
        at_kill = len(call.concierge().split())
        await call.guest.until(
            lambda: len(call.concierge().split()) > at_kill + 15, timeout_s=60, why="no more words after the kill"
        )
        assert call.concierge().count("Let me take you") == 1
        # Captions come as the words are spoken: who dies now cannot have reported that all was heard.
        assert TOUR_ENDS not in call.concierge()

        kill_job(stack, call.way.room)
        await call.until_said(BACK_AGAIN)
        await call.guest.until(
            lambda: call.concierge().count("Let me take you") == 2, timeout_s=60, why="the answer is not begun again"
        )
        await call.ask_until(PARKING, "garage")
    said = as_said(await asked(stack, call.way.conversation_id), TOUR, PARKING)
    assert (said[0], said[-1], said.count(TOUR)) == (TOUR, PARKING, 1)
    seen = await events(stack, call.way.conversation_id)
    assert [event["type"] for event in seen].count("call.started") == 1
    toured = next(event["turn_id"] for event in seen if event["type"] == "message.received")
    told = [event for event in seen if event.get("turn_id") == toured]
    [written] = [event["text"] for event in told if event["type"] == "reply.generated"]
    assert TOUR_ENDS in written, "whoever took the turn over did not finish it"
    assert [event["type"] for event in told].count("reply.heard") == 1, "told by the gateway that began it again"


async def test_a_guest_comes_back_into_the_same_call_while_others_call(stack: Stack) -> None:
    async with Call(stack) as call, Call(stack, "guest-107") as other:
        await asyncio.gather(call.guest.speech(), other.guest.speech())
        room = call.way.room
        assert other.way.room != room
        await call.guest.leave()
        await call.join()
        assert call.way.room == room
        # Before that nobody listens: who joins a room is heard a little later.
        await call.until_said(BACK_AGAIN)
        await call.ask_until(BREAKFAST, "Breakfast is served")
    found = [event["type"] for event in await events(stack, call.way.conversation_id)]
    assert found.count("call.started") == 1
