"""What can be heard in recorded audio, independent of what the call says was heard."""

from __future__ import annotations

from services.voice_gateway import events
from services.voice_gateway.audio import SAMPLE_RATE
from services.voice_gateway.domain.sentences import split_sentences
from services.voice_gateway.speech.espeak import Espeak, Voice


def played_ms(told: list[events.AnyCallEvent], segments: set[int]) -> float:
    """Audio of these segments that was played, by the positions at which it started, paused and stopped."""
    total, since = 0, None
    for event in told:
        if isinstance(event, events.Playout) and event.segment in segments:
            if event.what in ("started", "resumed"):
                since = event.position
            elif since is not None:
                total, since = total + event.position - since, None
    return total * 1000 / SAMPLE_RATE


def words_in(espeak: Espeak, voice: Voice, text: str, ms: float) -> int:
    """How many words of `text` have begun after `ms` of its audio."""
    count, begin = 0, 0.0
    for sentence in split_sentences(text, final=True)[0]:
        spoken = espeak.synthesise(sentence, voice)
        count += sum(begin + word.start_ms < ms for word in spoken.words if word.text.strip())
        begin += spoken.duration_ms
    return count


def loudness(pcm: bytes | bytearray) -> float:
    """Mean absolute sample, 0 to 32767."""
    samples = memoryview(bytes(pcm)).cast("h")
    return sum(abs(sample) for sample in samples) / max(1, len(samples))
