"""The tables of the calls, in Markdown. Milliseconds where nothing else is said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.figures import Percentiles, Spread
from benchmarks.tables import range_text, spread_text, table
from benchmarks.voice.capacity import Load
from benchmarks.voice.claim import Claim, compare, medians, understood
from benchmarks.voice.measure import Found
from benchmarks.voice.plan import Plan, Side
from benchmarks.voice.stages import STAGES, Cut, Turn
from services.voice_gateway.domain.wording import words_of

_NONE = "-"
_INSIDE = {
    "transcription_ms": "gateway: end of speech -> final transcript",
    "end_of_turn_ms": "gateway: end of speech -> end of turn",
    "queue_ms": "brain: accepted -> claimed",
    "context_ms": "brain: claimed -> context read",
    "first_token_ms": "brain: model asked -> first words, the tool call in it",
    "first_chunk_ms": "gateway: turn accepted -> first words there",
    "tts_ms": "gateway: first words -> first audio leaves",
    "first_audio_ms": "gateway: end of speech -> first audio leaves",
}


def render(found: Found, plan: Plan, machine: dict[str, str]) -> str:
    """Everything that `make bench-voice` prints."""
    parts = ["\n".join(f"- {name}: {value}" for name, value in machine.items())]
    if found.turns:
        parts += [_claim(found.turns, plan), *_turns(found.turns)]
    if found.cuts:
        parts += ["### Interrupted", table(_CUT_HEAD, (_cut(found.cuts, side) for side in Side))]
    if found.loads:
        parts += ["### Many calls", table(_LOAD_HEAD, map(_load, found.loads))]
    if found.failed:
        parts.append("Calls that broke off:\n\n" + "\n".join(f"- {line}" for line in found.failed))
    return "\n\n".join(parts)


def _claim(turns: Sequence[Turn], plan: Plan) -> str:
    claim = compare(turns, Side.PEER)
    rounds = f"{plan.rounds} rounds; in each, one call with every side, in a shuffled order, same questions."
    return f"{rounds}\n\n" + (_verdict(claim) if claim else "No question was understood by both sides.")


def _verdict(claim: Claim) -> str:
    return (
        f"First audio, ours / peer with our options, same question in the same round: {spread_text(claim.ratio)}, "
        f"that is {spread_text(claim.difference_ms, 0)} ms, over {claim.pairs} pairs: **{claim.verdict.value}**."
    )


def _turns(turns: Sequence[Turn]) -> Iterable[str]:
    yield "### End of the guest's speech to first audio, at the guest"
    yield table(_TURN_HEAD, (_side(turns, side) for side in Side))
    yield "### Where the time goes"
    yield table(("stage", *(f"{side}: p50 / p95" for side in Side)), (_stage(turns, name) for name in STAGES))
    yield "Inside ours, from its events:"
    yield table(("stage", "p50", "p95"), (_inside(turns, name) for name in _INSIDE))


_TURN_HEAD = ("who answers", "turns", "p50", "[rounds]", "p95", "ours / it", "misheard", "answers as ours")


def _side(turns: Sequence[Turn], side: Side) -> Iterable[str]:
    mine = [turn for turn in turns if turn.side is side]
    kept = understood(turns, side)
    claim = None if side is Side.OURS else compare(turns, side)
    yield side.value
    yield str(len(mine))
    yield from _percentiles([turn.first_audio_ms for turn in kept], ranged=medians(turns, side))
    yield spread_text(claim.ratio) if claim else "1" if side is Side.OURS else _NONE
    yield str(len(mine) - len(kept))
    yield _NONE if side is Side.OURS else _alike(turns, side)


def _alike(turns: Sequence[Turn], side: Side) -> str:
    """How many questions were answered in the same words as by ours, of those that both understood."""
    ours = {(turn.round, turn.question): words_of(turn.answer) for turn in understood(turns, Side.OURS)}
    both = [turn for turn in understood(turns, side) if (turn.round, turn.question) in ours]
    same = sum(words_of(turn.answer) == ours[turn.round, turn.question] for turn in both)
    return f"{same} of {len(both)}"


def _stage(turns: Sequence[Turn], name: str) -> Iterable[str]:
    yield name
    for side in Side:
        found = [turn.stages[name] for turn in understood(turns, side) if name in turn.stages]
        p50, p95 = _percentiles(found)
        yield f"{p50} / {p95}"


def _inside(turns: Sequence[Turn], name: str) -> Iterable[str]:
    found = [turn.inside[name] for turn in understood(turns, Side.OURS) if name in turn.inside]
    yield _INSIDE[name]
    yield from _percentiles(found, digits=1)


_CUT_HEAD = (
    "who is interrupted",
    "times",
    "silence p50",
    "p95",
    "generation stopped p50",
    "p95",
    "not stopped",
    "misheard",
)


def _cut(cuts: Sequence[Cut], side: Side) -> Iterable[str]:
    mine = [cut for cut in cuts if cut.side is side]
    kept = [cut for cut in mine if cut.understood]
    stopped = [cut.stopped_ms for cut in kept if cut.stopped_ms is not None]
    yield side.value
    yield str(len(mine))
    yield from _percentiles([cut.silence_ms for cut in kept])
    yield from _percentiles(stopped)
    yield str(len(kept) - len(stopped))
    yield str(len(mine) - len(kept))


_LOAD_HEAD = (
    "who answers",
    "calls",
    "MB per call",
    "MB shared",
    "CPU % per call",
    "CPU % shared",
    "LiveKit CPU %",
    "first audio p50",
    "turns",
    "failed",
)


def _load(load: Load) -> Iterable[str]:
    yield load.side.value
    yield str(load.calls)
    for figure in (load.call_mb, load.base_mb, load.call_cpu, load.base_cpu, load.livekit_cpu, load.first_audio_ms):
        yield f"{figure:.0f}"
    yield str(load.turns)
    yield str(load.failed)


def _percentiles(values: Sequence[float], *, ranged: Sequence[float] = (), digits: int = 0) -> Iterable[str]:
    """p50, the range of the rounds' medians if they are given, and p95."""
    found = Percentiles.of(values) if values else None
    yield f"{found.p50:.{digits}f}" if found else _NONE
    if ranged:
        yield range_text(Spread.of(ranged), digits)
    yield f"{found.p95:.{digits}f}" if found else _NONE
