"""What stands in a conversation: the turn to answer, what its tools said, what was offered, what the guest has told."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from services.brain.domain import marks
from services.brain.domain.calls import canonical
from services.brain.offline.consent import is_no
from services.brain.offline.transcript import Kind, Line
from services.brain.offline.words import words_of

CONTINUE = "Your reply was cut off by a fault after these words"
"""Begins the instruction to go on from a draft; the draft is the concierge's line before it."""
HOTEL_TIME = re.compile(r"Hotel time: (\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True, slots=True)
class Result:
    """A tool's answer; `data` is {} where it is not JSON."""

    name: str
    arguments: dict[str, Any]
    data: dict[str, Any]

    @property
    def error(self) -> str:
        return str(self.data.get("error", "" if self.data else "outcome-unknown"))


@dataclass(slots=True)
class Exchange:
    """A guest's line with what was done and said about it."""

    guest: marks.Line
    results: list[Result] = field(default_factory=list)
    reply: str = ""

    def last(self, name: str) -> Result | None:
        return next((result for result in reversed(self.results) if result.name == name), None)


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer that is open."""

    data: dict[str, Any]
    told_since: str
    """What the guest has got of the words from the offer on."""
    lapsed: bool = False
    """It was accepted and could not be kept: only a new one helps."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    exchanges: list[Exchange]
    """The last one is to be answered."""
    today: date
    draft: str = ""
    calls: int = 0
    """Tool calls so far, for ids that differ from call to call."""
    untold: tuple[Result, ...] = ()
    """Bookings that the guest has not heard of."""
    desks: tuple[str, ...] = ()
    """Whom the guest can be put through to."""

    @property
    def now(self) -> Exchange:
        return self.exchanges[-1]

    @property
    def before(self) -> list[Exchange]:
        return self.exchanges[:-1]

    def last_replies(self) -> list[str]:
        """The last thing said in the channel of the turn, and the last thing said at all."""
        said = [exchange for exchange in self.before if exchange.reply]
        same = [exchange for exchange in said if exchange.guest.by_text == self.now.guest.by_text]
        return [exchange.reply for exchange in (*same[-1:], *said[-1:])]

    def last_reply(self) -> str:
        """The last thing said in the channel of the turn, else anywhere; '' if nothing was."""
        return (self.last_replies() or [""])[0]

    def booked(self) -> bool:
        """Whether an offer was accepted in this conversation."""
        return any((done := exchange.last("accept_offer")) and not done.error for exchange in self.before)

    def offer(self) -> Offer | None:
        """The offer that is neither accepted nor declined since."""
        lapsed = False
        for at in range(len(self.exchanges) - 2, -1, -1):
            exchange, since = self.exchanges[at], self.exchanges[at:-1]
            if done := exchange.last("accept_offer"):
                if not done.error:
                    return None
                lapsed = lapsed or done.error != "outcome-unknown"
            made = exchange.last("offer_late_checkout")
            if made and not made.error:
                if any(is_no(words_of(later.guest.text)) for later in since[1:]):
                    return None
                return Offer(made.data, " ".join(later.reply for later in since).strip(), lapsed)
        return None


def dialogue_of(lines: Sequence[Line]) -> Dialogue:
    """Read a conversation. Without a guest's line there is one empty exchange to answer."""
    rest, draft = list(lines), ""
    if rest and rest[-1].kind is not Kind.GUEST and CONTINUE in rest[-1].text:
        rest.pop()
        while rest and rest[-1].kind is Kind.CONCIERGE:
            draft = rest.pop().text + draft
    exchanges: list[Exchange] = []
    today = date(1970, 1, 1)
    calls: dict[str, Line] = {}
    news: list[tuple[str, str]] = []
    desks: tuple[str, ...] = ()
    for line in rest:
        match line.kind:
            case Kind.SYSTEM:
                if found := HOTEL_TIME.search(line.text):
                    today = date.fromisoformat(found[1])
                news += marks.to_tell(line.text)
                desks = desks or marks.desks_in(line.text)
            case Kind.GUEST:
                exchanges.append(Exchange(marks.unmark(line.text)))
            case Kind.CALL:
                calls[line.call_id] = line
            case Kind.CONCIERGE if exchanges:
                exchanges[-1].reply = f"{exchanges[-1].reply} {line.text}".strip()
            case Kind.RESULT if exchanges and line.call_id in calls:
                call = calls[line.call_id]
                exchanges[-1].results.append(Result(call.name, dict(call.arguments), _data(line.text)))
    untold = tuple(result for name, arguments in news if (result := _untold(exchanges, name, arguments)))
    return Dialogue(exchanges or [Exchange(marks.Line("", by_text=True))], today, draft, len(calls), untold, desks)


def _untold(exchanges: Sequence[Exchange], name: str, arguments: str) -> Result | None:
    """The result of the call, unless what the guest got since has told of it."""
    for at, exchange in enumerate(exchanges[:-1]):
        for result in exchange.results:
            if (result.name, canonical(result.arguments)) == (name, arguments) and not result.error:
                heard = any("booked" in later.reply for later in exchanges[at:-1])
                return None if heard else result
    return None


def _data(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
