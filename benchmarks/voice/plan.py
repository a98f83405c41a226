"""What is asked, how often, and of whom. Durations are seconds."""

from __future__ import annotations

import enum

import msgspec

QUESTIONS = (
    "what time is breakfast served in the morning",
    "do you have a bar",
    "when is check in",
    "are dogs allowed in the restaurant",
    "what time do i have to check out",
    "thank you very much",
)
"""Each is surely understood by the keyless recogniser, and answered shortly: five after a tool call, one without."""
LONG_QUESTION = "tell me about the hotel please"
"""Its answer has a hundred words."""
INTERRUPTION = "what time do i have to check out"
VOICE_RATE = 300
"""Words a minute of every concierge: shortens answers, so that a run takes a quarter of an hour, and nothing else."""
GREETING = "Hello."
PROPERTY = "harbour"
PEER_AGENT = "bench-peer"


class Side(enum.StrEnum):
    """Who answers the call."""

    OURS = "ours"
    PEER = "peer, our options"
    """LiveKit's agent with the model in its process, and the session options of our calls: what we are compared to."""
    DEFAULTS = "peer, its defaults"
    """The same with no session options at all."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    rounds: int
    """In each, every side takes one call of questions, in a shuffled order."""
    questions: int
    """Of a call."""
    cut_rounds: int
    """The same with calls of answers that are interrupted."""
    cuts: int
    """Of a call."""
    slow_token_s: float = 0.05
    """The model's pace in calls with interruptions: the answer is still being made when it is interrupted."""
    interrupt_after_s: float = 1.0
    """Of hearing an answer."""
    loads: tuple[int, ...] = (1, 5, 10)
    """Calls at once, in order; each level keeps the calls of the one before it."""
    load_s: float = 10.0
    """How long a level is measured."""

    def asked_of(self, side: Side) -> tuple[str, ...]:
        """The questions of a call. Nothing is claimed against the defaults, whose turns take long: half are asked."""
        return QUESTIONS[: -(-self.questions // 2) if side is Side.DEFAULTS else self.questions]

    def cuts_of(self, side: Side) -> int:
        """Interruptions of a call; of the defaults' half as many."""
        return -(-self.cuts // 2) if side is Side.DEFAULTS else self.cuts


def plan_of(turns: int, rounds: int) -> Plan:
    """At least so many turns with ours and the peer; fewer than three rounds are a try."""
    rounds = max(1, min(rounds, turns // len(QUESTIONS)))
    questions = min(len(QUESTIONS), -(-turns // rounds))
    if rounds < 3:
        return Plan(rounds=rounds, questions=questions, cut_rounds=1, cuts=1, loads=(1, 2), load_s=6.0)
    return Plan(rounds=-(-turns // questions), questions=questions, cut_rounds=3, cuts=2)
