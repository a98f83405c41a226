"""The short run of faults holds every promise; without the fence the auditor finds that it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.auditor import audit
from tests.chaos.plan import SHORT, ZOMBIE
from tests.chaos.report import figures, lines
from tests.chaos.run import run
from tests.chaos.unfenced import unfenced


async def test_every_promise_holds_under_faults(tmp_path: Path) -> None:
    outcome = await run(SHORT, tmp_path, lambda _: None)
    verdict = audit(outcome.evidence)
    told = figures(SHORT, outcome)
    assert not any(verdict.values()), "\n".join(lines(told, verdict))
    assert outcome.refused == [], "every service has the rights in Redis that it needs, whatever happens"
    assert told["turns"] >= SHORT.turns
    assert told["kills"] >= 1
    assert told["bookings"] >= 2


@pytest.mark.long
async def test_a_woken_brain_without_a_fence_is_noticed(tmp_path: Path) -> None:
    outcome = await run(ZOMBIE, tmp_path, lambda _: None, fenced=False)
    verdict = audit(outcome.evidence)
    assert outcome.ledger.zombies == 1
    assert verdict["one outcome per accepted turn"], verdict


def test_the_fences_that_are_taken_out_are_there() -> None:
    assert unfenced().keys() >= {"emit", "journal", "commit"}
