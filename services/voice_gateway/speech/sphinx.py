"""PocketSphinx with the hotel's language model: recognition on one core, without a key or a download.

A `Recogniser` hears one utterance at a time and blocks while it does: call it from a thread. It is meant for keyless
runs and tests; a human on a telephone line wants a provider's model.
"""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from services.voice_gateway.corpus.lexicon import ADDITIONS, dictionary
from services.voice_gateway.corpus.ngram import NgramModel
from services.voice_gateway.corpus.patterns import sentences
from services.voice_gateway.corpus.terms import speakable, term_patterns
from services.voice_gateway.ports import VoiceUnavailable

if TYPE_CHECKING:
    import pocketsphinx

SAMPLE_RATE = 16_000
_LANGUAGE_WEIGHT = 9.0
"""Weight of the language model; the default of 6.5 suits an open vocabulary."""
_LINE_NOISE = 40.0
"""Standard deviation, in 16-bit steps (-58 dBFS), of the noise added to what is heard. Real lines are never silent: on
the digital silence between synthesised words the acoustic model's normalisation fails (word error rate 0.22 without,
0.05 with: benchmarks/speech_wer.py)."""
_REVIEW_BYTES = 8 * SAMPLE_RATE * 2
"""Utterances up to 8 s are decoded once more as a whole when they end: only then are the level and colour of the voice
known. The first sentence of a call gains most."""
CORPUS = Path(__file__).parent.parent / "corpus" / "hotel.txt"


class Recognised(msgspec.Struct, frozen=True):
    text: str
    confidence: float
    """Posterior probability per word, 0 to 1: the geometric mean over the utterance."""


class Acoustics(msgspec.Struct, frozen=True):
    """Files of a recogniser, made once and shared."""

    model: str
    language: str
    words: str


def prepare(directory: Path, corpus: Path = CORPUS, terms: tuple[str, ...] = ()) -> Acoustics:
    """Build language model and dictionary in `directory`, with the hotel's own names as far as the dictionary has
    their words. Raises `VoiceUnavailable` without PocketSphinx."""
    try:
        import pocketsphinx as sphinx  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise VoiceUnavailable("PocketSphinx is not installed: install the `speech` extra.") from error
    model = Path(sphinx.__file__).parent / "model" / "en-us"
    base = (model / "cmudict-en-us.dict").read_text(encoding="utf-8").splitlines()
    source = corpus.read_text(encoding="utf-8")
    if terms:
        known = {line.split(maxsplit=1)[0] for line in base if line.strip()} | ADDITIONS.keys()
        source += "\n" + term_patterns(speakable(terms, known.__contains__))
    language = NgramModel(sentences(source))
    words = dictionary(base, language.vocabulary)
    (directory / "hotel.arpa").write_text(language.arpa(), encoding="utf-8")
    (directory / "hotel.dict").write_text(words, encoding="utf-8")
    return Acoustics(str(model / "en-us"), str(directory / "hotel.arpa"), str(directory / "hotel.dict"))


class Recogniser:
    """One decoder. Not thread-safe, but may be used from different threads one after another."""

    def __init__(self, acoustics: Acoustics) -> None:
        import pocketsphinx as sphinx  # noqa: PLC0415 - an optional extra

        self._decoder: pocketsphinx.Decoder = sphinx.Decoder(
            hmm=acoustics.model,
            lm=acoustics.language,
            dict=acoustics.words,
            lw=_LANGUAGE_WEIGHT,
            loglevel="FATAL",
        )
        self._fresh_cmn = self._decoder.get_cmn()
        self._noise = np.random.default_rng(0)
        self._heard = bytearray()

    def reset(self) -> None:
        """Forget the last caller's voice."""
        self._decoder.set_cmn(self._fresh_cmn)
        self._noise = np.random.default_rng(0)

    def start(self) -> None:
        self._heard.clear()
        self._decoder.start_utt()

    def hear(self, pcm: bytes) -> None:
        """Take PCM16LE mono at SAMPLE_RATE."""
        samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
        samples += self._noise.standard_normal(len(samples)) * _LINE_NOISE
        noisy = np.clip(samples, -32768, 32767).astype("<i2").tobytes()
        self._heard += noisy
        self._decoder.process_raw(noisy, False, False)

    def partial(self) -> str:
        """The best guess so far; later words may change."""
        hypothesis = self._decoder.hyp()
        return hypothesis.hypstr if hypothesis else ""

    def finish(self) -> Recognised:
        """End the utterance. No words: ''."""
        self._decoder.end_utt()
        if len(self._heard) <= _REVIEW_BYTES:
            self._decoder.start_utt()
            self._decoder.process_raw(bytes(self._heard), False, True)
            self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        words = hypothesis.hypstr.split() if hypothesis else []
        if not words:
            return Recognised("", 0.0)
        probability = max(float(hypothesis.prob), 1e-30)
        return Recognised(" ".join(words), round(probability ** (1 / len(words)), 4))


class RecogniserPool:
    """Recognisers for one process: made when needed, kept for the next call. Blocking; thread-safe."""

    def __init__(self, corpus: Path = CORPUS, terms: tuple[str, ...] = ()) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="botel-speech-")
        self._corpus, self._terms = corpus, terms
        self._acoustics: Acoustics | None = None
        self._free: list[Recogniser] = []
        self._lock = threading.Lock()

    def take(self) -> Recogniser:
        """A recogniser of one's own until `give`; the first takes about a second to make."""
        with self._lock:
            if self._free:
                recogniser = self._free.pop()
                recogniser.reset()
                return recogniser
            self._acoustics = self._acoustics or prepare(Path(self._directory.name), self._corpus, self._terms)
        return Recogniser(self._acoustics)

    def give(self, recogniser: Recogniser) -> None:
        with self._lock:
            self._free.append(recogniser)

    def close(self) -> None:
        with self._lock:
            self._free.clear()
        self._directory.cleanup()
