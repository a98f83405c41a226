"""Routes of the store. The key decides the property; what is not the property's does not exist."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from libs.contracts.ids import check_external_id, check_id
from libs.contracts.limits import MAX_EXTERNAL_ID_CHARS, MAX_ID_CHARS
from libs.contracts.trace import valid_traceparent
from libs.web.api_keys import Caller, same_property
from libs.web.paging import MAX_PAGE, After, CursorText, Limit, read_cursor, write_cursor
from libs.web.rates import at_rate
from services.context_store.changes import Changes
from services.context_store.history import History
from services.context_store.http.models import (
    ContextBody,
    ContextPatch,
    ContextUpdatedBody,
    ConversationBody,
    ConversationList,
    EventList,
    MessageBody,
    MessageList,
    OpenRequest,
    OpenResponse,
    UsageBody,
    event_body,
)
from services.context_store.ports import Archive


class Desk:
    """What the routes use; the application keeps it in `app.state.desk`."""

    def __init__(self, archive: Archive, history: History, changes: Changes) -> None:
        self.archive, self.history, self.changes = archive, history, changes


def _trace(request: Request) -> str:
    """The client's trace context; '' for none, or for what is none."""
    return valid_traceparent(request.headers.get("traceparent", ""))


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _conversation_id(conversation_id: Annotated[str, Path()]) -> str:
    return check_id(conversation_id, "conversationId")


TheDesk = Annotated[Desk, Depends(_desk)]
Trace = Annotated[str, Depends(_trace)]
ConversationId = Annotated[str, Depends(_conversation_id)]
CustomerId = Annotated[str, Query(alias="customerId", max_length=MAX_EXTERNAL_ID_CHARS)]
ReservationId = Annotated[str, Query(alias="reservationId", max_length=MAX_EXTERNAL_ID_CHARS)]
router = APIRouter(prefix="/conversations", tags=["conversations"], dependencies=[at_rate("reads")])


def _check_ids(customer_id: str, reservation_id: str) -> None:
    for value, field in ((customer_id, "customerId"), (reservation_id, "reservationId")):
        if value:
            check_external_id(value, field)


@router.post("")
async def open_conversation(
    body: OpenRequest, property_id: Caller, desk: TheDesk, response: Response, trace: Trace
) -> OpenResponse:
    """Open a guest's conversation, or find it: one for a reservation, else one for a customer, else a new one."""
    same_property(body.property_id, property_id)
    _check_ids(body.customer_id, body.reservation_id)
    conversation_id, created = await desk.changes.open(
        property_id,
        customer_id=body.customer_id,
        reservation_id=body.reservation_id,
        channel=body.channel,
        trace=trace,
    )
    response.status_code = 201 if created else 200
    return OpenResponse(conversation_id=conversation_id, created=created)


@router.get("")
async def list_conversations(
    property_id: Caller,
    desk: TheDesk,
    limit: Limit = 50,
    cursor: CursorText = "",
    customer_id: CustomerId = "",
    reservation_id: ReservationId = "",
) -> ConversationList:
    """The property's conversations, the latest first. One of the last moments appears once it is stored."""
    _check_ids(customer_id, reservation_id)
    kept = await desk.archive.conversations(
        property_id,
        limit=limit,
        before=read_cursor(cursor),
        customer_id=customer_id,
        reservation_id=reservation_id,
    )
    last = kept[-1] if len(kept) == limit else None
    return ConversationList(
        conversations=[ConversationBody.of(one) for one in kept],
        next=write_cursor(last.last_ms, last.conversation_id) if last else None,
    )


@router.get("/{conversation_id}/messages")
async def read_messages(
    conversation_id: ConversationId,
    property_id: Caller,
    desk: TheDesk,
    limit: Limit = MAX_PAGE,
    offset: After = 0,
) -> MessageList:
    """The conversation as it was: speech as it was heard and text, in one order, from Redis and the archive."""
    found = await desk.history.messages(property_id, conversation_id)
    page = found.messages[offset : offset + limit]
    end = offset + len(page)
    return MessageList(
        conversation_id=conversation_id,
        messages=[MessageBody.of(message) for message in page],
        usage=UsageBody.of(found.usage),
        total=len(found.messages),
        next=end if page and end < len(found.messages) else None,
        complete=found.complete,
    )


@router.get("/{conversation_id}/events")
async def read_events(
    conversation_id: ConversationId, property_id: Caller, desk: TheDesk, limit: Limit = 200, after: After = 0
) -> EventList:
    """Every event as it was recorded, by number."""
    page = await desk.history.events(property_id, conversation_id, after=after, limit=limit)
    return EventList(
        conversation_id=conversation_id,
        events=[event_body(row) for row in page.rows],
        next=page.rows[-1].number if page.more else None,
        complete=page.complete,
    )


@router.get("/{conversation_id}/context")
async def read_context(conversation_id: ConversationId, property_id: Caller, desk: TheDesk) -> ContextBody:
    """Who the guest is, and what was noted."""
    context = await desk.history.context(property_id, conversation_id)
    return ContextBody(fields=dict(context.fields), complete=context.complete)


@router.patch("/{conversation_id}/context")
async def update_context(
    conversation_id: ConversationId,
    body: ContextPatch,
    property_id: Caller,
    desk: TheDesk,
    trace: Trace,
    idempotency_key: Annotated[str, Header(max_length=255)] = "",
) -> ContextUpdatedBody:
    """Set or remove fields; brains see it with the next turn. Repeat with the same `Idempotency-Key`."""
    event_id = ""
    if idempotency_key:
        event_id = "evt-" + hashlib.sha256(f"{property_id}\n{idempotency_key}".encode()).hexdigest()[: MAX_ID_CHARS - 4]
    updated = await desk.changes.update_context(
        property_id, conversation_id, body.fields, event_id=event_id, trace=trace
    )
    return ContextUpdatedBody(number=updated.number, fields=dict(updated.fields))
