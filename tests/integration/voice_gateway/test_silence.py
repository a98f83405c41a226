"""Nobody says anything: the concierge asks, and takes leave."""

from __future__ import annotations

import asyncio

from services.voice_gateway import events
from services.voice_gateway.domain.manners import SILENT_GOODBYE, STILL_THERE
from services.voice_gateway.ports import EndReason
from services.voice_gateway.settings import CallSettings
from services.voice_gateway.speech.espeak import Espeak
from services.voice_gateway.speech.providers import Speech
from tests.integration.voice_gateway.callers import ScriptedBrain, TestCall, reply

SETTINGS = CallSettings(greeting="Hello.", silence_s=0.5, silences=1)


def said(call: TestCall) -> str:
    """Without blanks: captions come word by word."""
    return closed("".join(event.text for event in call.told if isinstance(event, events.Caption)))


def closed(text: str) -> str:
    return "".join(text.split())


async def test_a_silent_guest_is_asked_and_then_the_call_ends(espeak: Espeak, speech: Speech) -> None:
    brain = ScriptedBrain()
    async with TestCall(espeak, speech, brain, SETTINGS) as call:
        reason = await asyncio.wait_for(asyncio.shield(call.call.ended), 60)
    assert reason is EndReason.SILENCE
    assert [closed(sentence) in said(call) for sentence in (STILL_THERE, SILENT_GOODBYE)] == [True, True]
    assert said(call).count(closed(STILL_THERE)) == 1
    assert ("ended", "guest-silent") in brain.journal


async def test_a_guest_who_answers_is_asked_anew_later(espeak: Espeak, speech: Speech) -> None:
    brain = ScriptedBrain(reply("Breakfast is served from seven."))
    async with TestCall(espeak, speech, brain, SETTINGS) as call:
        await call.until(events.Caption, lambda e: "still" in e.text)
        call.say("what time is breakfast served on monday")
        await call.until(events.Heard)
        answered = len(call.told)
        await call.until(events.Caption, lambda e: "still" in e.text, after=answered)
        assert not call.call.ended.done()
