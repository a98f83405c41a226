"""A call in real time: real session, recogniser, voice and detector; only the brain is scripted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from libs.contracts.events import Author, Channel, MessageReceived
from services.voice_gateway import events
from services.voice_gateway.audio import SAMPLE_RATE
from services.voice_gateway.domain.manners import FILLERS, NO_ANSWER
from services.voice_gateway.ports import EndReason, LeftTurn, ReplyPiece, SpokenTurn
from services.voice_gateway.settings import CallSettings, SpeechSettings
from services.voice_gateway.speech.espeak import Espeak, Voice
from services.voice_gateway.speech.providers import Speech
from tests.integration.voice_gateway.callers import ScriptedBrain, TestCall, reply
from tests.integration.voice_gateway.truth import loudness, played_ms, words_in

SETTINGS = CallSettings(greeting="")
VOICE = Voice("en-us", SpeechSettings().local_voice_rate)
QUESTION = "what time is breakfast served on monday"
LONG = (
    "The swimming pool is on the fourth floor of the hotel. It is open from seven in the morning until ten at night. "
    "Towels are by the door, and the water is warm all through the year. Children may swim with their parents. "
    "There is a small bar beside it that serves coffee, juice and sandwiches until six in the evening."
)


async def test_a_question_is_answered_and_what_was_heard_is_reported(espeak: Espeak, speech: Speech) -> None:
    brain = ScriptedBrain(reply("Breakfast is served from seven. Enjoy it."))
    async with TestCall(espeak, speech, brain, SETTINGS) as call:
        call.say(QUESTION)
        heard = await call.until(events.Heard)
    assert brain.turns[0].text == QUESTION
    assert heard.complete
    assert [report.text for report in brain.reports] == ["Breakfast is served from seven. Enjoy it."]
    assert heard.timings.first_chunk_ms > 0
    assert heard.timings.first_audio_ms > heard.timings.tts_ms > 0
    assert [what for what, _ in brain.journal] == ["started", "ask", "heard", "ended", "closed"]
    asked = call.guest[: 2 * SAMPLE_RATE]
    assert loudness(asked) > 100, "the guest's side was recorded"


async def two_sentences_and_no_end(_: SpokenTurn) -> AsyncIterator[ReplyPiece]:
    """A brain that is still writing LONG, however long the call takes to get there."""
    first, second, third = LONG.split(". ")[:3]
    for text in (f"{first}. ", f"{second}. ", f"{third.split()[0]} "):
        yield ReplyPiece(text)
    await asyncio.Event().wait()


async def test_barge_in_cancels_the_brain_and_tells_what_was_heard(espeak: Espeak, speech: Speech) -> None:
    brain = ScriptedBrain(two_sentences_and_no_end, reply("Parking is free."))
    async with TestCall(espeak, speech, brain, SETTINGS) as call:
        call.say(QUESTION)
        await call.until(events.Playout, lambda e: e.what == "started" and e.segment == 2)
        barged = len(call.told)
        call.say("where can we park the car")
        heard = await call.until(events.Heard)
        cut = await call.until(events.Playout, lambda e: e.what == "cut")
        await call.until(events.Heard, lambda e: e.generated.startswith("Parking"))
    turn = brain.turns[0].turn_id
    kinds = [what for what, turn_id in brain.journal if turn_id == turn]
    assert kinds == ["ask", "cancel", "heard"]
    assert brain.written[turn].count(" ") < LONG.count(" "), "the brain was still writing"
    assert not heard.complete
    assert LONG.startswith(heard.heard)
    truth = words_in(espeak, VOICE, LONG, played_ms(call.told, {1, 2}))
    assert abs(len(heard.heard.split()) - truth) <= 2, (heard.heard, truth)
    assert heard.heard_ms == pytest.approx(played_ms(call.told, {1, 2}), abs=2)
    silence = call.concierge[cut.position * 2 : cut.position * 2 + SAMPLE_RATE // 2]
    assert loudness(silence) == 0, "nothing is played after the cut"
    assert brain.turns[1].text == "where can we park the car"
    assert [e.text for e in call.told[barged:] if isinstance(e, events.Transcript)]


async def begun(call: TestCall) -> None:
    """Returns when a long answer is being spoken, and still written."""
    call.say(QUESTION)
    await call.until(events.Playout, lambda e: e.what == "started" and e.segment == 1)


async def test_a_call_that_is_handed_over_leaves_its_answer_to_the_next_gateway(espeak: Espeak, speech: Speech) -> None:
    brain = ScriptedBrain(reply(LONG, every_s=0.3))
    async with TestCall(espeak, speech, brain, SETTINGS) as call:
        await begun(call)
        call.call.hand_over()
        await call.call.close(EndReason.SHUTDOWN, over=False)
    assert [what for what, _ in brain.journal] == ["started", "ask", "heard", "closed"]
    assert [report.complete for report in brain.reports] == [False]


@pytest.mark.parametrize(("over", "then"), [(False, []), (True, ["cancel"])])
async def test_an_answer_that_ends_with_the_process_is_cancelled_only_with_the_call(
    espeak: Espeak, speech: Speech, over: bool, then: list[str]
) -> None:
    """LiveKit closes the session of a process that is told to go, and nobody knows yet whether somebody follows."""
    brain = ScriptedBrain(reply(LONG, every_s=0.3))
    async with TestCall(espeak, speech, brain, SETTINGS) as call:
        await begun(call)
        await call.call._session.aclose()
        assert await call.call.ended is EndReason.SHUTDOWN
        await call.call.close(EndReason.SHUTDOWN, over=over)
    turn = brain.turns[0].turn_id
    assert [what for what, turn_id in brain.journal if turn_id == turn] == ["ask", "heard", *then]


async def test_the_apology_before_an_answer_begun_again_is_no_part_of_it(espeak: Espeak, speech: Speech) -> None:
    brain = ScriptedBrain(reply("Breakfast is served from seven.", first_s=0.0, every_s=0.0))
    brain.left = LeftTurn("turn-1", QUESTION)
    call = TestCall(espeak, speech, brain, SETTINGS)
    try:
        await call.call.start("I'm sorry, we were cut off.", pick_up_s=60)
        heard = await call.until(events.Heard)
    finally:
        await call.call.close(EndReason.GUEST)
    assert (heard.turn_id, heard.complete) == ("turn-1", True)
    assert heard.heard_ms == pytest.approx(played_ms(call.told, {2}), abs=2)


async def test_a_filler_bridges_a_slow_brain_and_is_not_history(espeak: Espeak, speech: Speech) -> None:
    begun_s, written_s, taken_s = [], [], []

    async def slow(turn: SpokenTurn) -> AsyncIterator[ReplyPiece]:
        begun_s.append(time.monotonic())
        async for piece in reply("The pool opens at seven.", first_s=2.2, every_s=0.0)(turn):
            written_s.append(time.monotonic())
            yield piece
            taken_s.append(time.monotonic())

    brain = ScriptedBrain(slow)
    async with TestCall(espeak, speech, brain, SETTINGS) as call:
        said_s = time.monotonic()
        call.say(QUESTION)
        await call.until(events.Playout, lambda e: e.what == "started" and e.segment == 2)
        started_s = time.monotonic()
        heard = await call.until(events.Heard)
    assert heard.filler in FILLERS
    assert (brain.reports[0].text, brain.reports[0].filler) == ("The pool opens at seven.", True)
    started = [e.position for e in call.told if isinstance(e, events.Playout) and e.what == "started"]
    assert len(started) == 2
    waited_ms, since_ms = (written_s[0] - begun_s[0]) * 1_000, (taken_s[0] - said_s) * 1_000
    assert waited_ms - 1 <= heard.timings.first_chunk_ms <= since_ms + 1
    spoken_ms = (started_s - written_s[0]) * 1_000
    assert 0 < heard.timings.tts_ms <= spoken_ms + 1, "neither the filler's audio nor its words are the answer's"


async def test_a_dead_brain_is_excused_aloud_and_the_call_goes_on(espeak: Espeak, speech: Speech) -> None:
    async def dead(_: SpokenTurn) -> AsyncIterator[ReplyPiece]:
        await asyncio.Event().wait()
        yield ReplyPiece("")

    brain = ScriptedBrain(dead, reply("Breakfast is at eight."))
    settings = CallSettings(greeting="", first_words_s=1.5, filler_s=5)
    async with TestCall(espeak, speech, brain, settings) as call:
        call.say(QUESTION)
        await call.until(events.Heard)
        before = len(call.told)
        call.say(QUESTION)
        await call.until(events.Heard, after=before)
    assert [report.text for report in brain.reports] == [NO_ANSWER, "Breakfast is at eight."]
    assert [(report.filler, report.fallback) for report in brain.reports] == [(False, True), (False, False)]
    assert ("cancel", brain.turns[0].turn_id) in brain.journal


async def test_noise_pauses_an_answer_and_what_is_written_elsewhere_does_not(espeak: Espeak, speech: Speech) -> None:
    brain = ScriptedBrain(reply(LONG.split(". ")[0] + ". Towels are by the door.", every_s=0.02))
    async with TestCall(espeak, speech, brain, SETTINGS) as call:
        call.say(QUESTION)
        await call.until(events.Playout, lambda e: e.what == "started")
        await brain.other.put(
            MessageReceived(
                id="m1", time_ms=1, property_id="p", conversation_id="c", author=Author.GUEST, channel=Channel.TEXT,
                turn_id="t9", text="and parking?", number=7,
            )
        )  # fmt: skip
        elsewhere = await call.until(events.Elsewhere)
        voiced = espeak.synthesise("aaaaaah", Voice("en-us", 80))
        call.make_noise(voiced.pcm)
        heard = await call.until(events.Heard)
    assert elsewhere.channel == "text"
    assert heard.complete
    kinds = [e.what for e in call.told if isinstance(e, events.Playout)]
    assert "paused" in kinds
    assert "cut" not in kinds
    assert len(brain.turns) == 1


async def test_what_is_not_understood_is_asked_again(espeak: Espeak, speech: Speech) -> None:
    brain = ScriptedBrain()
    settings = CallSettings(greeting="", confidence_floor=0.99)
    async with TestCall(espeak, speech, brain, settings) as call:
        call.say(QUESTION)
        unclear = await call.until(events.NotUnderstood)
        await call.until(events.Playout, lambda e: e.what == "finished")
    assert unclear.text == QUESTION
    assert brain.turns == []
