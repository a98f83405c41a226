"""What is told of an exchange once it is settled: to the log of the conversation, and to whoever watches the call."""

from __future__ import annotations

from services.voice_gateway import events
from services.voice_gateway.domain.heard import Heard
from services.voice_gateway.domain.timeline import Exchange
from services.voice_gateway.ports import HeardReport


def report_of(exchange: Exchange, heard: Heard) -> HeardReport:
    """For the log: the next answer is given in the knowledge of this."""
    return HeardReport(
        turn_id=exchange.turn_id,
        text=heard.text,
        complete=heard.complete,
        heard_ms=exchange.heard_ms,
        timings=exchange.timings(),
        filler=bool(exchange.filler),
        fallback=exchange.excused,
        trace=exchange.trace,
    )


def event_of(exchange: Exchange, report: HeardReport) -> events.Heard:
    """For the watcher: also what was generated and not heard."""
    return events.Heard(
        turn_id=report.turn_id,
        generated=exchange.generated.strip(),
        heard=report.text,
        complete=report.complete,
        heard_ms=report.heard_ms,
        filler=exchange.filler,
        timings=report.timings,
    )
