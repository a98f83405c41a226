"""Ours is compared to the peer question by question, within a round, and only where both understood the guest."""

from __future__ import annotations

import pytest

from benchmarks.targets import Verdict
from benchmarks.voice.capacity import Load
from benchmarks.voice.claim import compare, refusal
from benchmarks.voice.measure import Found
from benchmarks.voice.plan import QUESTIONS, Side, plan_of
from benchmarks.voice.report import render
from benchmarks.voice.stages import STAGES, Cut, Turn


def _turn(side: Side, number: int, question: str, first_audio_ms: float, recognised: str = "") -> Turn:
    return Turn(
        side=side,
        round=number,
        question=question,
        recognised=recognised or question,
        answer="Yes.",
        first_audio_ms=first_audio_ms,
        stages=dict.fromkeys(STAGES, first_audio_ms / 4),
        inside={"queue_ms": 1.0} if side is Side.OURS else {},
    )


def _rounds(ours: list[float], theirs: list[float]) -> list[Turn]:
    return [
        _turn(side, number, question, value)
        for question in QUESTIONS[:2]
        for side, values in ((Side.OURS, ours), (Side.PEER, theirs), (Side.DEFAULTS, theirs))
        for number, value in enumerate(values, start=1)
    ]


def test_the_ratio_is_taken_within_rounds() -> None:
    # given a machine that was twice as slow in the second round
    turns = _rounds([400, 800], [500, 1000])

    # when
    claim = compare(turns, Side.PEER)

    # then
    assert claim
    assert (claim.ratio.low, claim.ratio.high) == (0.8, 0.8)
    assert claim.difference_ms.median == -150
    assert claim.pairs == 4
    assert claim.verdict is Verdict.MET


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [([500, 500, 500], Verdict.MET), ([520, 520, 520], Verdict.NOISE), ([600, 600, 600], Verdict.MISSED)],
)
def test_later_is_missed_when_it_is_more_than_the_peer_varies_by_itself(ours: list[float], verdict: Verdict) -> None:
    claim = compare(_rounds(ours, [500, 500, 530]), Side.PEER)

    assert claim
    assert claim.verdict is verdict


def test_a_question_that_one_side_misheard_is_left_out() -> None:
    # given
    turns = [
        _turn(Side.OURS, 1, "a", 500),
        _turn(Side.PEER, 1, "a", 500),
        _turn(Side.OURS, 1, "b", 500),
        _turn(Side.PEER, 1, "b", 100, recognised="c"),
    ]

    # when
    claim = compare(turns, Side.PEER)

    # then
    assert claim
    assert claim.pairs == 1
    assert claim.ratio.median == 1.0


def test_a_strict_run_fails_when_ours_is_later_and_when_hardly_anything_was_understood() -> None:
    late, fair = _rounds([600] * 3, [500] * 3), _rounds([500] * 3, [500] * 3)
    deaf = [
        turn if turn.side is not Side.OURS or turn.round == 1 else _turn(turn.side, turn.round, turn.question, 1, "x")
        for turn in fair
    ]

    assert "later" in refusal(late)
    assert "understood" in refusal(deaf)
    assert refusal(fair) == ""
    assert refusal([]) == "nothing to compare"


@pytest.mark.parametrize("turns", [1, 6, 30, 31, 60])
def test_a_plan_has_at_least_as_many_turns_as_were_asked_for(turns: int) -> None:
    plan = plan_of(turns, 5)

    assert plan.rounds * len(plan.asked_of(Side.OURS)) >= turns
    assert plan.asked_of(Side.OURS) == plan.asked_of(Side.PEER)
    assert set(plan.asked_of(Side.DEFAULTS)) <= set(plan.asked_of(Side.OURS))


def test_a_full_plan_has_five_rounds() -> None:
    assert plan_of(30, 5).rounds == 5


def test_the_report_shows_every_side_and_what_went_wrong() -> None:
    # given
    misheard = _turn(Side.DEFAULTS, 1, QUESTIONS[0], 9_999, recognised="something else")
    found = Found(
        turns=[*_rounds([400.0], [500.0]), misheard],
        cuts=[Cut(Side.OURS, 1, 510.0, 640.0, True), Cut(Side.PEER, 1, 8_888.0, None, False)],
        loads=[Load(Side.OURS, 10, 55.0, 300.0, 17.0, 3.0, 4.0, 0.0, 0, 2)],
        failed=["ours: no answer"],
    )

    # when
    shown = render(found, plan_of(6, 5), {"cores": "2"})

    # then
    assert all(side.value in shown for side in Side)
    assert "0.80 [0.80-0.80]" in shown
    assert "**met**" in shown
    assert "- ours: no answer" in shown
    assert "9999" not in shown
    assert "8888" not in shown
