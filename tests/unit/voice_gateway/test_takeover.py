"""What becomes of a call whose gateway is gone."""

from __future__ import annotations

import pytest

from services.voice_gateway.domain.takeover import Attendance, Endurance, Verdict, judge

ENDURANCE = Endurance(takeovers=2, dispatches=3, absent_ms=20_000)


@pytest.mark.parametrize(
    ("attendance", "takeovers", "dispatches", "alone_ms", "verdict"),
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
def test_verdict(attendance: Attendance, takeovers: int, dispatches: int, alone_ms: int, verdict: Verdict) -> None:
    given = judge(
        attendance, takeovers=takeovers, dispatches=dispatches, alone_ms=alone_ms, endurance=ENDURANCE
    )  # fmt: skip
    assert given is verdict
