"""What the bus, and services through it, tell a tracer. libs.observability implements it with OpenTelemetry.

A span is known to messages by its W3C traceparent, and its parent is named by one: so a trace goes on in whichever
process reads the message. Times are Unix nanoseconds; what has already happened is told with the time when it began.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

Value = str | bool | int | float | Sequence[str]


class Kind(enum.Enum):
    """OpenTelemetry's kinds of spans."""

    INTERNAL = 0
    SERVER = 1
    CLIENT = 2
    PRODUCER = 3
    CONSUMER = 4


class Span(Protocol):
    """Ended exactly once; what is told after that is left out."""

    @property
    def trace(self) -> str:
        """The traceparent that messages of this step bear; '' for none."""

    def set(self, attributes: Mapping[str, Value]) -> None: ...

    def link(self, trace: str) -> None:
        """Point to another trace that has to do with this."""

    def end(self, *, at_ns: int = 0, error: str = "") -> None:
        """`error`: the name of what went wrong, never its text, which may bear a guest's words. 0: now."""


class Tracer(Protocol):
    @property
    def on(self) -> bool:
        """Whether spans go anywhere; without, nobody needs to gather what they would say."""

    def start(
        self,
        name: str,
        parent: str = "",
        *,
        kind: Kind = Kind.INTERNAL,
        at_ns: int = 0,
        attributes: Mapping[str, Value] | None = None,
        link: str = "",
    ) -> Span:
        """Begin a step; without a parent, a trace. 0: now. Never raises, whatever the parent is."""

    def inside(self, trace: str, **ids: str) -> AbstractContextManager[None]:
        """What is logged inside, in this task and those it starts, bears the trace's ids and these."""

    def words(self, text: str) -> str:
        """What may be said of a guest's or the concierge's words: the text only where that is switched on."""


MASKED = "(masked)"


class NullSpan:
    """A step that nobody collects: it has a context, for messages and logs."""

    __slots__ = ("trace",)

    def __init__(self, trace: str) -> None:
        self.trace = trace

    def set(self, attributes: Mapping[str, Value]) -> None:
        """See Span."""

    def link(self, trace: str) -> None:
        """See Span."""

    def end(self, *, at_ns: int = 0, error: str = "") -> None:
        """See Span."""


NULL_SPAN: Span = NullSpan("")
"""Of nothing."""


class NullTracer:
    """Traces nothing, and hands on the context that a message came with."""

    on = False

    def start(
        self,
        name: str,
        parent: str = "",
        *,
        kind: Kind = Kind.INTERNAL,
        at_ns: int = 0,
        attributes: Mapping[str, Value] | None = None,
        link: str = "",
    ) -> Span:
        """See Tracer."""
        return NullSpan(parent)

    def inside(self, trace: str, **ids: str) -> AbstractContextManager[None]:
        """See Tracer."""
        return contextlib.nullcontext()

    def words(self, text: str) -> str:
        """See Tracer."""
        return MASKED


def record(
    tracer: Tracer,
    name: str,
    parent: str,
    begin_ns: int,
    end_ns: int,
    attributes: Mapping[str, Value] | None = None,
    *,
    kind: Kind = Kind.INTERNAL,
) -> None:
    """A step that is over; one whose beginning is not known, or after its end, did not happen."""
    if tracer.on and 0 < begin_ns <= end_ns:
        tracer.start(name, parent, kind=kind, at_ns=begin_ns, attributes=attributes).end(at_ns=end_ns)
