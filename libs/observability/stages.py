"""Stages of a turn as metrics, taken from the events of the conversation.

The stages are measured in the gateway and in the brain and stored with the turn; whoever reads the events stream (the
context store) feeds each event in once, so that one process shows every stage of every turn.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from libs.contracts.events import AnyEvent, CallEnded, MessageReceived, ReplyGenerated, ReplyHeard
from libs.observability import names

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)

_DURATIONS = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0)
_SHARES = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_JITTER = (0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2)
_CONFIDENCE = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
_REASONS = frozenset(
    [
        "guest-left",
        "concierge-hung-up",
        "error",
        "guest-silent",
        "transferred",
        "shutdown",
        "gateway-lost",
        "room-finished",
    ]
)


class CallMetrics:
    """How calls went."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ended = Counter(names.CALLS_ENDED, "Calls that are over", ["reason"], registry=registry)
        self._duration = Histogram(names.CALL_DURATION, "Length of calls", buckets=_DURATIONS, registry=registry)
        self._loss = Histogram(
            names.CALL_PACKET_LOSS, "Share of the guest's packets lost", buckets=_SHARES, registry=registry
        )
        self._jitter = Histogram(names.CALL_JITTER, "Jitter of the guest's side", buckets=_JITTER, registry=registry)
        self._confidence = Histogram(
            names.CALL_CONFIDENCE, "The recogniser's mean confidence", buckets=_CONFIDENCE, registry=registry
        )
        self._interruptions = Counter(
            names.CALL_INTERRUPTIONS, "Interruptions of the concierge", ["kind"], registry=registry
        )

    def observe(self, event: CallEnded) -> None:
        self._ended.labels(event.reason if event.reason in _REASONS else "other").inc()
        self._duration.observe(event.duration_ms / 1000)
        if quality := event.quality:
            self._loss.observe(quality.packet_loss)
            self._jitter.observe(quality.jitter_ms / 1000)
            self._interruptions.labels("real").inc(quality.interruptions)
            self._interruptions.labels("false").inc(quality.false_interruptions)
            if quality.mean_confidence:
                self._confidence.observe(quality.mean_confidence)


class StageMetrics:
    """Feed every event once; the label `stage` names a field of the timings in libs.contracts.events, without `_ms`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._stage = Histogram(
            names.TURN_STAGE, "Stages of a turn", ["stage", "channel"], buckets=BUCKETS, registry=registry
        )
        self._replies = Counter(names.REPLIES, "Replies, by how they ended", ["status", "channel"], registry=registry)
        self._interrupted = Counter(names.REPLIES_INTERRUPTED, "Spoken replies cut by the guest", registry=registry)
        self._tokens = Counter(names.MODEL_TOKENS, "Model tokens", ["kind"], registry=registry)
        self._calls = CallMetrics(registry)

    def observe(self, event: AnyEvent) -> None:
        match event:
            case MessageReceived(imported=False, speech=speech) if speech:
                self._stages(event, speech.end_of_turn_ms, "end_of_turn")
                self._stages(event, speech.transcription_ms, "transcription")
            case ReplyGenerated(imported=False):
                self._reply(event)
            case ReplyHeard():
                self._heard(event)
            case CallEnded():
                self._calls.observe(event)
            case _:
                return

    def _reply(self, event: ReplyGenerated) -> None:
        self._replies.labels(event.status.value, event.channel.value).inc()
        if event.timings:
            self._stages(event, event.timings.queue_ms, "queue")
            self._stages(event, event.timings.context_ms, "context")
            self._stages(event, event.timings.first_token_ms, "first_token")
            self._stages(event, event.timings.total_ms, "total")
        if event.usage:
            self._tokens.labels("input").inc(event.usage.input_tokens)
            self._tokens.labels("output").inc(event.usage.output_tokens)
            self._tokens.labels("cached").inc(event.usage.cached_tokens)

    def _heard(self, event: ReplyHeard) -> None:
        if not event.complete:
            self._interrupted.inc()
        if event.timings:
            self._stages(event, event.timings.first_chunk_ms, "first_chunk")
            self._stages(event, event.timings.tts_ms, "tts")
            self._stages(event, event.timings.first_audio_ms, "first_audio")

    def _stages(self, event: MessageReceived | ReplyGenerated | ReplyHeard, ms: float, stage: str) -> None:
        """0 means not measured, by the contract."""
        if ms > 0:
            self._stage.labels(stage, event.channel.value).observe(ms / 1000)
