"""What the store needs of the world: an archive that keeps, and the hot end of a conversation that Redis has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from libs.contracts.errors import Retry
from libs.contracts.events import ConversationOpened, Event
from libs.web.errors import WebError
from services.context_store.domain.gaps import Span
from services.context_store.domain.rows import Row, Stray


class ArchiveUnavailable(WebError):
    """The database did not take or give what it was asked."""

    code = "archive-unavailable"
    status = 503
    retry_after_s = 1
    retry = Retry.LATER
    advice = "The store's database does not answer: try again in a moment."


class ArchiveRefused(ArchiveUnavailable):
    """The archive answers, and this release cannot use it."""

    code = "archive-refused"
    retry = Retry.NEVER
    advice = "This release cannot use the store's database: upgrade the store, or correct the database."


class Added(msgspec.Struct, frozen=True):
    """What became of a batch."""

    new: list[Row]
    holes: dict[str, list[Span]]
    """Missing numbers by conversation, those given up left out."""
    strays: int
    conflicts: list[tuple[str, int]] = []
    """(conversation, number) of strays whose place another body has."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as the archive has it. Times are Unix milliseconds."""

    conversation_id: str
    property_id: str
    customer_id: str
    reservation_id: str
    opened_ms: int
    last_ms: int
    last_number: int


class Due(msgspec.Struct, frozen=True):
    """A conversation to be looked at: does it rest?"""

    kept: Kept
    number: int
    """Its last number when it was looked at before; 0: never."""


class Archive(Protocol):
    """Every method raises `ArchiveUnavailable` when the database fails; then nothing was written."""

    async def add(self, rows: Sequence[Row], strays: Sequence[Stray]) -> Added:
        """Keep all of it in one transaction: a row whose (conversation, number) is taken changes nothing.

        If the taken one has another body, the row is kept as a stray.
        """

    async def give_up(self, conversation_id: str, up_to: int) -> None:
        """Numbers up to this one that are missing are nowhere to be found: report them no more."""

    async def property_of(self, conversation_id: str) -> str | None:
        """The property of a conversation; '' while none of its events could be read; None for an unknown one."""

    async def conversation(self, property_id: str, conversation_id: str) -> Kept | None:
        """None when there is none of this property."""

    async def conversations(
        self,
        property_id: str,
        *,
        limit: int,
        before: tuple[int, str] | None = None,
        customer_id: str = "",
        reservation_id: str = "",
    ) -> list[Kept]:
        """The latest first; `before` is (last_ms, conversation_id) of the row before the page."""

    async def rows(self, conversation_id: str, *, after: int, limit: int, kinds: Sequence[str] = ()) -> list[Row]:
        """Events in order of number; of these kinds only, if any are named."""

    async def due(self, *, before_ms: int, limit: int) -> list[Due]:
        """Conversations not looked at since `before_ms`, those never looked at first."""

    async def looked_at(self, numbers: Mapping[str, int], now_ms: int) -> None:
        """These conversations had these last numbers then. `due` leaves them out for as long again."""

    async def erase(self, conversation_ids: Sequence[str], now_ms: int) -> int:
        """Delete all that is kept of these conversations, and keep nothing of them ever after; how many events went."""

    async def ping(self) -> None:
        """Returns when the database answers."""


class Tail(msgspec.Struct, frozen=True):
    """The end of a conversation as Redis has it."""

    context: Mapping[str, str]
    entries: list[tuple[int, bytes]]
    """(number, body), rising."""


class HotTail(Protocol):
    """Raises `BusUnavailable` when Redis is away, `UnknownConversation` when it has none such of this property."""

    async def read(self, property_id: str, conversation_id: str, *, after: int, limit: int) -> Tail: ...


class LiveMemory(Protocol):
    """Raises `BusUnavailable` when Redis is away."""

    async def retire(self, property_id: str, conversation_id: str, archived: int) -> str:
        """Let Redis forget the events of a conversation; what became of it, in a word."""


class LiveTraces(Protocol):
    """Raises `BusUnavailable` when Redis is away."""

    async def opened(self, property_id: str, *, customer_id: str, reservation_id: str) -> str:
        """The conversation that a guest of this identity comes back to; '' for none."""

    async def holds(self, property_id: str, conversation_id: str) -> bool:
        """Whether Redis has such a conversation of this property."""

    async def forget(self, kept: Kept) -> str:
        """Remove all that Redis has of a conversation that rests and is archived up to its last number.

        `retired` or `none`: done; anything else says in a word why it is not.
        """


class LiveConversations(Protocol):
    """Raises as `HotTail` does."""

    async def open(self, event: ConversationOpened, context: Mapping[str, str]) -> tuple[str, bool]:
        """(conversation, whether it is new)."""

    async def append(self, event: Event, context: Mapping[str, str]) -> int:
        """The event's number."""
