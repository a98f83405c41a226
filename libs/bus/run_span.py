"""What is told to the tracer of one run of a turn: the wait before it, what it read, its first words on their way."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from libs.bus.tracing import Kind, Span, Tracer, Value, record
from libs.contracts.events import Event, MessageReceived
from libs.contracts.turns import Grant

_MS = 1_000_000


def about(event: Event) -> dict[str, Value]:
    """The ids by which spans of a turn are found."""
    return {
        "botel.property_id": event.property_id,
        "botel.conversation_id": event.conversation_id,
        "botel.turn_id": event.turn_id,
        "botel.channel": event.channel.value,
    }


def messaging(operation: str, kind: str, destination: str, message: MessageReceived | None = None) -> dict[str, Value]:
    """OpenTelemetry's attributes of a message on its way through Redis."""
    told: dict[str, Value] = {
        "messaging.system": "redis",
        "messaging.operation.name": operation,
        "messaging.operation.type": kind,
        "messaging.destination.name": destination,
    }
    if message:
        told["messaging.message.id"] = message.id
        told["messaging.message.conversation_id"] = message.conversation_id
    return told


def begin_run(tracer: Tracer, worker_id: str, grant: Grant, message: MessageReceived, context_ms: float) -> Span:
    """The span of a run, from its claim on; `context_ms` is what claiming and reading took until now.

    A run after a crash is another child of the same turn: `botel.attempt` tells them apart.
    """
    now = time.time_ns()
    claimed = now - int(context_ms * _MS)
    if not tracer.on:
        return tracer.start("process turns", message.trace)
    told = {
        **about(message),
        **messaging("process", "process", "turns", message),
        "messaging.consumer.group.name": "brain",
        "messaging.client.id": worker_id,
        "botel.attempt": grant.attempt,
        "botel.epoch": grant.epoch,
        "botel.verdict": grant.verdict.value,
        "botel.draft_bytes": len(grant.draft.encode()),
    }
    waited = {**about(message), "botel.attempt": grant.attempt}
    # Redis tells whole milliseconds: the end of that one, so that nothing begins before what it follows.
    accepted = min(claimed, (grant.item.accepted_ms + 1) * _MS)
    record(tracer, "wait for a brain", message.trace, accepted, claimed, waited)
    span = tracer.start("process turns", message.trace, kind=Kind.CONSUMER, at_ns=claimed, attributes=told)
    record(tracer, "load context", span.trace, claimed, now, about(message))
    return span


class FirstWords:
    """The first words of a run on their way to Redis: what comes after them goes the same way."""

    def __init__(self, tracer: Tracer, trace: str) -> None:
        self._tracer, self._trace = tracer, trace
        self._span: Span | None = None

    def sent(self, sent: asyncio.Future[Any]) -> None:
        """Words were handed over; `sent` is done when Redis has them."""
        if self._span is None and self._tracer.on:
            told = messaging("send", "send", "chunks")
            self._span = self._tracer.start("send chunks", self._trace, kind=Kind.PRODUCER, attributes=told)
            sent.add_done_callback(self._landed)

    def _landed(self, sent: asyncio.Future[Any]) -> None:
        assert self._span
        failed = sent.cancelled() or sent.exception() is not None
        self._span.end(error="not-sent" if failed else "")
