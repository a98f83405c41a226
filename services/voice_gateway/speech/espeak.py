"""eSpeak NG as a synthesiser with word timings: the keyless voice, and the guest's voice in tests and the demo.

The library is bound with ctypes: the one inside the `espeakng-loader` wheel, which sounds the same on every machine, or
else the system's (`libespeak-ng`, from the espeak-ng package). eSpeak NG keeps one global state per process, so every
synthesis runs under one lock; a sentence takes a few milliseconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import threading
from dataclasses import dataclass
from typing import ClassVar

from services.voice_gateway.ports import VoiceUnavailable

_SYNCHRONOUS_RETRIEVAL = 1  # AUDIO_OUTPUT_RETRIEVAL: audio goes to the callback, nothing is played
_UTF8 = 1
_PARAMETER_RATE, _PARAMETER_PITCH = 1, 3
_EVENT_END, _EVENT_WORD = 0, 1
_OK = 0
MAX_TEXT_CHARS = 4_000


@dataclass(frozen=True)
class Voice:
    """How it sounds. `rate` is words per minute (80 to 450), `pitch` 0 to 99."""

    name: str = "en-us"
    rate: int = 165
    pitch: int = 50


@dataclass(frozen=True)
class Word:
    """A word of the text and when it begins, in milliseconds of the audio."""

    text: str
    """With the blanks that follow it, so that the words of an utterance joined give its text."""
    start_ms: int


@dataclass(frozen=True)
class Utterance:
    """Synthesised speech: PCM16LE mono."""

    pcm: bytes
    sample_rate: int
    words: tuple[Word, ...]

    @property
    def duration_ms(self) -> int:
        return len(self.pcm) // 2 * 1000 // self.sample_rate


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


def _candidates() -> list[tuple[str, str | None]]:
    """Libraries to try, with their data directory (None: built in)."""
    found: list[tuple[str, str | None]] = []
    with contextlib.suppress(ImportError):
        import espeakng_loader  # noqa: PLC0415 - an optional extra

        found.append((espeakng_loader.get_library_path(), espeakng_loader.get_data_path()))
    system = ctypes.util.find_library("espeak-ng")
    return [*found, (system, None)] if system else found


class Espeak:
    """eSpeak NG. Thread-safe; blocking: call it from a thread."""

    _lock = threading.Lock()
    _loaded: ClassVar[tuple[ctypes.CDLL, int] | None] = None
    """The library hangs when it is initialised twice in one process."""

    def __init__(self) -> None:
        """Raises `VoiceUnavailable` when no library is found or none initialises."""
        with self._lock:
            Espeak._loaded = Espeak._loaded or self._load()
            self._library, self.sample_rate = Espeak._loaded
        self._pcm = bytearray()
        self._marks: list[tuple[int, int]] = []
        self._callback = _Callback(self._receive)

    def synthesise(self, text: str, voice: Voice) -> Utterance:
        """Speak `text`. Raises `VoiceUnavailable` for an unknown voice, ValueError past MAX_TEXT_CHARS."""
        if len(text) > MAX_TEXT_CHARS:
            raise ValueError(f"text of {len(text)} characters, {MAX_TEXT_CHARS} at most")
        data = text.encode() + b"\0"
        with self._lock:
            self._pcm.clear()
            self._marks.clear()
            # The callback is the library's, and another instance may have spoken since.
            self._library.espeak_SetSynthCallback(self._callback)
            if self._library.espeak_SetVoiceByName(voice.name.encode()) != _OK:
                raise VoiceUnavailable(f"eSpeak NG has no voice {voice.name!r}")
            self._library.espeak_SetParameter(_PARAMETER_RATE, voice.rate, 0)
            self._library.espeak_SetParameter(_PARAMETER_PITCH, voice.pitch, 0)
            result = self._library.espeak_Synth(data, len(data), 0, 0, 0, _UTF8, None, None)
            if result != _OK:
                raise VoiceUnavailable(f"eSpeak NG failed: code {result}")
            self._library.espeak_Synchronize()
            return Utterance(bytes(self._pcm), self.sample_rate, _words(text, self._marks))

    def _receive(self, wav: ctypes._Pointer[ctypes.c_short], samples: int, events: ctypes._Pointer[_Event]) -> int:
        if wav and samples > 0:
            self._pcm += ctypes.string_at(wav, samples * 2)
        index = 0
        while events[index].type != _EVENT_END:
            if events[index].type == _EVENT_WORD:
                self._marks.append((events[index].text_position - 1, events[index].audio_position))
            index += 1
        return 0

    @staticmethod
    def _load() -> tuple[ctypes.CDLL, int]:
        reasons = []
        for path, data in _candidates():
            try:
                library = ctypes.CDLL(path)
            except OSError as error:
                reasons.append(str(error))
                continue
            rate = library.espeak_Initialize(_SYNCHRONOUS_RETRIEVAL, 0, data.encode() if data else None, 0)
            if rate > 0:
                return library, rate
            reasons.append(f"{path}: no voice data")
        raise VoiceUnavailable(
            "eSpeak NG was not found: install espeak-ng or the `speech` extra. " + "; ".join(reasons)
        )


def _words(text: str, marks: list[tuple[int, int]]) -> tuple[Word, ...]:
    """Cut `text` at its blanks and give every word the time of the first mark inside it.

    eSpeak marks a number or a hyphenated word more than once and an unpronounced sign not at all: those take the time
    of the word before.
    """
    words: list[Word] = []
    position, last_ms, remaining = 0, 0, sorted(marks)
    while position < len(text):
        end = position
        while end < len(text) and not text[end].isspace():
            end += 1
        while end < len(text) and text[end].isspace():
            end += 1
        inside = [ms for at, ms in remaining if position <= at < end]
        if inside:
            last_ms = max(last_ms, inside[0])
        words.append(Word(text[position:end], last_ms))
        position = end
    return tuple(words)
