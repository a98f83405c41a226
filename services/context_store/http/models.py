"""Bodies of the store's API. Names are camelCase, as on the text gateway; ids are those of the bus."""

from __future__ import annotations

from typing import Any

import msgspec
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from libs.contracts.events import Channel, Usage
from libs.contracts.limits import MAX_CONTEXT_FIELDS, MAX_EXTERNAL_ID_CHARS
from libs.contracts.projection import Message
from services.context_store.domain.rows import UNKNOWN, Row
from services.context_store.ports import Kept


class Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class OpenRequest(Body):
    property_id: str | None = None
    customer_id: str = Field(default="", max_length=MAX_EXTERNAL_ID_CHARS)
    reservation_id: str = Field(default="", max_length=MAX_EXTERNAL_ID_CHARS)
    channel: Channel = Channel.TEXT


class OpenResponse(Body):
    conversation_id: str
    created: bool


class ConversationBody(Body):
    conversation_id: str
    customer_id: str
    reservation_id: str
    opened_ms: int
    last_ms: int
    last_number: int

    @classmethod
    def of(cls, kept: Kept) -> ConversationBody:
        return cls(**{name: getattr(kept, name) for name in cls.model_fields})


class ConversationList(Body):
    conversations: list[ConversationBody]
    next: str | None = Field(description="Cursor of the next page; null after the last")


class MessageBody(Body):
    role: str
    text: str
    number: int
    time_ms: int
    channel: Channel
    turn_id: str
    interrupted: bool
    generated: str = Field(description="What was generated, where it differs from what was heard")
    call_id: str
    name: str
    arguments: str
    ok: bool

    @classmethod
    def of(cls, message: Message) -> MessageBody:
        return cls(**msgspec.structs.asdict(message))


class UsageBody(Body):
    """Of the model, in the whole conversation."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = Field(description="Part of the input tokens")
    estimated: bool = Field(description="A reply was cut before the provider told: it was at least so much")
    cost_micro: int = Field(description="Millionths of the currency of the brain's prices; 0 without prices")

    @classmethod
    def of(cls, usage: Usage) -> UsageBody:
        return cls(**msgspec.structs.asdict(usage))


class MessageList(Body):
    conversation_id: str
    messages: list[MessageBody]
    usage: UsageBody
    total: int
    next: int | None = Field(description="`offset` of the next page; null after the last")
    complete: bool = Field(description="False: Redis is away, messages of the last moments may be missing")


class EventList(Body):
    conversation_id: str
    events: list[dict[str, Any]]
    next: int | None = Field(description="`after` of the next page; null after the last")
    complete: bool


class ContextBody(Body):
    fields: dict[str, str]
    complete: bool


class ContextPatch(Body):
    fields: dict[str, str | None] = Field(max_length=MAX_CONTEXT_FIELDS, description="Fields to set; null removes one")


class ContextUpdatedBody(Body):
    number: int
    fields: dict[str, str]


def event_body(row: Row) -> dict[str, Any]:
    """The event as it was recorded; one that this release cannot read says why, and is quoted."""
    event = row.event()
    if event is None:
        quoted = row.body.decode("utf-8", "backslashreplace")
        return {"number": row.number, "type": UNKNOWN, "reason": row.reason, "body": quoted}
    recorded: dict[str, Any] = msgspec.to_builtins(event)
    return recorded
