"""One call: the session wired to a brain, and what is reported of it.

Of every question asked the brain learns what the guest heard of the answer, once: whole, in part, or nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from livekit.agents import llm
from livekit.agents.voice import events as lk

from libs.contracts.errors import BotelError
from services.voice_gateway import events
from services.voice_gateway.audio import SAMPLE_RATE, PlayoutWhat
from services.voice_gateway.background import Background
from services.voice_gateway.call_turns import CallTurns
from services.voice_gateway.concierge import Concierge
from services.voice_gateway.control import CallControl
from services.voice_gateway.domain.heard import heard_of
from services.voice_gateway.domain.manners import takes_the_floor
from services.voice_gateway.domain.timeline import Exchange
from services.voice_gateway.figures import Figures
from services.voice_gateway.line import Line
from services.voice_gateway.local_switchboard import LocalSwitchboard
from services.voice_gateway.playback import Playback
from services.voice_gateway.ports import BrainLink, EndReason, HeardReport, Switchboard
from services.voice_gateway.remote_brain import RemoteBrain
from services.voice_gateway.session import session_of
from services.voice_gateway.settings import CallSettings
from services.voice_gateway.silence import Silence
from services.voice_gateway.speech.providers import Speech
from services.voice_gateway.spoken import Spoken

_log = logging.getLogger(__name__)
_REPORT_S = 5.0
"""How long reports may take at the end of a call."""


class VoiceCall:
    """Use `start`, wait for `ended`, then `close`. `watch` is told all that happens; it must not raise or wait."""

    def __init__(
        self,
        call_id: str,
        link: BrainLink,
        speech: Speech,
        line: Line,
        settings: CallSettings,
        watch: events.Watcher,
        switchboard: Switchboard | None = None,
    ) -> None:
        self.call_id, self._link, self._line, self._settings, self._watch = call_id, link, line, settings, watch
        self._turns = CallTurns()
        self._background = Background()
        patience = settings.patience()
        self._spoken = Spoken()
        self._control = CallControl(link, switchboard or LocalSwitchboard(), self, settings.desks)
        self._agent = Concierge(self._turns, patience, settings.confidence_floor, self._unclear, self._control.answers)
        brain = RemoteBrain(link, self._turns, patience, self._background, self._asked)
        self._session = session_of(brain, speech, settings)
        self._speech = speech
        self._elsewhere: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._started_at = 0.0
        self._playback = Playback(self._turns)
        self._figures = Figures()
        self._silence = Silence(self._session, settings.silences, expected=lambda: self._control.silent, end=self.end)
        self.ended: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()
        """Done when the call cannot go on or has ended."""

    async def start(self, greeting: str = "", *, pick_up_s: float = 0.0) -> None:
        """Begin to listen, and say the greeting if there is one.

        `pick_up_s`: this call was another gateway's. What that has left unanswered is answered from the beginning, if
        it was asked so many seconds ago at most: older answers would only confuse.
        """
        self._started_at = self._turns.clock()
        for name, handler in (
            ("user_input_transcribed", self._on_transcript),
            ("conversation_item_added", self._on_item),
            ("speech_created", self._on_speech),
            ("user_state_changed", self._on_state),
            ("agent_state_changed", self._on_state),
            ("agent_false_interruption", self._on_false_interruption),
            ("error", self._on_error),
            ("close", self._on_close),
        ):
            self._session.on(name, handler)  # type: ignore[arg-type]
        await self._line.start(self._session, self._agent, self._playout, self._caption)
        self._background.add("call started", self._link.call_started(self.call_id))
        self._elsewhere = asyncio.create_task(self._follow(), name=f"elsewhere {self.call_id}")
        self._watch(
            events.Ready(conversation_id=self._link.conversation_id, call_id=self.call_id, sample_rate=SAMPLE_RATE)
        )
        if greeting:
            self._session.say(greeting, add_to_chat_ctx=False)
        if pick_up_s:
            await self._pick_up(pick_up_s)
        # Behind that: a hang-up that the other has left is done when the answer that promised it was heard.
        self._control.start()

    def hush(self) -> None:
        """Nobody hears what is being said: stop it, so that it does not count as heard."""
        with contextlib.suppress(RuntimeError):  # the session is closing
            self._session.interrupt(force=True)

    def excuse(self, text: str) -> None:
        """Say something that is no answer, behind what is being said."""
        with contextlib.suppress(RuntimeError):
            self._session.say(text, add_to_chat_ctx=False)

    async def _pick_up(self, within_s: float) -> None:
        try:
            left = await self._link.unheard(int(within_s * 1000))
        except BotelError as error:
            _log.warning("nothing is picked up", extra={"call_id": self.call_id, "code": error.code})
            return
        if left:
            turn_id, text = left
            self._session.generate_reply(user_input=llm.ChatMessage(id=turn_id, role="user", content=[text]))

    @property
    def transferring(self) -> bool:
        """Whoever leaves the line now is being put through."""
        return self._control.transferring

    async def spoken(self, turn_id: str, within_s: float) -> bool:
        """See `control.Talk.spoken`."""
        return await self._spoken.wait(turn_id, within_s)

    async def say(self, text: str) -> None:
        """See `control.Talk.say`."""
        await self._session.say(text, add_to_chat_ctx=False).wait_for_playout()

    def end(self, reason: EndReason) -> None:
        """See `control.Talk.end`."""
        if not self.ended.done():
            self.ended.set_result(reason)

    async def close(self, reason: EndReason, *, over: bool = True) -> None:
        """End the call, tell the brain what was heard last, and that it is over. Safe twice, and at the same time.

        Not `over`: the call goes on elsewhere.
        """
        self.end(reason)
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(over), name=f"close {self.call_id}")
        await asyncio.shield(self._closing)

    async def _close(self, over: bool) -> None:
        await self._control.close(over=over)
        if self._elsewhere:
            self._elsewhere.cancel()
            await asyncio.gather(self._elsewhere, return_exceptions=True)
        await self._session.aclose()
        for exchange in self._turns.open():
            self._settle(exchange, spoken="", interrupted=True)
        await self._line.close()
        await self._speech.close()
        await self._report_end(self.ended.result(), over)

    async def _report_end(self, reason: EndReason, over: bool) -> None:
        duration = int((self._turns.clock() - self._started_at) * 1000) if self._started_at else 0
        quality = self._figures.quality(self._line.quality)
        if over:
            self._background.add("call ended", self._link.call_ended(self.call_id, reason, duration, quality))
        await self._background.close(_REPORT_S)
        await self._link.close()
        self._watch(events.Ended(reason=reason, duration_ms=duration, quality=quality))

    def _asked(self, exchange: Exchange) -> None:
        exchange.segments_at_ask = self._playback.segments
        self._spoken.asked(exchange.turn_id)
        self._figures.asked(exchange.confidence)
        self._watch(
            events.Asked(
                turn_id=exchange.turn_id, text=exchange.text, confidence=exchange.confidence, speech=exchange.speech
            )
        )

    def _unclear(self, text: str, confidence: float) -> None:
        self._watch(events.NotUnderstood(text=text, confidence=confidence))

    def _caption(self, text: str) -> None:
        if text.strip():
            self._watch(events.Caption(text=str(text)))  # LiveKit's timed text is a str that does not encode

    def _playout(self, what: PlayoutWhat, position: int, segment: int) -> None:
        self._playback.note(what, position)
        self._watch(events.Playout(what=what, position=position, segment=segment))

    def _on_transcript(self, event: lk.UserInputTranscribedEvent) -> None:
        self._watch(events.Transcript(text=event.transcript, final=event.is_final))
        self._silence.broken()
        speech = self._session.current_speech
        if speech is None or speech.interrupted or not speech.allow_interruptions:
            return
        if takes_the_floor(
            event.transcript,
            min_words=self._settings.interrupt_words,
            guest_speaking=self._session.user_state == "speaking",
            concierge_speaking=self._session.agent_state == "speaking",
        ):
            self._session.interrupt()

    def _on_speech(self, event: lk.SpeechCreatedEvent) -> None:
        if event.source == "generate_reply":
            self._turns.speech_created(event.speech_handle)
            event.speech_handle.add_done_callback(self._on_speech_done)

    def _on_speech_done(self, handle: Any) -> None:
        exchange = self._turns.speech_done(handle)
        if exchange:
            # Interrupted before any audio: the session keeps no item of such a reply.
            self._settle(exchange, spoken="", interrupted=True)

    def _on_item(self, event: lk.ConversationItemAddedEvent) -> None:
        item = event.item
        if item.type != "message" or item.role != "assistant":
            return
        exchange = self._turns.get(str(item.extra.get("turn", "")))
        if exchange and not exchange.settled:
            self._settle(exchange, item.text_content or "", interrupted=item.interrupted)

    def _settle(self, exchange: Exchange, spoken: str, *, interrupted: bool) -> None:
        exchange.settled = True
        self._figures.interruptions += interrupted
        heard = heard_of(spoken, generated=exchange.generated, filler=exchange.filler, interrupted=interrupted)
        self._spoken.settled(exchange.turn_id, complete=heard.complete and not exchange.excused)
        report = HeardReport(
            turn_id=exchange.turn_id,
            text=heard.text,
            complete=heard.complete,
            heard_ms=exchange.heard_ms,
            timings=exchange.timings(),
            filler=bool(exchange.filler),
            fallback=exchange.excused,
        )
        self._background.add("heard", self._link.heard(report))
        self._watch(
            events.Heard(
                turn_id=exchange.turn_id,
                generated=exchange.generated.strip(),
                heard=heard.text,
                complete=heard.complete,
                heard_ms=exchange.heard_ms,
                filler=exchange.filler,
                timings=report.timings,
            )
        )

    def _on_state(self, event: lk.UserStateChangedEvent | lk.AgentStateChangedEvent) -> None:
        self._watch(events.Listening(guest=self._session.user_state, concierge=self._session.agent_state))
        if isinstance(event, lk.UserStateChangedEvent):
            self._silence.on_state(event)

    def _on_false_interruption(self, _: lk.AgentFalseInterruptionEvent) -> None:
        self._figures.false_interruptions += 1

    def _on_error(self, event: lk.ErrorEvent) -> None:
        error = event.error
        fatal = not getattr(error, "recoverable", False)
        cause = getattr(error, "error", error)
        kind = str(getattr(cause, "kind", "")) or type(cause).__name__
        part = str(getattr(error, "type", type(event.source).__name__)).removesuffix("_error")
        _log.warning("a part of a call failed", extra={"part": part, "error": kind, "fatal": fatal})
        self._watch(events.Trouble(part=part, error=kind, fatal=fatal and part != "llm"))

    def _on_close(self, event: lk.CloseEvent) -> None:
        # Whoever else closes a session is a process that is about to end.
        self.end(EndReason.ERROR if event.error else EndReason.SHUTDOWN)

    async def _follow(self) -> None:
        """Tell what happens in the conversation beside this call; nothing of it is spoken and nothing is cut."""
        with contextlib.suppress(StopAsyncIteration):
            async for event in self._link.elsewhere():
                kind = str(event.__struct_config__.tag)
                self._watch(events.Elsewhere(kind=kind, channel=event.channel.value, number=event.number))
