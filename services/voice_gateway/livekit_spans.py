"""LiveKit's own spans go nowhere: they bear what guests say, and a call's would be one trace as long as the call.

Ours tell the stages of a turn (`turn_spans`). LiveKit would use a global provider if some library sets one, and make
one of its own for LiveKit Cloud; to a provider that is none of the SDK's it attaches nothing.
"""

from __future__ import annotations

from typing import Any

from livekit.agents import telemetry
from opentelemetry.trace import NoOpTracer, Tracer, TracerProvider


class _Nowhere(TracerProvider):
    def get_tracer(self, *_: Any, **__: Any) -> Tracer:
        return NoOpTracer()


def switch_off() -> None:
    """Call once in every process that has calls, before the first of them."""
    telemetry.set_tracer_provider(_Nowhere())
