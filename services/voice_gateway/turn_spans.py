"""What a call tells the tracer: a trace for each of its turns, from the guest's last word to the answer's last sound.

The times are those that are measured anyway (`domain.timeline.Exchange`, Unix seconds): a stage is told when it is
over. The call is a trace of its own, which its turns point to: a turn's trace is as long as the turn.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager

from libs.bus.run_span import messaging
from libs.bus.tracing import Kind, NullTracer, Span, Tracer, Value, record
from services.voice_gateway.domain.heard import Heard
from services.voice_gateway.domain.timeline import Exchange
from services.voice_gateway.ports import BrainLink, ReplyPiece


class CallSpan:
    """The trace of a call; ended once, by whatever comes first."""

    def __init__(self, tracer: Tracer, span: Span, property_id: str, conversation_id: str) -> None:
        self.tracer, self._span = tracer, span
        self.about: Mapping[str, Value] = {
            "botel.property_id": property_id,
            "botel.conversation_id": conversation_id,
        }
        span.set(self.about)

    @property
    def trace(self) -> str:
        return self._span.trace

    def begun(self, call_id: str) -> None:
        self._span.set({"botel.call_id": call_id})

    def over(self, reason: str) -> None:
        """`reason`: why the call ended; '' when it goes on elsewhere, or never stood."""
        if reason:
            self._span.set({"botel.call.reason": reason})
        self._span.end()


@contextlib.contextmanager
def typed(call: CallSpan, turn_id: str) -> Iterator[str]:
    """The trace of what the guest typed in the call, from the message to the whole answer."""
    about = {**call.about, "botel.turn_id": turn_id, "botel.channel": "text"}
    span, error = call.tracer.start("turn", kind=Kind.SERVER, attributes=about, link=call.trace), ""
    try:
        yield span.trace
    except Exception as broken:
        error = getattr(broken, "code", type(broken).__name__)
        raise
    finally:
        span.end(error=error)


class TurnSpans:
    """The spans of one call's spoken turns. `open` holds the turns of which it is not settled what was heard."""

    def __init__(self, tracer: Tracer | None = None, link: BrainLink | None = None) -> None:
        self._tracer = tracer or NullTracer()
        self._call = link.trace if link else ""
        self._ids = {"property_id": link.property_id, "conversation_id": link.conversation_id} if link else {}
        self._before: dict[str, str] = {}
        self._turns: dict[str, Span] = {}
        self._receiving: dict[str, Span] = {}

    def goes_on(self, turn_id: str, trace: str) -> None:
        """A turn that another gateway began: its trace goes on here."""
        self._before[turn_id] = trace

    def inside(self, exchange: Exchange) -> AbstractContextManager[None]:
        """What is logged inside is of this turn."""
        return self._tracer.inside(exchange.trace, turn_id=exchange.turn_id, **self._ids)

    def asked(self, exchange: Exchange) -> None:
        """A question is handed to the brain: how long it took to know that it was one."""
        begun = _ns(exchange.stopped_at or exchange.asked_at)
        about = self._about(exchange)
        span = self._tracer.start(
            "turn",
            self._before.pop(exchange.turn_id, ""),
            kind=Kind.SERVER,
            at_ns=begun,
            attributes={**about, "botel.stt.confidence": exchange.confidence},
            link=self._call,
        )
        span.set({"botel.question": self._tracer.words(exchange.text)})
        exchange.trace, self._turns[exchange.turn_id] = span.trace, span
        if exchange.stopped_at:
            for name, took_ms in (
                ("transcribe", exchange.speech.transcription_ms),
                ("decide end of turn", exchange.speech.end_of_turn_ms),
            ):
                if took_ms:
                    record(self._tracer, name, span.trace, begun, begun + int(took_ms * 1_000_000), about)

    def received(self, exchange: Exchange, piece: ReplyPiece) -> None:
        """A piece of the answer came over the bus."""
        if not self._tracer.on:
            return
        receiving = self._receiving.get(exchange.turn_id)
        if receiving is None:
            told = {**self._about(exchange), **messaging("receive", "receive", "chunks")}
            receiving = self._receiving[exchange.turn_id] = self._tracer.start(
                "receive chunks", piece.trace or exchange.trace, kind=Kind.CONSUMER, attributes=told
            )
        if piece.end is not None:
            receiving.set({"botel.reply.status": piece.end.value})
            receiving.end()

    def settled(self, exchange: Exchange, heard: Heard) -> None:
        """It is known what was heard of the answer: the turn is over."""
        span = self._turns.pop(exchange.turn_id, None)
        if receiving := self._receiving.pop(exchange.turn_id, None):
            receiving.end()
        if span is None:
            return
        now, about = time.time_ns(), self._about(exchange)
        words, voiced, audible = map(_ns, (exchange.first_words_at, exchange.first_voiced_at, exchange.first_audio_at))
        record(self._tracer, "synthesise speech", span.trace, words, voiced, about)
        record(self._tracer, "first audio", span.trace, voiced, audible, about)
        told = {
            "botel.heard.complete": heard.complete,
            "botel.heard.interrupted": not heard.complete,
            "botel.heard_ms": exchange.heard_ms,
        }
        record(self._tracer, "playout", span.trace, audible, now, {**about, **told})
        span.set({**told, "botel.filler": bool(exchange.filler), "botel.heard": self._tracer.words(heard.text)})
        span.end(at_ns=now, error="excused" if exchange.excused else "")

    def _about(self, exchange: Exchange) -> dict[str, Value]:
        return {
            **{f"botel.{name}": value for name, value in self._ids.items()},
            "botel.turn_id": exchange.turn_id,
            "botel.channel": "voice",
        }


def _ns(seconds: float) -> int:
    return int(seconds * 1_000_000_000)
