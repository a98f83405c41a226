"""Tokens and their price by conversation."""

from __future__ import annotations

from libs.contracts.events import AnyEvent, Author, Channel, MessageReceived, ReplyGenerated, ReplyStatus, Usage
from services.context_store.domain.spent import spent_on


def reply(usage: Usage | None) -> AnyEvent:
    return ReplyGenerated(
        id="e",
        time_ms=1,
        property_id="harbour",
        conversation_id="c",
        author=Author.CONCIERGE,
        channel=Channel.TEXT,
        text="Yes.",
        status=ReplyStatus.FINISHED,
        usage=usage,
    )


def test_all_replies_of_a_conversation_are_summed() -> None:
    question = MessageReceived(
        id="q",
        time_ms=1,
        property_id="harbour",
        conversation_id="c",
        author=Author.GUEST,
        channel=Channel.TEXT,
        text="Hello?",
    )
    events = [
        question,
        reply(Usage(input_tokens=100, output_tokens=10, cached_tokens=64, cost_micro=56)),
        reply(None),
        reply(Usage(input_tokens=200, output_tokens=20, estimated=True, cost_micro=112)),
    ]

    assert spent_on(events) == Usage(
        input_tokens=300, output_tokens=30, cached_tokens=64, estimated=True, cost_micro=168
    )


def test_a_conversation_without_replies_has_cost_nothing() -> None:
    assert spent_on([]) == Usage()
