"""What was done to the stack, and what it cost: for the figures. The auditor does not read it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec

from tests.chaos.aim import EFFECTS, Hit, Place
from tests.chaos.transcript import Transcript

_AFTER_S = 3.0
"""A wait that begins later is no longer this fault's."""


class Fault(NamedTuple):
    at: float
    """Seconds since the run began; of a kill: when the process stopped."""
    name: str
    target: str
    hits: tuple[Hit, ...] = ()
    others: int = 0
    """Brains alive besides the one that was killed."""


class Ledger:
    """Faults in the order in which they were done."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self.faults.append(fault)

    def write(self, path: Path) -> None:
        """One line of JSON for each fault."""
        encode = msgspec.json.Encoder().encode
        path.write_bytes(b"".join(encode(fault._asdict()) + b"\n" for fault in self.faults))

    @property
    def kills(self) -> list[Fault]:
        """Brains that were killed."""
        return [fault for fault in self.faults if fault.name == "kill -9" and fault.target.startswith("brain")]

    @property
    def zombies(self) -> int:
        """Brains that were stopped, and woken again."""
        return sum(fault.name == "SIGSTOP" and fault.target.startswith("brain") for fault in self.faults)

    def by_fault(self) -> Counter[str]:
        return Counter(f"{fault.name} {fault.target.partition('-')[0]}" for fault in self.faults)

    def by_place(self) -> Counter[Place]:
        """Kills by where the brain was: inside a side effect counts before mid-stream."""
        places: Counter[Place] = Counter()
        for kill in self.kills:
            found = {hit.place for hit in kill.hits}
            order = (Place.BEFORE, Place.AFTER, Place.MID_STREAM, Place.SILENT)
            places[next((place for place in order if place in found), Place.IDLE)] += 1
        return places

    def killed_at(self, *places: Place) -> int:
        """Kills while the brain had a turn at one of these places, whatever else it ran."""
        return sum(any(hit.place in places for hit in kill.hits) for kill in self.kills)

    def mid_stream(self) -> int:
        return self.killed_at(Place.MID_STREAM)

    def in_effect(self) -> int:
        return self.killed_at(*EFFECTS)


def recoveries(kills: Sequence[Fault], transcript: Transcript) -> list[float]:
    """Seconds from each kill to the next words of each reply that it cut, as its reader received them."""
    arrivals, found = _arrivals(transcript), []
    for kill in kills:
        for hit in kill.hits:
            if hit.place is not Place.MID_STREAM:
                continue
            later = (at for at, end in arrivals[hit.turn] if at >= kill.at and end > hit.draft)
            if (words := next(later, None)) is not None:
                found.append(words - kill.at)
    return found


def silences(faults: Sequence[Fault], transcript: Transcript) -> dict[str, list[float]]:
    """By fault: the longest wait for words, in seconds, of each reply that was being read when it was done."""
    found: dict[str, list[float]] = defaultdict(list)
    for chunks in _arrivals(transcript).values():
        for fault in faults:
            if chunks[0][0] < fault.at < chunks[-1][0]:
                gaps = [b - a for (a, _), (b, _) in pairwise(chunks) if b > fault.at and a < fault.at + _AFTER_S]
                found[f"{fault.name} {fault.target}"].append(max(gaps))
    return found


def _arrivals(transcript: Transcript) -> dict[str, list[tuple[float, int]]]:
    """When each reader had how many bytes, by turn."""
    arrivals: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for record in transcript.of("chunk"):
        arrivals[record["turn"]].append((record["at"], record["offset"] + len(record["text"].encode())))
    return arrivals
