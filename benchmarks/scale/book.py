"""What guests asked and what became of it, beside what the log says: is an answer lost, or given twice? Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec


class Asked(msgspec.Struct):
    """One question of one guest. Times are seconds since the epoch."""

    key: str
    at: float
    streamed: bool = False
    repeated: int = 0
    """Times that it was sent again, with the same key, because a connection broke."""
    answered: float = 0.0
    """When the last word was there; 0: never."""
    conversation: str = ""
    turn: str = ""
    text: str = ""
    trouble: str = ""
    """Why there is no answer, or what is wrong with the pieces that it came in."""


class Count(msgspec.Struct, frozen=True):
    """Of all questions. All from `lost` on should be 0."""

    asked: int
    answered: int
    streamed: int
    """Of the answered: put together from pieces, each byte once."""
    repeated: int
    """Sent again with the same key."""
    lost: int
    """Without an answer, or with one that the log does not have."""
    troubled: int
    """Answered by an error, or in pieces that do not fit."""
    doubled: int
    """Turns with more than one question or answer in the log, or told to two questions."""
    different: int
    """Answered in other words than the log has."""
    strange: int
    """Answers in the log that nobody asked for."""

    @property
    def clean(self) -> bool:
        return self.asked == self.answered and not any(
            (self.lost, self.troubled, self.doubled, self.different, self.strange)
        )


def troubles(book: Sequence[Asked]) -> dict[str, int]:
    """What went wrong, and how often."""
    return dict(Counter(one.trouble for one in book if one.trouble))


Log = Mapping[str, Sequence[Mapping[str, Any]]]
"""The events of every conversation, as the context store tells them."""


def count(book: Sequence[Asked], log: Log) -> Count:
    """Every question against the whole log."""
    questions, answers = _by_turn(log, "message.received"), _by_turn(log, "reply.generated")
    told = Counter(one.turn for one in book if one.turn)
    answered = [one for one in book if one.answered]
    texts = {turn: found[0].get("text", "") for turn, found in answers.items()}
    doubled = {turn for turn, times in told.items() if times > 1}
    doubled |= {turn for found in (questions, answers) for turn, events in found.items() if len(events) > 1}
    return Count(
        asked=len(book),
        answered=len(answered),
        streamed=sum(one.streamed for one in answered),
        repeated=sum(one.repeated for one in book),
        lost=sum(not one.answered or one.turn not in answers or one.turn not in questions for one in book),
        troubled=sum(bool(one.trouble) for one in book),
        doubled=len(doubled),
        different=sum(one.turn in texts and texts[one.turn] != one.text for one in answered),
        strange=len(answers.keys() - told.keys()),
    )


def per_second(times: Iterable[float], start: float, end: float, step_s: float) -> list[tuple[float, float]]:
    """How often per second, in steps: the middle of each step since `start`, and the rate in it."""
    steps = Counter(int((at - start) // step_s) for at in times if start <= at < end)
    return [((step + 0.5) * step_s, steps[step] / step_s) for step in range(int((end - start) // step_s))]


def _by_turn(log: Log, kind: str) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for events in log.values():
        for event in events:
            if event["type"] == kind:
                found[event["turn_id"]].append(event)
    return found
