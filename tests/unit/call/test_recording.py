"""Measuring by audio: spans of speech, silences, and what was heard between two times."""

import numpy as np
import pytest

from deploy.call.recording import Recording, Span

RATE = 16_000
FRAME_S = 0.01


def tone(seconds: float, level: int = 3_000) -> bytes:
    times = np.arange(round(seconds * RATE)) / RATE
    return bytes((level * np.sin(2 * np.pi * 440 * times)).astype("<i2").tobytes())


def quiet(seconds: float) -> bytes:
    return bytes(round(seconds * RATE) * 2)


def heard(
    start_s: float, *parts: bytes, source: str = "a", late: float = 0.0, into: Recording | None = None
) -> Recording:
    """Frames of 10 ms, each arriving as its last sample is played, and `late`."""
    recording = into or Recording(RATE)
    pcm, size = b"".join(parts), round(FRAME_S * RATE) * 2
    for number, at in enumerate(range(0, len(pcm), size), start=1):
        recording.write(source, start_s + number * FRAME_S + late, pcm[at : at + size])
    return recording


def rounded(spans: list[Span]) -> list[tuple[float, float]]:
    return [(round(span.start_s, 2), round(span.end_s, 2)) for span in spans]


def test_speech_is_found_between_silences() -> None:
    recording = heard(100.0, quiet(1.0), tone(0.5), quiet(1.0), tone(0.25), quiet(0.5))

    assert rounded(recording.voiced()) == [(101.0, 101.5), (102.5, 102.75)]
    assert rounded(recording.voiced(101.6)) == [(102.5, 102.75)]
    assert rounded([recording.span]) == [(100.0, 103.25)]


def test_a_breath_does_not_part_speech_unless_asked() -> None:
    recording = heard(0.0, tone(0.5), quiet(0.2), tone(0.5))

    assert rounded(recording.voiced()) == [(0.0, 1.2)]
    assert rounded(recording.voiced(pause_s=0.1)) == [(0.0, 0.5), (0.7, 1.2)]


def test_the_codecs_hiss_is_no_speech() -> None:
    assert heard(0.0, tone(1.0, level=60)).voiced() == []


def test_frames_that_come_late_in_a_bunch_keep_their_places() -> None:
    recording = heard(0.0, quiet(1.0))
    for frame in range(10):
        recording.write("a", 1.1, tone(FRAME_S) if frame == 5 else quiet(FRAME_S))

    assert rounded(recording.voiced()) == [(1.05, 1.06)]


@pytest.mark.parametrize("silence_arrives", [True, False])
def test_the_longest_silence_counts_silence_that_came_and_sound_that_did_not(silence_arrives: bool) -> None:
    recording = heard(0.0, tone(1.0), quiet(2.0) if silence_arrives else b"")
    heard(3.0, tone(1.0), source="successor", into=recording)

    assert rounded([recording.longest_silence(0.5, 4.0)]) == [(1.0, 3.0)]
    assert rounded([recording.longest_silence(0.5, 10.0)]) == [(4.0, 10.0)]
    assert rounded([recording.longest_silence(1.5, 2.0)]) == [(1.5, 2.0)]


def test_what_was_heard_between_two_times_has_silence_where_nothing_came() -> None:
    recording = heard(10.0, tone(1.0))
    heard(12.0, tone(1.0), source="successor", into=recording)

    pcm = np.frombuffer(recording.pcm(10.5, 12.5), dtype="<i2")

    assert pcm.size == 2 * RATE
    loud = [bool(np.abs(pcm[at : at + RATE // 2]).max()) for at in range(0, pcm.size, RATE // 2)]
    assert loud == [True, False, False, True]


def test_two_who_speak_at_once_are_both_heard() -> None:
    recording = heard(0.0, tone(1.0, level=20_000))
    heard(0.5, tone(1.0, level=20_000), source="other", into=recording)

    assert rounded(recording.voiced()) == [(0.0, 1.5)]
    assert np.frombuffer(recording.pcm(0.5, 1.0), dtype="<i2").max() == 32_767


def test_nothing_heard_is_nothing() -> None:
    recording = Recording(RATE)

    assert recording.voiced() == []
    assert recording.span == Span(0.0, 0.0)
    assert recording.pcm(1.0, 2.0) == quiet(1.0)
