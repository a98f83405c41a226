"""Is ours no later than the peer with our options? Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import msgspec

from benchmarks.figures import Percentiles, Spread
from benchmarks.targets import Verdict
from benchmarks.voice.plan import Side
from benchmarks.voice.stages import Turn


class Claim(msgspec.Struct, frozen=True):
    """First audio at the guest, ours against the peer, same question in the same round."""

    ratio: Spread
    """Over the rounds: each round's median of the ratios of its questions."""
    difference_ms: Spread
    """The same of ours minus the peer's; negative is sooner."""
    pairs: int
    verdict: Verdict


def compare(turns: Sequence[Turn], peer: Side) -> Claim | None:
    """None without one question that both sides understood in the same round.

    `NOISE`: later, by no more than the peer's own median goes from round to round.
    """
    ratios = _paired(turns, peer, lambda ours, theirs: ours / theirs)
    differences = _paired(turns, peer, lambda ours, theirs: ours - theirs)
    if not ratios:
        return None
    ratio = Spread.of(statistics.median(found) for found in ratios.values())
    own = Spread.of(medians(turns, peer))
    late = ratio.median > 1
    verdict = Verdict.MET if not late else Verdict.NOISE if ratio.median <= own.high / own.median else Verdict.MISSED
    return Claim(
        ratio=ratio,
        difference_ms=Spread.of(statistics.median(found) for found in differences.values()),
        pairs=sum(map(len, ratios.values())),
        verdict=verdict,
    )


def refusal(turns: Sequence[Turn]) -> str:
    """Why a strict run fails; '' when it does not."""
    claim = compare(turns, Side.PEER)
    if claim is None:
        return "nothing to compare"
    if claim.verdict is Verdict.MISSED:
        return f"ours is later: {claim.ratio.median:.2f} times the peer with our options"
    for side in Side:
        asked, kept = sum(turn.side is side for turn in turns), len(understood(turns, side))
        if 2 * kept < asked:
            return f"{side}: only {kept} of {asked} questions were understood"
    return ""


def medians(turns: Sequence[Turn], side: Side) -> list[float]:
    """Of every round that has any: the median time to first audio, in milliseconds."""
    rounds = sorted({turn.round for turn in understood(turns, side)})
    return [
        Percentiles.of([turn.first_audio_ms for turn in understood(turns, side) if turn.round == number]).p50
        for number in rounds
    ]


def understood(turns: Sequence[Turn], side: Side) -> list[Turn]:
    return [turn for turn in turns if turn.side is side and turn.understood]


def _paired(turns: Sequence[Turn], peer: Side, relate: Callable[[float, float], float]) -> dict[int, list[float]]:
    """By round: of each question that both understood."""
    theirs = {(turn.round, turn.question): turn.first_audio_ms for turn in understood(turns, peer)}
    found: dict[int, list[float]] = {}
    for turn in understood(turns, Side.OURS):
        if (turn.round, turn.question) in theirs:
            related = relate(turn.first_audio_ms, theirs[turn.round, turn.question])
            found.setdefault(turn.round, []).append(related)
    return found
