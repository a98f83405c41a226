"""A recogniser made of several providers: the first that works hears the guest, and the next takes over in mid-word.

What was said and not yet recognised is kept and heard again by the one that takes over, so a question outlives its
recogniser. A provider that is connected and silent is found out by the voice activity detector. One that failed is
tried again beside the one in use, on the guest's own words, and used again between two utterances.
"""

from __future__ import annotations

import asyncio
import time

from livekit import rtc
from livekit.agents import stt, utils, vad
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, APIConnectOptions, NotGivenOr
from livekit.agents.utils import AudioBuffer

from services.voice_gateway.speech.ear import Ear, Hearing
from services.voice_gateway.speech.failure import Ledger, ProviderSilent
from services.voice_gateway.speech.tape import Tape

SAMPLE_RATE = 16_000
_BREATH_S = 1.0
"""Between attempts while no provider works."""
_CERTAIN_S = 1.0
"""Speech this long has words in it: a recogniser that has none is not listening. A cough is shorter."""
_UNHEARD = 2
"""So many short ones in a row that a recogniser does not even notice have words in them, too."""
_OVERLAP_S = 0.3
"""Heard again after words in the middle of speech."""
_SETTLED_S = 1.0
"""Words this shortly before speech ends are its last."""
_TEXT = (stt.SpeechEventType.INTERIM_TRANSCRIPT, stt.SpeechEventType.FINAL_TRANSCRIPT)


class RelaySTT(stt.STT[str]):
    """Streaming. Interim results as far as the provider in use has them."""

    def __init__(self, hearings: list[Hearing], ledger: Ledger, detector: vad.VAD) -> None:
        super().__init__(
            capabilities=stt.STTCapabilities(
                streaming=True,
                interim_results=any(hearing.stt.capabilities.interim_results for hearing in hearings),
                offline_recognize=False,
            )
        )
        self.hearings, self.ledger, self.detector = hearings, ledger, detector

    @property
    def model(self) -> str:
        return self.hearings[self.ledger.roster.order()[0]].stt.model

    @property
    def provider(self) -> str:
        return self.ledger.providers[self.ledger.roster.order()[0]]

    async def _recognize_impl(
        self, buffer: AudioBuffer, *, language: NotGivenOr[str] = NOT_GIVEN, conn_options: APIConnectOptions
    ) -> stt.SpeechEvent:
        raise NotImplementedError("streaming only")

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        return _Stream(self, conn_options)

    def open(self, place: int) -> stt.RecognizeStream:
        hearing = self.hearings[place]
        timeout = hearing.patience_s or DEFAULT_API_CONNECT_OPTIONS.timeout
        return hearing.stt.stream(conn_options=APIConnectOptions(max_retry=0, timeout=timeout))

    def failed(self, place: int, error: BaseException | None) -> None:
        failure = self.ledger.failed(place, error)
        self.emit("error", stt.STTError(timestamp=time.time(), label=self._label, error=failure, recoverable=True))


