"""The events that a call writes into its conversation. Their ids come from the call, so that each takes effect once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from libs.contracts.events import (
    Author,
    CallEnded,
    CallQuality,
    CallStarted,
    Channel,
    CommandCompleted,
    MessageReceived,
    ReplyHeard,
)
from libs.contracts.limits import MAX_COMMAND_DETAIL_CHARS
from services.voice_gateway.ports import EndReason, HeardReport, SpokenTurn


class Records:
    """Makes events of one conversation; `now_ms` gives Unix milliseconds."""

    def __init__(self, property_id: str, conversation_id: str, gateway_id: str, now_ms: Callable[[], int]) -> None:
        self._property, self._conversation, self._gateway, self._now_ms = (
            property_id,
            conversation_id,
            gateway_id,
            now_ms,
        )

    def spoken(self, turn: SpokenTurn) -> MessageReceived:
        about = self._about(f"{turn.turn_id}.message", Author.GUEST, turn.turn_id)
        return MessageReceived(**about, text=turn.text, confidence=turn.confidence, speech=turn.speech)

    def written(self, turn_id: str, text: str) -> MessageReceived:
        about = self._about(f"{turn_id}.message", Author.GUEST, turn_id, Channel.TEXT)
        return MessageReceived(**about, text=text)

    def heard(self, report: HeardReport, *, again: bool = False) -> ReplyHeard:
        """`again`: of an answer begun anew, of which another gateway may have reported a part."""
        return ReplyHeard(
            **self._about(f"{report.turn_id}.{'heard-again' if again else 'heard'}", Author.SYSTEM, report.turn_id),
            text=report.text,
            complete=report.complete,
            heard_ms=report.heard_ms,
            timings=report.timings,
            filler=report.filler,
            fallback=report.fallback,
        )

    def started(self, call_id: str) -> CallStarted:
        return CallStarted(
            **self._about(f"{call_id}.started", Author.SYSTEM), gateway_id=self._gateway, call_id=call_id
        )

    def ended(self, call_id: str, reason: EndReason, duration_ms: int, quality: CallQuality) -> CallEnded:
        return CallEnded(
            **self._about(f"{call_id}.ended", Author.SYSTEM),
            call_id=call_id,
            reason=reason.value,
            duration_ms=duration_ms,
            quality=quality,
        )

    def completed(self, command_id: str, turn_id: str, *, ok: bool, detail: str) -> CommandCompleted:
        return CommandCompleted(
            **self._about(f"{command_id}.completed", Author.SYSTEM, turn_id),
            command_id=command_id,
            ok=ok,
            detail=detail[:MAX_COMMAND_DETAIL_CHARS],
        )

    def _about(
        self, event_id: str, author: Author, turn_id: str = "", channel: Channel = Channel.VOICE
    ) -> dict[str, Any]:
        return {
            "id": event_id,
            "time_ms": self._now_ms(),
            "property_id": self._property,
            "conversation_id": self._conversation,
            "author": author,
            "channel": channel,
            "turn_id": turn_id,
        }
