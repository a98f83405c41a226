"""What happens in calls besides questions and answers, all on one stack: noise, strangers, other channels, wishes about
the call itself, and the loss of the concierge or of LiveKit.
"""

from __future__ import annotations

import asyncio
import json
import signal
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from livekit import api

from deploy.call.guest import CHAT
from deploy.call.microphone import SAMPLE_RATE
from deploy.call.voice import spoken
from deploy.demo.hearing import words_audible
from deploy.local.stack import Stack
from services.voice_gateway.domain.control import NOT_PUT_THROUGH
from services.voice_gateway.domain.manners import BACK_AGAIN
from services.voice_gateway.speech.espeak import Voice
from tests.rooms.calls import Call, as_said, asked, events, happened, room_stack, rooms_of, stranger, write_elsewhere
from tests.servers.livekit import need_livekit

pytestmark = pytest.mark.asyncio(loop_scope="module")

BREAKFAST = "what time is breakfast served on monday"
PARKING = "where can we park the car"
POOL = "is there a swimming pool"
SOON_S = 60.0
ENV = {
    "BOTEL_CALL_GREETING": "Hello.",
    "BOTEL_CALL_AFTER_HANG_UP_S": "0.5",
    # Nobody is asked whether they are there because this machine is slow.
    "BOTEL_CALL_SILENCE_S": "120",
    "BRAIN_DESKS": "reception",
    "BOTEL_CALL_DESKS": json.dumps({"reception": "tel:+4940123"}),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    need_livekit()
    async with room_stack(tmp_path_factory.mktemp("in-call"), brains=1, **ENV) as running:
        yield running


@pytest.fixture
def customer() -> str:
    """One of each test's own: a guest's next call goes on with the conversation of the last."""
    return f"guest-{uuid.uuid4().hex[:8]}"


async def test_somebody_else_in_the_room_is_neither_heard_nor_read_nor_answered(stack: Stack, customer: str) -> None:
    async with Call(stack, customer) as call, stranger(stack, call) as other:
        await call.guest.speech()
        parking = await asyncio.to_thread(spoken, PARKING)
        await other.say(parking)
        said = await call.say(BREAKFAST)
        await call.guest.voice(said.end_s)
        await other.say(parking)
        await other.write(PARKING)
        [heard] = await happened(stack, call.way.conversation_id, "reply.heard")
        assert heard["complete"], "a stranger has cut the answer"
        await call.guest.write(POOL)
        await call.guest.until(lambda: "pool" in call.typed(), timeout_s=SOON_S, why="no typed answer")
        assert as_said(await asked(stack, call.way.conversation_id), BREAKFAST) == [BREAKFAST, POOL]
        assert "garage" not in call.concierge() + call.typed()
        assert [text for text in other.texts if text.topic == CHAT and text.sender.startswith("concierge-")] == []


async def test_noise_pauses_the_answer_which_then_goes_on(stack: Stack, customer: str) -> None:
    async with Call(stack, customer) as call:
        await call.guest.speech()
        said = await call.say(BREAKFAST)
        start = await call.guest.voice(said.end_s)
        await call.guest.say(await asyncio.to_thread(spoken, "aaaaaah", Voice("en-us", 80)))
        [heard] = await happened(stack, call.way.conversation_id, "reply.heard")
        conversation, recording = call.way.conversation_id, call.guest.heard
    assert heard["complete"]
    # No sooner does the concierge go on than after a second of silence: BOTEL_CALL_RESUME_AFTER_S.
    assert recording.longest_silence(start, recording.voiced()[-1].end_s).length_s > 0.8
    [ended] = await happened(stack, conversation, "call.ended")
    assert ended["quality"]["false_interruptions"] == 1
    assert "interruptions" not in ended["quality"]
    assert as_said(await asked(stack, conversation), BREAKFAST) == [BREAKFAST]


async def test_a_goodbye_is_heard_whole_before_the_concierge_hangs_up(stack: Stack, customer: str) -> None:
    async with Call(stack, customer) as call:
        await call.guest.speech()
        said = await call.say("that is everything goodbye")
        await call.guest.until(lambda: call.guest.drops, timeout_s=SOON_S, why="nobody hangs up")
        assert call.guest.drops == ["ROOM_DELETED"]
        pcm = call.guest.heard.pcm(said.end_s, call.guest.heard.span.end_s)
    text = "goodbye and enjoy your stay"
    assert await asyncio.to_thread(words_audible, pcm, text) == len(text.split())
    [heard] = await happened(stack, call.way.conversation_id, "reply.heard")
    assert heard["complete"]
    [ended] = await happened(stack, call.way.conversation_id, "call.ended")
    assert ended["reason"] == "concierge-hung-up"


async def test_who_cannot_be_put_through_hears_so_and_the_call_goes_on(stack: Stack, customer: str) -> None:
    async with Call(stack, customer) as call:
        await call.guest.speech()
        await call.ask_until("please put me through to reception", NOT_PUT_THROUGH)
        assert "I'm putting you through to the reception" in call.concierge()
        [done] = await happened(stack, call.way.conversation_id, "command.completed")
        assert (done["ok"], "BOTEL_CALL_SIP_TRUNK" in done["detail"]) == (False, True)
        await call.ask_until(PARKING, "garage")


async def test_on_hold_nothing_is_answered_until_the_guest_is_back(stack: Stack, customer: str) -> None:
    async with Call(stack, customer) as call:
        await call.guest.speech()
        await call.ask_until("hold on please", "take your time")
        await happened(stack, call.way.conversation_id, "command.completed")
        await call.say(PARKING)
        await call.guest.until(lambda: len(call.understood()) >= 2, timeout_s=SOON_S, why="the guest is not heard")
        # What is said right behind the other line would be one turn with it.
        await call.guest.say(bytes(2 * SAMPLE_RATE))
        await call.ask_until("okay i'm back", "Welcome back")
        told = as_said(await asked(stack, call.way.conversation_id), PARKING)
        assert PARKING not in told
        assert as_said(told[-1:], "okay i'm back") == ["okay i'm back"]
        assert "garage" not in call.concierge()


async def test_what_is_written_elsewhere_meanwhile_is_known_to_the_next_spoken_answer(
    stack: Stack, customer: str
) -> None:
    note = "By the way, I am allergic to nuts."
    async with Call(stack, customer) as call:
        await call.guest.speech()
        said = await call.say(BREAKFAST)
        await call.guest.voice(said.end_s)
        answer = await write_elsewhere(stack, customer, note)
        assert answer["conversationId"] == call.way.conversation_id
        [heard] = await happened(stack, call.way.conversation_id, "reply.heard")
        assert heard["complete"]
        await call.say("did you get the message i wrote to you")
        await call.until_said("nuts")
        assert as_said(await asked(stack, call.way.conversation_id), BREAKFAST)[:2] == [BREAKFAST, note]


async def test_a_concierge_put_out_of_the_room_is_followed_by_another(stack: Stack, customer: str) -> None:
    async with Call(stack, customer) as call:
        await call.guest.speech()
        [first] = call.guest.concierges
        async with rooms_of(stack) as rooms:
            await rooms.room.remove_participant(api.RoomParticipantIdentity(room=call.way.room, identity=first))
        await call.until_said(BACK_AGAIN)
        assert call.guest.concierges != [first]
        await call.ask_until(PARKING, "garage")
        kinds = [event["type"] for event in await events(stack, call.way.conversation_id)]
        assert (kinds.count("call.started"), kinds.count("call.ended")) == (1, 0)


async def test_a_call_goes_on_when_livekit_was_killed_and_is_back(stack: Stack, customer: str) -> None:
    async with Call(stack, customer) as call:
        await call.guest.speech()
        assert stack.process("livekit").signal(signal.SIGKILL)
        await call.guest.until(lambda: not call.guest.concierges, timeout_s=SOON_S, why="nobody has noticed")
        await call.until_said(BACK_AGAIN)
        await call.ask_until(PARKING, "garage")
        kinds = [event["type"] for event in await events(stack, call.way.conversation_id)]
        assert (kinds.count("call.started"), kinds.count("call.ended")) == (1, 0)
        assert as_said(await asked(stack, call.way.conversation_id), PARKING)[-1] == PARKING
