"""How many words of an answer can be heard in a recording: an independent look at what the gateway reported.

The stretch of audio is recognised with a language model of the answer's own words, and laid against the text.
"""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Sequence
from pathlib import Path

from services.voice_gateway.domain.wording import words_of
from services.voice_gateway.speech.sphinx import SAMPLE_RATE, Recogniser, prepare

_STEP_BYTES = SAMPLE_RATE // 10 * 2
_MISHEARD = 2
"""Words in a row that may be misheard before a single one."""
_PAUSE = bytes(SAMPLE_RATE // 4 * 2)


def words_audible(pcm: bytes, text: str) -> int:
    """The number of words of `text`, from its beginning, that were spoken in `pcm` (16 kHz PCM16LE mono)."""
    expected = words_of(text)
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "answer.txt"
        corpus.write_text(" ".join(expected) + "\n", encoding="utf-8")
        recogniser = Recogniser(prepare(Path(folder), corpus))
        recogniser.start()
        sound = _PAUSE + pcm + _PAUSE
        for at in range(0, len(sound), _STEP_BYTES):
            recogniser.hear(sound[at : at + _STEP_BYTES])
        spoken = words_of(recogniser.finish().text)
    return words_heard(expected, spoken)


def words_heard(expected: Sequence[str], recognised: Sequence[str]) -> int:
    """The number of words of `expected`, from its beginning, that were recognised; misheard ones among them count.

    Speech is cut in the middle of a word, and what is left of it may be taken for a word of the text that comes much
    later: a single word that lies further on is none that was heard.
    """
    heard = 0
    for block in difflib.SequenceMatcher(a=expected, b=recognised, autojunk=False).get_matching_blocks():
        if block.size > 1 or (block.size == 1 and block.a - heard <= _MISHEARD):
            heard = block.a + block.size
    return heard
