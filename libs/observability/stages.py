"""Stages of a turn as metrics, taken from the events of the conversation.

The stages are measured in the gateway and in the brain and stored with the turn; whoever reads the events stream (the
context store) feeds each event in once, so that one process shows every stage of every turn.
"""

from __future__ import annotations

from collections import OrderedDict

from prometheus_client import CollectorRegistry, Counter, Histogram

from libs.contracts.events import (
    AnyEvent,
    CallEnded,
    Channel,
    MessageReceived,
    ReplyGenerated,
    ReplyHeard,
    ReplyStatus,
)
from libs.observability import names
from libs.observability.labels import MAX_PROPERTIES, OTHER, Properties

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)

_WRITTEN = ("queue", "context", "first_token", "total")
STAGES = ("end_of_turn", "transcription", *_WRITTEN, "bus_hop", "first_chunk", "tts", "first_audio")
"""Values of the label `stage`: fields of the timings in libs.contracts.events without `_ms`, and `bus_hop` (Hops)."""
_LEAST_MS = 0.1
"""Of a hop: the queue is told in whole milliseconds, so that the rest may come out below nothing."""

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
        for reason in (*_REASONS, OTHER):
            self._ended.labels(reason)
        for kind in ("real", "false"):
            self._interruptions.labels(kind)

    def observe(self, event: CallEnded) -> None:
        self._ended.labels(event.reason if event.reason in _REASONS else OTHER).inc()
        self._duration.observe(event.duration_ms / 1000)
        if quality := event.quality:
            if quality.packets:  # else the line does not tell
                self._loss.observe(quality.packet_loss)
                self._jitter.observe(quality.jitter_ms / 1000)
            self._interruptions.labels("real").inc(quality.interruptions)
            self._interruptions.labels("false").inc(quality.false_interruptions)
            if quality.mean_confidence:
                self._confidence.observe(quality.mean_confidence)


class Hops:
    """What the way over the bus adds to a spoken turn: the gateway's wait for the first words, less the queue and the
    brain's own time to its first words. Only durations are taken from each end: clocks need not agree for that.

    The two ends come in two events, in either order; the first is kept until the second comes, for so many turns.
    """

    def __init__(self, most: int = 2_000) -> None:
        self._most = most
        self._halves: OrderedDict[tuple[str, str], float] = OrderedDict()

    def join(self, event: ReplyGenerated | ReplyHeard, ms: float) -> float | None:
        """One end's milliseconds: above 0 the gateway's, below it what the brain knows; the sum once both are known."""
        key = (event.conversation_id, event.turn_id)
        other = self._halves.pop(key, None)
        if other is not None and (other > 0) != (ms > 0):
            return max(other + ms, _LEAST_MS)
        self._halves[key] = ms
        if len(self._halves) > self._most:
            self._halves.popitem(last=False)
        return None


class ReplyMetrics:
    """How replies ended, what was heard of them, and what they cost."""

    def __init__(self, registry: CollectorRegistry, max_properties: int = MAX_PROPERTIES) -> None:
        self._properties = Properties(max_properties)
        self._replies = Counter(
            names.REPLIES, "Replies, by how they ended", ["status", "channel", "property"], registry=registry
        )
        self._heard = Counter(names.REPLIES_HEARD, "Spoken replies", ["outcome", "property"], registry=registry)
        self._filled = Counter(names.REPLIES_FILLED, "Spoken replies behind a filler", ["property"], registry=registry)
        self._fallback = Counter(
            names.REPLIES_FALLBACK, "Apologies in place of a spoken reply", ["property"], registry=registry
        )
        self._tokens = Counter(names.MODEL_TOKENS, "Model tokens", ["kind", "property"], registry=registry)
        self._cost = Counter(names.MODEL_COST, "Price of model tokens, currency units", ["property"], registry=registry)

    def generated(self, event: ReplyGenerated) -> None:
        hotel = self._properties.label(event.property_id)
        for status in ReplyStatus:  # from a property's first reply on: a rate of the rare ones is then 0, not unknown
            self._replies.labels(status.value, event.channel.value, hotel).inc(status is event.status)
        if usage := event.usage:
            self._tokens.labels("input", hotel).inc(usage.input_tokens)
            self._tokens.labels("output", hotel).inc(usage.output_tokens)
            self._tokens.labels("cached", hotel).inc(usage.cached_tokens)
            self._cost.labels(hotel).inc(usage.cost_micro / 1_000_000)

    def heard(self, event: ReplyHeard) -> None:
        hotel = self._properties.label(event.property_id)
        self._heard.labels("complete" if event.complete else "interrupted", hotel).inc()
        self._filled.labels(hotel).inc(event.filler)
        self._fallback.labels(hotel).inc(event.fallback)


class StageMetrics:
    """Feed every event once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._stage = Histogram(
            names.TURN_STAGE, "Stages of a turn", ["stage", "channel"], buckets=BUCKETS, registry=registry
        )
        for stage in STAGES:
            self._stage.labels(stage, Channel.VOICE.value)
        for stage in _WRITTEN:
            self._stage.labels(stage, Channel.TEXT.value)
        self._replies = ReplyMetrics(registry)
        self._calls = CallMetrics(registry)
        self._hops = Hops()

    def observe(self, event: AnyEvent) -> None:
        match event:
            case MessageReceived(imported=False, speech=speech) if speech:
                self._stages(event, end_of_turn=speech.end_of_turn_ms, transcription=speech.transcription_ms)
            case ReplyGenerated(imported=False):
                self._generated(event)
            case ReplyHeard():
                self._heard(event)
            case CallEnded():
                self._calls.observe(event)
            case _:
                return

    def _generated(self, event: ReplyGenerated) -> None:
        self._replies.generated(event)
        if told := event.timings:
            self._stages(
                event,
                queue=told.queue_ms,
                context=told.context_ms,
                first_token=told.first_token_ms,
                total=told.total_ms,
            )
            if told.first_words_ms and event.channel is Channel.VOICE:
                self._hop(event, -(told.queue_ms + told.first_words_ms))

    def _heard(self, event: ReplyHeard) -> None:
        self._replies.heard(event)
        if told := event.timings:
            self._stages(event, first_chunk=told.first_chunk_ms, tts=told.tts_ms, first_audio=told.first_audio_ms)
            if told.first_chunk_ms and not event.fallback:
                self._hop(event, told.first_chunk_ms)

    def _hop(self, event: ReplyGenerated | ReplyHeard, ms: float) -> None:
        if hop := self._hops.join(event, ms):
            self._stages(event, bus_hop=hop)

    def _stages(self, event: MessageReceived | ReplyGenerated | ReplyHeard, **ms: float) -> None:
        """0 means not measured, by the contract."""
        for stage, took in ms.items():
            if took > 0:
                self._stage.labels(stage, event.channel.value).observe(took / 1000)
