"""What becomes of a call whose gateway is gone."""

from __future__ import annotations

import pytest

from services.voice_gateway.domain.takeover import Attendance, Endurance, Verdict, judge

ENDURANCE = Endurance(takeovers=2, dispatches=3, absent_ms=20_000)


@pytest.mark.parametrize(
    ("attendance", "deaths", "dispatches", "alone_ms", "verdict"),
    [
        (Attendance.GUEST, 0, 0, 0, Verdict.SEND),
        (Attendance.GUEST, 1, 2, 3_600_000, Verdict.SEND),
        (Attendance.GUEST, 2, 0, 0, Verdict.GIVE_UP),
        (Attendance.GUEST, 0, 3, 0, Verdict.GIVE_UP),
        (Attendance.NOBODY, 0, 0, 19_999, Verdict.WAIT),
        (Attendance.NOBODY, 0, 0, 20_000, Verdict.GIVE_UP),
        (Attendance.NOBODY, 2, 3, 0, Verdict.WAIT),
        (Attendance.NO_ROOM, 0, 0, 0, Verdict.END),
        (Attendance.NO_ROOM, 2, 3, 20_000, Verdict.END),
    ],
)
def test_verdict(attendance: Attendance, deaths: int, dispatches: int, alone_ms: int, verdict: Verdict) -> None:
    given = judge(
        attendance, deaths=deaths, left=False, dispatches=dispatches, alone_ms=alone_ms, endurance=ENDURANCE
    )  # fmt: skip
    assert given is verdict


@pytest.mark.parametrize(("deaths", "dispatches", "verdict"), [(9, 2, Verdict.SEND), (0, 3, Verdict.GIVE_UP)])
def test_a_gateway_that_left_on_purpose_did_not_die_over_the_call(
    deaths: int, dispatches: int, verdict: Verdict
) -> None:
    given = judge(
        Attendance.GUEST, deaths=deaths, left=True, dispatches=dispatches, alone_ms=0, endurance=ENDURANCE
    )  # fmt: skip
    assert given is verdict
