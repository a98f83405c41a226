"""Which numbers of a conversation are missing. Numbers run from 1 without a gap, so a hole is a loss to be mended."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Span(msgspec.Struct, frozen=True, order=True):
    """Numbers from `first` to `last`, both included."""

    first: int
    last: int


def survey(whole_to: int, beyond: Iterable[int]) -> tuple[int, list[Span]]:
    """Given that all numbers up to `whole_to` are there, and those of `beyond`: up to where it is whole, and the holes.

    `beyond` in rising order; numbers at or below `whole_to` are passed over.
    """
    reached, holes = whole_to, list[Span]()
    for number in beyond:
        if number > reached + 1:
            holes.append(Span(reached + 1, number - 1))
        reached = max(reached, number)
    return (holes[0].first - 1 if holes else reached), holes
