"""Which audio belongs to which answer."""

from __future__ import annotations

from livekit.agents import llm

from services.voice_gateway.audio import SAMPLE_RATE
from services.voice_gateway.call_turns import CallTurns
from services.voice_gateway.domain.timeline import Exchange
from services.voice_gateway.playback import Playback

SECOND = SAMPLE_RATE


def ask(turns: CallTurns, playback: Playback) -> Exchange:
    exchange = turns.begin(llm.ChatMessage(role="user", content=["hello"]))
    exchange.segments_at_ask = playback.segments
    return exchange


def test_only_the_answers_audio_counts_and_pauses_do_not() -> None:
    now = [100.0]
    turns = CallTurns(lambda: now[0])
    playback = Playback(turns)
    playback.note("started", 0)  # the greeting
    playback.note("finished", 2 * SECOND)
    exchange = ask(turns, playback)
    exchange.filler, exchange.filler_segments = "One moment.", 1
    playback.note("started", 3 * SECOND)  # the filler
    playback.note("finished", 4 * SECOND)
    assert (exchange.heard_ms, exchange.first_audio_at) == (0, 0.0)
    now[0] = 105.0
    playback.note("started", 5 * SECOND)
    playback.note("paused", 6 * SECOND)
    now[0] = 106.0
    playback.note("resumed", 8 * SECOND)
    playback.note("cut", 9 * SECOND)
    assert exchange.heard_ms == 2_000
    assert exchange.first_audio_at == 105.0


def test_audio_after_a_settled_answer_is_nobodys() -> None:
    turns = CallTurns(lambda: 1.0)
    playback = Playback(turns)
    exchange = ask(turns, playback)
    exchange.settled = True
    playback.note("started", 0)  # a reprompt
    playback.note("finished", SECOND)
    assert exchange.heard_ms == 0
