"""What a call tells of its turns: each stage with the time when it was, and nothing that did not happen."""

from __future__ import annotations

import pytest

from libs.contracts.events import ReplyStatus, SpeechTimings
from services.voice_gateway.domain.heard import Heard
from services.voice_gateway.domain.timeline import Exchange
from services.voice_gateway.ports import ReplyPiece
from services.voice_gateway.turn_spans import CallSpan, TurnSpans, typed
from tests.integration.voice_gateway.callers import ScriptedBrain
from tests.traced import Traced, context_of, error_of, is_child, told

CALL = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
BEFORE = CALL.replace("4bf9", "4bfa")
STOPPED = 1_790_000_000.0


def exchange(**times: float) -> Exchange:
    return Exchange(
        turn_id="turn-1",
        text="is the pool open",
        confidence=0.8,
        speech=SpeechTimings(end_of_turn_ms=500.0, transcription_ms=400.0),
        stopped_at=STOPPED,
        asked_at=STOPPED + 0.5,
        **times,  # type: ignore[arg-type]
    )


def link() -> ScriptedBrain:
    made = ScriptedBrain()
    made.trace = CALL
    return made


def test_a_turn_from_the_last_word_to_the_last_sound() -> None:
    traced = Traced()
    spans, one = (
        TurnSpans(traced.tracer, link()),
        exchange(first_words_at=STOPPED + 0.8, first_voiced_at=STOPPED + 0.9, first_audio_at=STOPPED + 1.0),
    )
    spans.asked(one)
    spans.received(one, ReplyPiece("The pool ", trace=one.trace))
    spans.received(one, ReplyPiece("is open.", ReplyStatus.FINISHED))
    one.heard_ms = 900
    spans.settled(one, Heard("The pool is open.", complete=True))

    turn = traced.only("turn")
    assert turn.start_time == int(STOPPED * 1e9)
    assert turn.parent is None
    assert [context_of_link.context.trace_id for context_of_link in turn.links] == [int(CALL.split("-")[1], 16)]
    stages = ("transcribe", "decide end of turn", "receive chunks", "synthesise speech", "first audio", "playout")
    assert all(is_child(traced.only(name), one.trace) for name in stages)
    took = {span.name: round(((span.end_time or 0) - (span.start_time or 0)) / 1e6) for span in traced.spans}
    assert (took["transcribe"], took["decide end of turn"]) == (400, 500)
    assert (took["synthesise speech"], took["first audio"]) == (100, 100)
    assert told(turn)["botel.heard.complete"] is True
    assert told(traced.only("playout"))["botel.heard_ms"] == 900
    assert "pool" not in str([told(span) for span in traced.spans])


def test_an_answer_that_was_cut_before_any_sound_has_no_stages_of_sound() -> None:
    traced = Traced()
    spans, one = TurnSpans(traced.tracer, link()), exchange()
    spans.asked(one)
    spans.settled(one, Heard("", complete=False))
    spans.settled(one, Heard("", complete=False))
    assert set(traced.names()) == {"turn", "transcribe", "decide end of turn"}
    assert told(traced.only("turn"))["botel.heard.interrupted"] is True


def test_an_excuse_is_an_error() -> None:
    traced = Traced()
    spans, one = TurnSpans(traced.tracer, link()), exchange()
    spans.asked(one)
    one.excused = True
    spans.settled(one, Heard("", complete=False))
    assert error_of(traced.only("turn")) == "excused"


def test_what_another_gateway_began_goes_on_in_its_trace() -> None:
    traced = Traced()
    spans, one = TurnSpans(traced.tracer, link()), exchange()
    spans.goes_on("turn-1", BEFORE)
    spans.asked(one)
    spans.settled(one, Heard("", complete=False))
    assert is_child(traced.only("turn"), BEFORE)


def test_words_are_told_when_they_are_shown() -> None:
    traced = Traced(show=True)
    spans, one = TurnSpans(traced.tracer, link()), exchange()
    spans.asked(one)
    spans.settled(one, Heard("The pool", complete=False))
    turn = told(traced.only("turn"))
    assert (turn["botel.question"], turn["botel.heard"]) == ("is the pool open", "The pool")


def test_a_typed_message_is_a_turn_of_its_own() -> None:
    traced = Traced()
    call = CallSpan(traced.tracer, traced.tracer.start("call"), "harbour", "conv-1")
    with typed(call, "chat-1") as trace:
        pass
    with pytest.raises(RuntimeError), typed(call, "chat-2"):
        raise RuntimeError("pool")
    call.over("guest-left")
    call.over("")
    first, second = (span for span in traced.spans if span.name == "turn")
    assert context_of(first).trace_id in trace
    assert error_of(second) == "RuntimeError"
    assert told(traced.only("call"))["botel.call.reason"] == "guest-left"
