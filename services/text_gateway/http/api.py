"""Routes of the text channel. The key decides the property. A client that goes away cancels nothing."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Header, Request, Response

from libs.contracts.errors import InvalidRequest
from libs.contracts.events import ReplyGenerated
from libs.contracts.ids import check_id
from libs.contracts.trace import valid_traceparent
from libs.web.api_keys import Caller
from libs.web.event_stream import EventStream, kept_alive, resume_point
from libs.web.problems import request_id_of
from libs.web.rates import at_rate
from services.text_gateway.domain.outcome import failure_of
from services.text_gateway.http.models import CancelResponse, ChatRequest, ChatResponse
from services.text_gateway.http.streams import StreamSlots, event_frames, turn_frames
from services.text_gateway.ports import Conversations, Feed
from services.text_gateway.turns import Turn, Turns

_CLIENT_CLOSED = 499


class Desk:
    """What the routes use; the application keeps it in `app.state.desk`."""

    def __init__(
        self,
        conversations: Conversations,
        feed: Feed,
        turns: Turns,
        slots: StreamSlots,
        *,
        heartbeat_s: float,
        closing: asyncio.Event,
    ) -> None:
        self.conversations, self.feed, self.turns, self.slots = conversations, feed, turns, slots
        self.heartbeat_s = heartbeat_s
        self.closing = closing
        """Set when the process is asked to stop: feeds end, turns go on."""
        self.never = asyncio.Event()


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _conversation_id(conversation_id: str) -> str:
    return check_id(conversation_id, "conversationId")


def _turn_id(turn_id: str) -> str:
    return check_id(turn_id, "turnId")


TheDesk = Annotated[Desk, Depends(_desk)]
ConversationId = Annotated[str, Depends(_conversation_id)]
TurnId = Annotated[str, Depends(_turn_id)]
IdempotencyKey = Annotated[str, Header(max_length=255)]
router = APIRouter(prefix="/llm", tags=["text"])


@router.post("/conversations/", response_model=ChatResponse, dependencies=[at_rate("turns")])
@router.post("/conversations", response_model=ChatResponse, include_in_schema=False, dependencies=[at_rate("turns")])
async def send_message(
    body: ChatRequest,
    property_id: Caller,
    desk: TheDesk,
    request: Request,
    accept: Annotated[str, Header()] = "",
    idempotency_key: IdempotencyKey = "",
) -> Response | ChatResponse:
    """Say something as the guest; the answer as JSON, or as events with `Accept: text/event-stream`.

    Send an `Idempotency-Key` (printable, 255 characters at most), a new one for every message. Whatever happens to the
    connection or to this server, the same request with the same key, on any server, is the same turn: it is answered
    once and the whole answer is told again. Keys are remembered for a day. The same key with another message is
    refused with 409 `idempotency-conflict`.

    Events: `turn` `{conversationId, turnId, number}`, its id the number of the guest's message; then `chunk`
    `{conversationId, turnId, offset, text}`, where `offset` is where `text` begins in the answer, in UTF-8 bytes; last
    `end` `{response, conversationId, turnId, status}` or `error` with a problem as data. A stream that ends with
    neither was broken off: send the same request again, or follow the conversation's events from after the id of
    `turn`. Both begin the answer at offset 0 again; skip the bytes that you have.

    Problems to come back with: 429 `busy` and `too-many-requests`, 503 `overloaded`, `bus-unavailable` and
    `too-many-streams` after `Retry-After` seconds with the same key; 504 `reply-timeout` with the same key; 503
    `reply-expired` and 502 `reply-failed` with a new one, for that turn is over.

    A `traceparent` (W3C Trace Context) makes the turn part of the client's trace; one that is none is left out.
    """
    trace = valid_traceparent(request.headers.get("traceparent", ""))
    ask = msgspec.structs.replace(body.ask(property_id, idempotency_key), trace=trace)
    if "text/event-stream" not in accept:
        return await _answer(desk, await desk.turns.begin(ask), request)
    release = desk.slots.take(request.state.key_id)
    try:
        turn = await desk.turns.begin(ask)
    except BaseException:
        release()
        raise
    frames = turn_frames(desk.turns, turn, request_id_of(request))
    return EventStream(kept_alive(frames, every_s=desk.heartbeat_s, closing=desk.never), release)


@router.get("/conversations/{conversation_id}/events", dependencies=[at_rate("streams")])
async def follow_events(
    conversation_id: ConversationId,
    property_id: Caller,
    desk: TheDesk,
    request: Request,
    last_event_id: Annotated[str, Header()] = "",
    after: str = "",
) -> EventStream:
    """Everything that happens in a conversation, from its beginning or from after `Last-Event-ID`; speech included.

    `event`: one event of the conversation, its number as id; numbers rise by one. `chunk`: text of a reply while
    it is made, `{conversationId, turnId, offset, text, end?}`, without an id; `offset` is where `text` begins in the
    reply of `turnId`, in UTF-8 bytes, and `end` tells how the turn ended. The chunks of a reply, put
    together, are the `text` of its `reply.generated`, which comes after the last of them.

    To resume, here or on any other server, send the last id as `Last-Event-ID` (or `after`). No event is repeated or
    left out. (Redis set back by a failover: the numbers that it lost are given again, to other events with other ids.)
    A reply of which no `reply.generated` has come begins at offset 0 again: for each `turnId` skip the bytes that you
    have. `error` is the last of a stream: with the code `slow-reader` what was sent was not read in time; resume. A
    stream that just ends is resumed, too.

    `archived` `{conversationId, after, until}`: events after the resume point up to `until` are in the store only,
    which gives them under `/conversations/{id}/events`; the stream goes on after them.
    """
    if last_event_id and after:
        raise InvalidRequest("send either Last-Event-ID or after")
    point = resume_point(last_event_id or after)
    release = desk.slots.take(request.state.key_id)
    try:
        following = await desk.feed.follow(property_id, conversation_id, after=point)
    except BaseException:
        release()
        raise
    frames = event_frames(following, point, request_id_of(request))

    def close() -> None:
        following.close()
        release()

    return EventStream(kept_alive(frames, every_s=desk.heartbeat_s, closing=desk.closing), close)


@router.post("/conversations/{conversation_id}/turns/{turn_id}/cancel", dependencies=[at_rate("cancels")])
@router.delete("/conversations/{conversation_id}/turns/{turn_id}", dependencies=[at_rate("cancels")])
async def cancel_turn(
    conversation_id: ConversationId, turn_id: TurnId, property_id: Caller, desk: TheDesk
) -> CancelResponse:
    """Withdraw a turn: before it is sent, while it waits, while it is answered. Twice is once."""
    outcome = await desk.conversations.cancel(property_id, conversation_id, turn_id)
    return CancelResponse(conversation_id=conversation_id, turn_id=turn_id, outcome=outcome)


async def _answer(desk: Desk, turn: Turn, request: Request) -> Response | ChatResponse:
    """The reply, waited for as long as the client does."""
    waiting = asyncio.create_task(desk.turns.reply(turn))
    gone = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            return Response(status_code=_CLIENT_CLOSED)
        reply: ReplyGenerated = waiting.result()
    finally:
        waiting.cancel()
        gone.cancel()
        await asyncio.wait({waiting, gone})
    if error := failure_of(reply):
        raise error
    return ChatResponse(
        response=reply.text, conversation_id=turn.conversation_id, turn_id=turn.turn_id, status=reply.status.value
    )


async def _gone(request: Request) -> None:
    """Returns when the client has closed its connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
