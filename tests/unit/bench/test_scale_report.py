"""What the scale demo claims is decided from what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.scale.book import Count
from benchmarks.scale.plan import FULL
from benchmarks.scale.plot import draw_scene, draw_throughput
from benchmarks.scale.report import Report, render, verdicts
from benchmarks.scale.scene import Story, Told
from benchmarks.scale.series import Line, Seen, spans
from benchmarks.scale.throughput import SLOTS, Bound, Phase, bound_of, rows_of
from benchmarks.scale.usage import Cores, Usage, cores_between, machine_s

PNG = b"\x89PNG"


def phase(repetition: int, brains: int, per_s: float, busy: float = 1.0) -> Phase:
    cores = Cores({"brain": busy * 0.75, "redis": busy * 0.2}, busy * 0.05, busy)
    return Phase(repetition, brains, 80 * brains, per_s, 4.3, 100, cores)


PHASES = [
    phase(1, 1, 16),
    phase(1, 4, 50, 1.9),
    phase(2, 4, 54, 2.0),
    phase(2, 1, 17),
    phase(1, 2, 32),
    phase(2, 2, 33),
]
STORY = Story(
    began=100.0,
    rush=120.0,
    fired=150.0,
    asked_for_brains=150.0,
    got_brains=156.0,
    cleared=175.0,
    ended=205.0,
    told=Told("A guest has waited", "Add brains", {"shard": "0"}, 9.0),
    served_by_one_per_s=16.5,
    came_meanwhile_per_s=22.1,
    served_by_all_per_s=40.0,
)
SEEN = Seen(
    {name: Line([0.0, 5.0, 10.0], [0.0, 9.0, 0.0]) for name in ("waiting", "oldest", "in flight", "brains")},
    [(30.0, 45.0)],
    [(50.0, 70.0)],
)
ANSWERS = Count(asked=9, answered=9, streamed=1, repeated=0, lost=0, troubled=0, doubled=0, different=0, strange=0)
REPORT = Report(
    machine={"processor": "a quick one"},
    cores=2,
    plan=FULL,
    prometheus="prometheus 2.42.0",
    rules={"rules.yml": "0123abcd"},
    story=STORY,
    seen=SEEN,
    answers=ANSWERS,
    troubles={},
    phases=PHASES,
    rows=rows_of(PHASES, FULL, 2),
    arrivals=[(2.0, 20.0), (6.0, 22.0)],
    served=[(2.0, 16.0), (6.0, 17.0)],
)


def changed(report: Report = REPORT, **fields: Any) -> Report:
    return msgspec.structs.replace(report, **fields)


def test_all_that_is_claimed_holds() -> None:
    assert all(verdicts(REPORT).values())


@pytest.mark.parametrize(
    ("report", "claim"),
    [
        (changed(story=msgspec.structs.replace(STORY, fired=0.0)), "GuestsWait fired"),
        (changed(seen=Seen(SEEN.lines, [], [])), "GuestsWait fired"),
        (changed(story=msgspec.structs.replace(STORY, cleared=0.0)), "GuestsWait cleared"),
        (changed(story=msgspec.structs.replace(STORY, served_by_one_per_s=22.0)), "one brain cannot hold"),
        (changed(story=msgspec.structs.replace(STORY, served_by_one_per_s=0.0)), "one brain cannot hold"),
        (changed(answers=msgspec.structs.replace(ANSWERS, lost=1)), "no answer lost"),
        (changed(seen=Seen({**SEEN.lines, "oldest": Line([0.0], [2.9])}, [], SEEN.firing)), "the oldest waiting age"),
        (changed(rows=rows_of([phase(1, 1, 16), phase(1, 4, 15)], FULL, 2)), "4 brains answer more"),
    ],
)
def test_a_claim_that_does_not_hold_is_said(report: Report, claim: str) -> None:
    assert [what for what, held in verdicts(report).items() if not held and what.startswith(claim)]


def test_the_page_names_figures_rules_and_what_bounds_them() -> None:
    page = render(REPORT)

    for words in (
        "16.5 per second of the 22.1",
        "0123abcd",
        "fired 30 s into the rush",
        "3.15",
        "the machine",
        "Lost 0",
    ):
        assert words in page, words


def test_other_work_on_the_machine_is_said() -> None:
    assert "nothing else to speak of" in render(REPORT)
    loud = [msgspec.structs.replace(one, cores=Cores(one.cores.by_name, 0.8, 2.0)) for one in PHASES]
    page = render(changed(rows=rows_of(loud, FULL, 2)))
    assert "was not quiet" in page
    assert "on a quiet machine more is answered" in page


def test_rows_are_medians_beside_what_the_model_allows() -> None:
    one, two, four = REPORT.rows

    assert (one.per_s.median, one.per_s.low, one.per_s.high) == (16.5, 16, 17)
    assert four.times == pytest.approx(52 / 16.5)
    assert two.model_per_s == pytest.approx(2 * SLOTS / (0.3 + 101 / 30))
    assert (one.bound, four.bound) == (Bound.MODEL, Bound.MACHINE)


@pytest.mark.parametrize(
    ("model", "machine", "others", "bound"),
    [
        (0.95, 0.5, 0.0, Bound.MODEL),
        (0.95, 0.97, 0.4, Bound.BOTH),
        (0.6, 0.97, 0.05, Bound.MACHINE),
        (0.6, 0.97, 0.4, Bound.OTHERS),
        (0.9, 0.95, 0.0, Bound.BOTH),
        (0.5, 0.5, 0.0, Bound.NEITHER),
    ],
)
def test_what_is_used_up_is_the_bound(model: float, machine: float, others: float, bound: Bound) -> None:
    assert bound_of(model, machine, others) is bound


def test_spans_are_stretches_without_a_missing_step() -> None:
    assert spans([1, 2, 3, 7, 8, 20], 1.0) == [(1, 3), (7, 8), (20, 20)]
    assert spans([], 1.0) == []


def test_busy_cores_are_ours_and_others() -> None:
    before = Usage(10.0, {"brain": 1.0, "redis": 0.5, "gone": 3.0}, 50.0)
    after = Usage(20.0, {"brain": 9.0, "redis": 1.5, "new": 1.0}, 65.0)

    found = cores_between(before, after)

    assert found.by_name == {"brain": 0.8, "redis": 0.1}
    assert found.busy == 1.5
    assert found.others == pytest.approx(0.6)


def test_idle_and_waiting_for_disks_is_not_busy() -> None:
    assert machine_s("cpu  100 0 50 9999 500 10 20 20 7 0\ncpu0 1 2 3\n", ticks=100) == 2.0


def test_both_pictures_are_drawn(tmp_path: Path) -> None:
    for draw in (draw_scene, draw_throughput):
        draw(REPORT, tmp_path / "picture.png")
        assert (tmp_path / "picture.png").read_bytes().startswith(PNG)


def test_a_scene_without_an_alert_is_drawn_as_well(tmp_path: Path) -> None:
    story = msgspec.structs.replace(STORY, fired=0.0, got_brains=0.0, cleared=0.0, told=None)

    draw_scene(changed(story=story, seen=Seen(SEEN.lines, [], [])), tmp_path / "picture.png")

    assert (tmp_path / "picture.png").exists()
