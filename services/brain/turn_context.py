"""Who the guest of a turn is, and what its tools need. Made once per turn; the model never sees it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from libs.bus.handler import Turn
from libs.contracts.events import AnyEvent, Channel, ConversationOpened, ToolCompleted
from services.brain.domain.calls import canonical, idempotency_key
from services.brain.domain.hotel import Reservation
from services.brain.ports import NotPermitted, Pms

FIND_RESERVATION = "find_reservation"
CALL = "call"
"""The context field that a voice gateway sets while the guest is on the line: the id of the call."""


@dataclass(frozen=True, slots=True)
class TurnContext:
    """Context of one run of one turn."""

    turn: Turn
    pms: Pms
    now: datetime
    """At the hotel, with its time zone, when the turn began."""
    clock: Callable[[], datetime]
    customer_id: str = ""
    reservation_id: str = ""
    verified_code: str = ""
    """A reservation that the guest has proved with code and name in this conversation."""
    desks: tuple[str, ...] = ()
    """Whom a caller can be put through to, by name."""
    done: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Results of this turn's completed calls in an earlier run, by tool and canonical arguments."""
    callbacks: tuple[Any, ...] = ()
    """LangChain's: told of the run's model and tool calls."""
    unknown: set[tuple[str, str]] = field(default_factory=set)
    """Side effects of this turn that may or may not have happened: none of them is begun again."""

    @property
    def property_id(self) -> str:
        return self.turn.message.property_id

    @property
    def conversation_id(self) -> str:
        return self.turn.grant.conversation_id

    @property
    def turn_id(self) -> str:
        return self.turn.grant.item.turn_id

    @property
    def call_id(self) -> str:
        """The call that the guest is in; '' for none."""
        return self.turn.context.get(CALL, "")

    @property
    def by_voice(self) -> bool:
        """Whether the turn was spoken."""
        return self.turn.message.channel is Channel.VOICE

    def key(self, tool: str, arguments: Mapping[str, object]) -> str:
        """Idempotency key of a side effect of this turn."""
        return idempotency_key(self.conversation_id, self.turn_id, tool, canonical(arguments))

    async def stay(self) -> Reservation:
        """The guest's own reservation; `NotPermitted` while it is not known whose it is."""
        ways = (
            {"code": self.verified_code},
            {"code": self.reservation_id},
            {"customer_id": self.customer_id},
        )
        for way in ways:
            if any(way.values()):
                found = await self.pms.reservations(self.property_id, **way)
                if found:
                    return found[0]
        raise NotPermitted("It is not known who the guest is: ask for the reservation code and the last name.")


def context_of(
    turn: Turn, pms: Pms, clock: Callable[[], datetime], now: datetime, desks: tuple[str, ...] = ()
) -> TurnContext:
    """The context of a turn, from its conversation's data and log."""
    opened = next((event for event in turn.events if isinstance(event, ConversationOpened)), None)
    return TurnContext(
        turn=turn,
        pms=pms,
        now=now,
        clock=clock,
        customer_id=turn.context.get("customer_id") or (opened.customer_id if opened else ""),
        reservation_id=turn.context.get("reservation_id") or (opened.reservation_id if opened else ""),
        verified_code=verified_code(turn.events),
        desks=desks,
    )


def completed_calls(events: Sequence[AnyEvent], turn_id: str) -> dict[tuple[str, str], str]:
    """Results of a turn's successful calls, by tool and canonical arguments."""
    return {
        (event.name, event.arguments): event.result
        for event in events
        if isinstance(event, ToolCompleted) and event.turn_id == turn_id and event.ok
    }


def verified_code(events: Sequence[AnyEvent]) -> str:
    """The reservation that was last found in this conversation. Our own journal says so, not the guest or the model."""
    for event in reversed(events):
        if isinstance(event, ToolCompleted) and event.name == FIND_RESERVATION and event.ok:
            try:
                return str(json.loads(event.result).get("code", ""))
            except ValueError:
                return ""
    return ""
