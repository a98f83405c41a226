"""A call's turns are cut into stages by what both sides noted; nothing is made up where something is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.voice.guest import Asked, Call, Interrupted
from benchmarks.voice.journal import Generation, Journal, Note, Said, read_journal
from benchmarks.voice.plan import Side
from benchmarks.voice.stages import HEARING, RETURNING, THINKING, VOICING, cuts_of, turns_of
from libs.contracts.events import (
    AnyEvent,
    Author,
    Channel,
    HeardTimings,
    MessageReceived,
    ReplyGenerated,
    ReplyHeard,
    ReplyStatus,
    ReplyTimings,
    SpeechTimings,
)

ASKED = Asked(
    question="do you have a bar",
    from_s=99.0,
    end_s=100.0,
    audio_s=100.8,
    recognised="do you have a bar",
    answer="Yes.",
)


def _call(side: Side, *turns: Asked) -> Call:
    return Call(side, "room", "conv" if side is Side.OURS else "", list(turns))


def _events(turn: str, asked_ms: int) -> list[AnyEvent]:
    message = MessageReceived(
        id=f"{turn}.message",
        time_ms=asked_ms,
        property_id="harbour",
        conversation_id="conv",
        author=Author.GUEST,
        channel=Channel.VOICE,
        turn_id=turn,
        text="do you have a bar",
        speech=SpeechTimings(end_of_turn_ms=520.0, transcription_ms=500.0),
    )
    reply = ReplyGenerated(
        id=f"{turn}.reply",
        time_ms=asked_ms + 40,
        property_id="harbour",
        conversation_id="conv",
        author=Author.CONCIERGE,
        channel=Channel.VOICE,
        turn_id=turn,
        text="Yes.",
        status=ReplyStatus.FINISHED,
        timings=ReplyTimings(queue_ms=1.0, first_token_ms=20.0),
    )
    heard = ReplyHeard(
        id=f"{turn}.heard",
        time_ms=asked_ms + 900,
        property_id="harbour",
        conversation_id="conv",
        author=Author.SYSTEM,
        channel=Channel.VOICE,
        turn_id=turn,
        text="Yes.",
        complete=True,
        timings=HeardTimings(first_chunk_ms=30.0, tts_ms=20.0, first_audio_ms=610.0),
    )
    return [message, reply, heard]


def test_stages_of_ours_come_from_the_events_and_add_up_to_what_the_guest_measured() -> None:
    # when
    (turn,) = turns_of(_call(Side.OURS, ASKED), 3, _events("turn-1", 100_650), [])

    # then
    assert turn.round == 3
    assert turn.understood
    assert turn.first_audio_ms == pytest.approx(800)
    assert turn.stages == pytest.approx({HEARING: 650, THINKING: 30, VOICING: 20, RETURNING: 100})
    assert turn.inside["queue_ms"] == 1.0
    assert turn.inside["end_of_turn_ms"] == 520.0
    assert "asked" not in turn.inside


def test_each_question_finds_its_own_turn() -> None:
    # given
    later = Asked("when is check in", 109.0, 110.0, 110.7, "when is check in", "From three.")

    # when
    first, second = turns_of(
        _call(Side.OURS, ASKED, later), 1, [*_events("turn-1", 100_650), *_events("turn-2", 110_500)], []
    )

    # then
    assert first.stages[HEARING] == pytest.approx(650)
    assert second.stages[HEARING] == pytest.approx(500)


def test_stages_of_the_peer_come_from_its_notes() -> None:
    # given
    notes: list[Note] = [
        Said("user", "do you have a bar", False, {"started_speaking_at": 99.1, "stopped_speaking_at": 100.1}),
        Generation(text="do you have a bar", asked_s=100.6, first_s=100.65, ended_s=100.66, finished=True),
        Said("assistant", "Yes.", False, {"started_speaking_at": 100.7}),
    ]

    # when
    (turn,) = turns_of(_call(Side.PEER, ASKED), 1, [], notes)

    # then
    assert turn.stages == pytest.approx({HEARING: 600, THINKING: 50, VOICING: 50, RETURNING: 100})
    assert turn.inside == {}


@pytest.mark.parametrize("side", [Side.OURS, Side.PEER])
def test_a_turn_of_which_nothing_was_noted_has_no_stages(side: Side) -> None:
    (turn,) = turns_of(_call(side, ASKED), 1, [], [])

    assert turn.stages == {}
    assert turn.first_audio_ms == pytest.approx(800)


def test_a_question_that_was_misheard_is_known_to_be() -> None:
    misheard = Asked("do you have a bar", 99.0, 100.0, 100.8, "do you have a car", "No.")

    (turn,) = turns_of(_call(Side.PEER, misheard), 1, [], [])

    assert not turn.understood


def test_an_interruption_is_measured_from_its_first_sound_to_silence_and_to_the_end_of_generation() -> None:
    # given
    cut = Interrupted(at_s=50.0, silent_s=50.5, until_s=53.0, understood=True)
    call = Call(Side.PEER, "room", "", [], [cut])
    before = Generation(text="q", asked_s=40.0, ended_s=49.0)
    stopped = Generation(text="q", asked_s=48.0, ended_s=50.75)
    whole = Generation(text="q", asked_s=48.0, ended_s=50.6, finished=True)

    # when
    (found,) = cuts_of(call, 1, [], [before, whole, stopped])
    later = Generation(text="q", asked_s=52.0, ended_s=58.0)
    (unstopped,) = cuts_of(call, 1, [], [before, whole, later])

    # then
    assert found.silence_ms == pytest.approx(500)
    assert found.stopped_ms == pytest.approx(750)
    assert unstopped.stopped_ms is None


def test_a_journal_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    # given
    notes: list[Note] = [Generation(text="q", asked_s=1.5), Said("assistant", "Yes.", True, {"e2e_latency": 0.5})]
    path = tmp_path / "call.jsonl"

    # when
    for note in notes:
        Journal(str(path)).write(note)

    # then
    assert read_journal(path) == notes
    assert read_journal(tmp_path / "never answered.jsonl") == []
