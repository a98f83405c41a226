"""Bodies of the text channel: BotelLLM's shape, and OpenAI's lists of messages. Unknown fields are ignored."""

from __future__ import annotations

import datetime
import enum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from libs.contracts.errors import InvalidRequest
from libs.contracts.ids import check_external_id, check_id
from libs.web.api_keys import same_property
from services.text_gateway.domain.chat import Line, Speaker, chat_of
from services.text_gateway.sessions import Session, Wish
from services.text_gateway.turns import Ask

MAX_LINES = 200
MAX_PARTS = 50


class Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class Role(enum.StrEnum):
    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"
    DEVELOPER = "developer"
    TOOL = "tool"
    FUNCTION = "function"


class TextPart(BaseModel):
    type: Literal["text", "input_text", "output_text"]
    text: str


class ChatLine(BaseModel):
    role: Role
    content: str | Annotated[list[TextPart], Field(max_length=MAX_PARTS)] | None = None

    def line(self) -> Line | None:
        """None for instructions and tool traffic, which are not part of the conversation."""
        if self.role not in {Role.USER, Role.ASSISTANT}:
            return None
        content = self.content or ""
        text = content if isinstance(content, str) else "\n".join(part.text for part in content)
        return Line(Speaker(self.role.value), text)


OutsideId = Annotated[str, Field(coerce_numbers_to_str=True)]
"""Hotel systems have numbers for ids, too."""


class Guest(Body):
    """Who it is about, as far as it is known."""

    property_id: OutsideId | None = Field(default=None, description="If given, the one that the key is for")
    customer_id: OutsideId | None = None
    reservation_id: OutsideId | None = None
    conversation_id: str | None = Field(default=None, description="Without it: the guest's own, or a new one")

    def check(self, property_id: str) -> None:
        """Raises `WrongProperty` and `InvalidRequest`."""
        same_property(self.property_id, property_id)
        if self.conversation_id:
            check_id(self.conversation_id, "conversationId")
        for value, field in ((self.customer_id, "customerId"), (self.reservation_id, "reservationId")):
            if value:
                check_external_id(value, field)


class ChatRequest(Guest):
    message: str | None = None
    messages: list[ChatLine] | None = Field(
        default=None, max_length=MAX_LINES, description="Instead of message; the last line of the user is the turn"
    )

    def ask(self, property_id: str, idempotency_key: str) -> Ask:
        """The checked request. Raises `WrongProperty`, `InvalidRequest`, `EmptyMessage`, `TooLarge`."""
        self.check(property_id)
        if idempotency_key and not idempotency_key.isprintable():
            raise InvalidRequest("Idempotency-Key: printable text")
        lines = None if self.messages is None else [line for one in self.messages if (line := one.line())]
        return Ask(
            property_id=property_id,
            chat=chat_of(self.message, lines),
            conversation_id=self.conversation_id or "",
            customer_id=self.customer_id or "",
            reservation_id=self.reservation_id or "",
            idempotency_key=idempotency_key,
        )


class ChatResponse(Body):
    response: str
    conversation_id: str
    turn_id: str
    status: str = Field(description="finished, or failed when the response is an apology")


class CancelResponse(Body):
    conversation_id: str
    turn_id: str
    outcome: str = Field(description="running or queued: it is cancelled; done: too late; early: it will be refused")


class SessionRequest(Guest):
    def wish(self, property_id: str) -> Wish:
        """The checked request. Raises `WrongProperty` and `InvalidRequest`."""
        self.check(property_id)
        return Wish(
            property_id=property_id,
            conversation_id=self.conversation_id or "",
            customer_id=self.customer_id or "",
            reservation_id=self.reservation_id or "",
        )


class SessionResponse(Body):
    url: str = Field(description="Where LiveKit's client connects")
    token: str = Field(description="Opens the room, and no other")
    room: str
    conversation_id: str
    call_id: str
    expires_at: datetime.datetime = Field(description="Of the token, UTC; a call may last longer")
    rejoined: bool = Field(description="The guest's call goes on: this is the way back into it")

    @classmethod
    def of(cls, session: Session) -> SessionResponse:
        admission = session.admission
        return cls(
            url=admission.url,
            token=admission.token,
            room=session.call_id,
            conversation_id=session.conversation_id,
            call_id=session.call_id,
            expires_at=datetime.datetime.fromtimestamp(admission.expires_ms // 1_000, datetime.UTC),
            rejoined=session.rejoined,
        )


class WebhookResponse(Body):
    outcome: str = Field(description="recorded, ignored, foreign (no room of ours) or unknown (no such conversation)")
