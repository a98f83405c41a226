"""Everything that can happen in a conversation: facts, in the past tense, one closed union with one decoder.

Evolution: a field once released is never renamed, retyped or given another meaning; a new field always has a default;
`VERSION` rises only for a change that an older reader must not misread. Golden files in tests/unit/golden hold every
released version.
"""

from __future__ import annotations

import enum

import msgspec

from libs.contracts.commands import AnyCommand

VERSION = 1


class Author(enum.StrEnum):
    GUEST = "guest"
    CONCIERGE = "concierge"
    STAFF = "staff"
    SYSTEM = "system"


class Channel(enum.StrEnum):
    VOICE = "voice"
    TEXT = "text"
    SYSTEM = "system"


class ReplyStatus(enum.StrEnum):
    """How a turn ended."""

    FINISHED = "finished"
    CANCELLED = "cancelled"
    """The guest interrupted or the client withdrew it."""
    FAILED = "failed"
    """The brain could not answer; the guest was given a fallback."""
    EXPIRED = "expired"
    """Nobody began before the deadline."""
    DEAD = "dead"
    """Every attempt failed: a dead letter."""


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Model tokens of one reply. `estimated` when the stream was cut before the provider told."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    estimated: bool = False
    cost_micro: int = 0
    """Millionths of the currency that the brain's prices are in; 0 when it was given none."""


class SpeechTimings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Stages before a spoken turn is accepted, in milliseconds, measured in the voice gateway."""

    end_of_turn_ms: float = 0.0
    """Guest stopped speaking -> end of turn decided."""
    transcription_ms: float = 0.0
    """Guest stopped speaking -> final transcript."""


class ReplyTimings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Stages inside the brain, in milliseconds."""

    queue_ms: float = 0.0
    """Accepted -> claimed."""
    context_ms: float = 0.0
    """Claimed -> context and log read."""
    first_token_ms: float = 0.0
    """Model asked -> first words."""
    total_ms: float = 0.0
    """Claimed -> reply complete."""
    first_words_ms: float = 0.0
    """Claimed -> first words given to the bus; 0 for a reply that an earlier run had begun."""


class HeardTimings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Stages after the brain, in milliseconds, measured in the voice gateway."""

    first_chunk_ms: float = 0.0
    """Turn accepted -> first chunk at the gateway."""
    tts_ms: float = 0.0
    """First chunk -> first synthesised audio."""
    first_audio_ms: float = 0.0
    """Guest stopped speaking -> first audio of the answer."""


class CallQuality(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    interruptions: int = 0
    false_interruptions: int = 0
    mean_confidence: float = 0.0
    """Of the recognised words, 0 to 1; 0 when the recogniser does not tell."""
    turns: int = 0
    packets: int = 0
    """Of the guest's audio, that came; 0 on a line that does not tell."""
    packet_loss: float = 0.0
    """Share of the guest's audio packets that never came, 0 to 1; 0 on a line that does not tell."""
    jitter_ms: float = 0.0
    """Of the guest's audio, the greatest that was seen."""


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """What every event has. `number` is the log's and is filled in on reading: it is not in the encoded body."""

    id: str
    time_ms: int
    """Unix milliseconds by the author's clock."""
    property_id: str
    conversation_id: str
    author: Author
    channel: Channel
    turn_id: str = ""
    trace: str = ""
    """W3C traceparent."""
    v: int = VERSION
    number: int = 0


class ConversationOpened(Event, frozen=True, tag="conversation.opened"):
    reservation_id: str = ""
    customer_id: str = ""


class MessageReceived(Event, frozen=True, tag="message.received"):
    text: str
    imported: bool = False
    """Came with the request as earlier history; not a turn."""
    confidence: float = 0.0
    speech: SpeechTimings | None = None


class ToolRequested(Event, frozen=True, tag="tool.requested"):
    """Journalled before a side effect."""

    call_id: str
    name: str
    arguments: str
    """Canonical JSON: sorted keys, no blanks."""
    idempotency_key: str
    draft_offset: int = 0
    """Bytes of the reply emitted before the call."""


class ToolCompleted(Event, frozen=True, tag="tool.completed"):
    """Journalled after any tool call, before the model sees its result."""

    call_id: str
    name: str
    arguments: str
    result: str
    ok: bool = True
    idempotency_key: str = ""
    draft_offset: int = 0


class ReplyGenerated(Event, frozen=True, tag="reply.generated"):
    text: str
    status: ReplyStatus
    reason: str = ""
    model: str = ""
    usage: Usage | None = None
    timings: ReplyTimings | None = None
    imported: bool = False


class ReplyHeard(Event, frozen=True, tag="reply.heard"):
    """What the guest heard of a spoken reply. The filler is not part of it."""

    text: str
    complete: bool
    heard_ms: int = 0
    """Milliseconds of the reply's audio that were played."""
    timings: HeardTimings | None = None
    filler: bool = False
    """Something was said first, because the reply's first words were late."""
    fallback: bool = False
    """The reply failed or broke off, and the gateway apologised in its place."""


class CallStarted(Event, frozen=True, tag="call.started"):
    gateway_id: str
    call_id: str


class CallEnded(Event, frozen=True, tag="call.ended"):
    call_id: str
    reason: str
    duration_ms: int
    quality: CallQuality | None = None


class CommandRequested(Event, frozen=True, tag="command.requested"):
    command_id: str
    command: AnyCommand
    call_id: str = ""
    """The call that it is meant for; empty: whichever is on the line."""


class CommandCompleted(Event, frozen=True, tag="command.completed"):
    command_id: str
    ok: bool
    detail: str = ""


class CardOffered(Event, frozen=True, tag="card.offered"):
    card_id: str
    kind: str
    title: str
    body: str = ""


class CardShown(Event, frozen=True, tag="card.shown"):
    card_id: str


class ContextUpdated(Event, frozen=True, tag="context.updated"):
    fields: dict[str, str]
    """Fields set; an empty value removes the field."""


class SummaryWritten(Event, frozen=True, tag="summary.written"):
    text: str
    up_to: int
    """The last event number that the summary covers."""


AnyEvent = (
    ConversationOpened
    | MessageReceived
    | ToolRequested
    | ToolCompleted
    | ReplyGenerated
    | ReplyHeard
    | CallStarted
    | CallEnded
    | CommandRequested
    | CommandCompleted
    | CardOffered
    | CardShown
    | ContextUpdated
    | SummaryWritten
)
