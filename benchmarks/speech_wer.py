"""How well the keyless recogniser understands synthesised guests: word error rate per line, per voice.

    python -m benchmarks.speech_wer [--voice en-us+m6 --rate 150] [--lines benchmarks/speech/heldout.txt]

The lines are not in the recogniser's language model (asserted). Every line is heard by a recogniser that has just been
reset, as at the beginning of a call. The nonsense lines show what the confidence floor is up against.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import mean

from services.voice_gateway.corpus.patterns import sentences
from services.voice_gateway.domain.wording import word_error_rate, word_errors, words_of
from services.voice_gateway.speech.espeak import Espeak, Voice
from services.voice_gateway.speech.resampling import resample
from services.voice_gateway.speech.sphinx import CORPUS, SAMPLE_RATE, Recognised, Recogniser, RecogniserPool

HERE = Path(__file__).parent / "speech"
VOICES = (Voice("en-us+m6", 150), Voice("en-us+f2", 150), Voice("en-us+f1", 155), Voice("en-us", 155))
_STEP_BYTES = SAMPLE_RATE // 10 * 2
_PAUSE = bytes(SAMPLE_RATE // 4 * 2)


def recognise(recogniser: Recogniser, pcm: bytes) -> Recognised:
    recogniser.reset()
    recogniser.start()
    for at in range(0, len(pcm), _STEP_BYTES):
        recogniser.hear(pcm[at : at + _STEP_BYTES])
    return recogniser.finish()


def speak(espeak: Espeak, line: str, voice: Voice) -> bytes:
    said = espeak.synthesise(line, voice)
    return _PAUSE + resample(said.pcm, said.sample_rate, SAMPLE_RATE) + _PAUSE


def measure(lines: list[str], nonsense: list[str], voices: tuple[Voice, ...], *, quiet: bool) -> None:
    espeak, pool = Espeak(), RecogniserPool()
    recogniser = pool.take()
    for voice in voices:
        errors, confidences = 0, []
        print(f"\n{voice.name} at {voice.rate} words a minute")
        for line in lines:
            found = recognise(recogniser, speak(espeak, line, voice))
            errors += word_errors(line, found.text)
            confidences.append(found.confidence)
            if not quiet:
                rate = word_error_rate(line, found.text)
                print(f"  {rate:5.2f}  {found.confidence:5.2f}  {line}" + (f"  ->  {found.text}" if rate else ""))
        total = sum(len(words_of(line)) for line in lines)
        print(
            f"  word error rate {errors / total:.3f} over {len(lines)} lines, confidence {mean(confidences):.2f}, "
            f"lowest {min(confidences):.2f}"
        )
        for line in nonsense:
            found = recognise(recogniser, speak(espeak, line, voice))
            print(f"  nonsense {found.confidence:5.2f}  {line}  ->  {found.text}")
    pool.close()


def read_lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--voice", help="an eSpeak NG voice such as en-us+m6; the default compares four")
    parser.add_argument("--rate", type=int, default=150, help="words a minute")
    parser.add_argument("--lines", type=Path, default=HERE / "heldout.txt")
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args()
    lines = read_lines(options.lines)
    known = set(sentences(CORPUS.read_text(encoding="utf-8"))) & set(lines)
    if known:
        raise SystemExit(f"in the language model's corpus: {sorted(known)}")
    voices = (Voice(options.voice, options.rate),) if options.voice else VOICES
    measure(lines, read_lines(HERE / "nonsense.txt"), voices, quiet=options.quiet)


if __name__ == "__main__":
    main()
