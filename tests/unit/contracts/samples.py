"""One event of every type with every field set: what the golden files hold."""

from __future__ import annotations

from libs.contracts import commands, events
from libs.contracts.events import AnyEvent, Author, Channel, Event, ReplyStatus

COMMON = {
    "id": "evt-1",
    "time_ms": 1_792_000_000_123,
    "property_id": "harbour",
    "conversation_id": "conv-1",
    "turn_id": "turn-1",
    "trace": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}


def _make(kind: type[Event], author: Author, channel: Channel, /, **fields: object) -> AnyEvent:
    made: AnyEvent = kind(**COMMON, author=author, channel=channel, **fields)  # type: ignore[arg-type, assignment]
    return made


def samples() -> list[AnyEvent]:
    """In the order of the union. A released sample never changes: a new field gets a new golden version."""
    return [*_of_questions(), *_of_replies(), *_around_turns()]


def _of_questions() -> list[AnyEvent]:
    guest, concierge, system = Author.GUEST, Author.CONCIERGE, Author.SYSTEM
    voice, text = Channel.VOICE, Channel.TEXT
    return [
        _make(events.ConversationOpened, system, text, reservation_id="R-1001", customer_id="C/7 é"),
        _make(
            events.MessageReceived,
            guest,
            voice,
            text="Könnten wir später abreisen? 🛎️",
            imported=True,
            confidence=0.75,
            speech=events.SpeechTimings(end_of_turn_ms=420.5, transcription_ms=180.25),
        ),
        _make(
            events.ToolRequested,
            concierge,
            voice,
            call_id="call-1",
            name="accept_offer",
            arguments='{"offer_id":"o-1"}',
            idempotency_key="turn-1:call-1",
            draft_offset=12,
        ),
        _make(
            events.ToolCompleted,
            concierge,
            voice,
            call_id="call-1",
            name="accept_offer",
            arguments='{"offer_id":"o-1"}',
            result='{"confirmed":true}',
            ok=False,
            idempotency_key="turn-1:call-1",
            draft_offset=12,
        ),
    ]


def _of_replies() -> list[AnyEvent]:
    concierge, voice = Author.CONCIERGE, Channel.VOICE
    return [
        _make(
            events.ReplyGenerated,
            concierge,
            voice,
            text="It is yours until two.",
            status=ReplyStatus.CANCELLED,
            reason="interrupted",
            model="offline",
            usage=events.Usage(input_tokens=900, output_tokens=40, cached_tokens=512, estimated=True),
            timings=events.ReplyTimings(queue_ms=0.5, context_ms=1.25, first_token_ms=310.0, total_ms=900.5),
            imported=True,
        ),
        _make(
            events.ReplyHeard,
            concierge,
            voice,
            text="It is yours",
            complete=False,
            heard_ms=840,
            timings=events.HeardTimings(first_chunk_ms=350.0, tts_ms=90.5, first_audio_ms=990.0),
        ),
    ]


def _around_turns() -> list[AnyEvent]:
    concierge, system = Author.CONCIERGE, Author.SYSTEM
    voice, text = Channel.VOICE, Channel.TEXT
    return [
        _make(events.CallStarted, system, voice, gateway_id="gw-1", call_id="room-1"),
        _make(
            events.CallEnded,
            system,
            voice,
            call_id="room-1",
            reason="guest-hung-up",
            duration_ms=61_000,
            quality=events.CallQuality(interruptions=1, false_interruptions=2, mean_confidence=0.875),
        ),
        _make(
            events.CommandRequested,
            Author.STAFF,
            voice,
            command_id="cmd-1",
            command=commands.Transfer(to="tel:+358401234567"),
        ),
        _make(events.CommandCompleted, system, voice, command_id="cmd-1", ok=False, detail="no answer"),
        _make(events.CardOffered, concierge, text, card_id="card-1", kind="offer", title="Late checkout", body="14:00"),
        _make(events.CardShown, system, text, card_id="card-1"),
        _make(events.ContextUpdated, Author.STAFF, Channel.SYSTEM, fields={"room": "412", "vip": ""}),
        _make(events.SummaryWritten, system, Channel.SYSTEM, text="The guest wants to leave late.", up_to=17),
    ]
