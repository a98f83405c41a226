"""Messages and events as gateways send them."""

from __future__ import annotations

from libs.contracts.events import (
    Author,
    Channel,
    ConversationOpened,
    MessageReceived,
    ReplyHeard,
    ToolCompleted,
    ToolRequested,
)

PROPERTY = "harbour"
NOW = 1_790_000_000_000
"""Some moment: the authors' clocks decide nothing."""


def opened(conversation: str, property_id: str = PROPERTY, customer: str = "") -> ConversationOpened:
    return ConversationOpened(
        id=f"{conversation}.opened",
        time_ms=NOW,
        property_id=property_id,
        conversation_id=conversation,
        author=Author.SYSTEM,
        channel=Channel.SYSTEM,
        customer_id=customer,
    )


def message(conversation: str, turn: str, text: str = "hello", property_id: str = PROPERTY) -> MessageReceived:
    return MessageReceived(
        id=turn,
        time_ms=NOW,
        property_id=property_id,
        conversation_id=conversation,
        author=Author.GUEST,
        channel=Channel.TEXT,
        turn_id=turn,
        text=text,
    )


def heard(conversation: str, event: str, text: str = "hello") -> ReplyHeard:
    return ReplyHeard(
        id=event,
        time_ms=NOW,
        property_id=PROPERTY,
        conversation_id=conversation,
        author=Author.CONCIERGE,
        channel=Channel.VOICE,
        turn_id="t",
        text=text,
        complete=True,
    )


def tool_requested(conversation: str, turn: str, call: str, offset: int = 0) -> ToolRequested:
    return ToolRequested(
        id=f"{turn}.{call}.requested",
        time_ms=NOW,
        property_id=PROPERTY,
        conversation_id=conversation,
        author=Author.CONCIERGE,
        channel=Channel.TEXT,
        turn_id=turn,
        call_id=call,
        name="book",
        arguments="{}",
        idempotency_key=f"{turn}.{call}",
        draft_offset=offset,
    )


def tool_completed(conversation: str, turn: str, call: str, offset: int = 0) -> ToolCompleted:
    return ToolCompleted(
        id=f"{turn}.{call}.completed",
        time_ms=NOW,
        property_id=PROPERTY,
        conversation_id=conversation,
        author=Author.CONCIERGE,
        channel=Channel.TEXT,
        turn_id=turn,
        call_id=call,
        name="book",
        arguments="{}",
        result="booked",
        draft_offset=offset,
    )