class _Stream(stt.RecognizeStream):
    def __init__(self, relay: RelaySTT, conn_options: APIConnectOptions) -> None:
        super().__init__(stt=relay, conn_options=conn_options, sample_rate=SAMPLE_RATE)
        self._relay = relay
        self._tape = Tape()
        self._main: Ear | None = None
        self._trial: Ear | None = None
        self._ends: asyncio.Queue[tuple[Ear | None, BaseException | None]] = asyncio.Queue()
        self._closing: set[asyncio.Task[None]] = set()
        self._overdue: asyncio.TimerHandle | None = None
        self._over = self._speaking = self._answered = self._final = False
        self._since_final_s = 0.0
        self._unheard = 0

    async def _run(self) -> None:
        activity = self._relay.detector.stream()
        self._main = self._open(self._relay.ledger.roster.order()[0])
        side = [
            asyncio.create_task(self._feed(activity), name="relay feed"),
            asyncio.create_task(self._watch(activity), name="relay watch"),
        ]
        try:
            while True:
                ear, error = await self._ends.get()
                if ear is self._main:
                    if self._over and error is None:
                        return
                    await self._take_over(error)
                elif ear is not None and ear is self._trial:
                    self._end_trial(error)
        finally:
            self._stop_clock()
            await utils.aio.cancel_and_wait(*side)
            await activity.aclose()
            ears = [ear.close() for ear in (self._main, self._trial) if ear]
            await asyncio.gather(*ears, *self._closing, return_exceptions=True)

    async def _take_over(self, error: BaseException | None) -> None:
        """Let the next provider hear what this one has not answered."""
        self._stop_clock()
        if self._main:
            self._dismiss(self._main)
            self._relay.failed(self._main.place, error)
            self._main = None
        if self._trial:
            self._dismiss(self._trial)
            self._trial = None
        roster = self._relay.ledger.roster
        place = roster.order()[0]
        if roster.out(place):
            await asyncio.sleep(_BREATH_S)
            place = roster.order()[0]
        self._main = self._open(place)
        if self._over:
            self._main.end_input()
        if self._tape.awaited:
            self._answered = False
            self._start_clock(_CERTAIN_S)

    def _open(self, place: int) -> Ear:
        """A provider's stream that has heard the tape."""
        hearing = self._relay.hearings[place]
        stream = self._relay.open(place)
        elapsed = time.time() - self.start_time - self._tape.seconds
        stream.start_time_offset = max(0.0, self.start_time_offset + elapsed)
        interims = hearing.stt.capabilities.interim_results
        ear = Ear(place, stream, watched=interims and hearing.patience_s is not None, interims=interims)
        for frame in self._tape.frames():
            ear.hear(frame)
        ear.task = asyncio.create_task(self._listen(ear), name=f"ear {self._relay.ledger.providers[place]}")
        return ear

    async def _listen(self, ear: Ear) -> None:
        error: BaseException | None = None
        try:
            async for event in ear.stream:
                self._on_event(ear, event)
        except Exception as failure:
            error = failure
        self._ends.put_nowait((ear, error))

    def _on_event(self, ear: Ear, event: stt.SpeechEvent) -> None:
        words = event.type in _TEXT and bool(event.alternatives and event.alternatives[0].text)
        final = words and event.type is stt.SpeechEventType.FINAL_TRANSCRIPT
        if ear is self._trial:
            if final:
                ear.proven = True
                self._relay.ledger.works(ear.place)
                self._promote()
            return  # its words were the main one's to tell, also when it has just taken its place
        if ear is not self._main:
            return
        self._answered |= words
        self._event_ch.send_nowait(event)
        if final:
            self._final, self._since_final_s = True, 0.0
            self._relay.ledger.works(ear.place)
        # Without interim results the end of speech comes before its words.
        if final or (event.type is stt.SpeechEventType.END_OF_SPEECH and ear.interims):
            if self._speaking:
                self._tape.recognised(_OVERLAP_S)
            else:
                self._settle()

    async def _feed(self, activity: vad.VADStream) -> None:
        async for item in self._input_ch:
            if isinstance(item, rtc.AudioFrame):
                self._tape.add(item)
                self._since_final_s += item.duration
                activity.push_frame(item)
            for ear in (self._main, self._trial):
                if ear:
                    ear.hear(item)
        self._over = True
        activity.end_input()
        for ear in (self._main, self._trial):
            if ear:
                ear.end_input()

    async def _watch(self, activity: vad.VADStream) -> None:
        """Follow whether the guest speaks, and hold it against what the recogniser says."""
        async for event in activity:
            self._tape.examined(event.samples_index / SAMPLE_RATE)
            if event.type is vad.VADEventType.START_OF_SPEECH:
                self._speaking, self._answered, self._final = True, False, False
                self._tape.awaited = True
                self._try_rested()
                self._start_clock(_CERTAIN_S)
            elif event.type is vad.VADEventType.END_OF_SPEECH:
                self._speaking = False
                if self._final and self._since_final_s < _SETTLED_S:
                    self._settle()
                else:
                    self._unheard += 1
                    self._stop_clock()
                    if event.speech_duration >= _CERTAIN_S or self._answered or self._unheard >= _UNHEARD:
                        self._start_clock(0.0)

    def _start_clock(self, more_s: float) -> None:
        self._stop_clock()
        if self._main and self._main.watched:
            patience = self._relay.hearings[self._main.place].patience_s or 0.0
            loop = asyncio.get_running_loop()
            self._overdue = loop.call_later(patience + more_s, self._check, self._main)

    def _stop_clock(self) -> None:
        if self._overdue:
            self._overdue.cancel()
            self._overdue = None

    def _check(self, ear: Ear) -> None:
        """The time for an answer is over: no words at all while the guest speaks, or no last ones since."""
        silent = not self._answered if self._speaking else not self._final
        if ear is self._main and self._tape.awaited and silent and self._others(ear):
            self._ends.put_nowait((ear, ProviderSilent()))

    def _others(self, ear: Ear) -> bool:
        roster = self._relay.ledger.roster
        return any(place != ear.place and not roster.out(place) for place in roster.order())

    def _settle(self) -> None:
        """All that was said is recognised."""
        self._stop_clock()
        self._unheard = 0
        self._tape.awaited = False
        self._tape.recognised(_OVERLAP_S)
        self._promote()

    def _try_rested(self) -> None:
        """An utterance begins: let a better provider that has rested hear it too."""
        if self._trial and not self._trial.proven:
            self._relay.ledger.failed(self._trial.place, ProviderSilent())
            self._dismiss(self._trial)
            self._trial = None
        if self._main and not self._trial:
            due = [place for place in self._relay.ledger.due() if place < self._main.place]
            if due:
                self._trial = self._open(due[0])

    def _promote(self) -> None:
        """Use a proven provider, between two utterances."""
        if self._trial and self._trial.proven and self._main and not self._speaking and not self._tape.awaited:
            self._dismiss(self._main)
            self._main, self._trial = self._trial, None

    def _end_trial(self, error: BaseException | None) -> None:
        assert self._trial
        self._dismiss(self._trial)
        self._relay.ledger.failed(self._trial.place, error)
        self._trial = None

    def _dismiss(self, ear: Ear) -> None:
        task = asyncio.create_task(ear.close(), name="ear closes")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
