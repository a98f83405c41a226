from __future__ import annotations

import pytest

from services.brain.pms.memory import MemoryPms
from services.brain.pms.retrying import RetryingReads
from services.brain.pms.sample import harbour
from services.brain.ports import NotFound, Pms, Unavailable
from tests.integration.brain.pms_conformance import NOW, Clock, PmsConformance


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pms(clock: Clock) -> Pms:
    return MemoryPms(harbour(NOW.date()), clock)


class TestMemoryPms(PmsConformance):
    pass


class TestRetryingReads(PmsConformance):
    @pytest.fixture
    def pms(self, clock: Clock) -> Pms:
        return RetryingReads(MemoryPms(harbour(NOW.date()), clock), pauses_s=(0.0, 0.0))


class Flaky(MemoryPms):
    """Unavailable for the first calls, reads and writes alike."""

    failures = 0
    calls = 0

    async def property(self, property_id: str):  # type: ignore[no-untyped-def]
        self.calls += 1
        if self.calls <= self.failures:
            raise Unavailable("no answer")
        return await super().property(property_id)


@pytest.fixture
def flaky(clock: Clock) -> Flaky:
    return Flaky(harbour(NOW.date()), clock)


async def test_a_read_is_tried_again(flaky: Flaky) -> None:
    flaky.failures = 2

    assert (await RetryingReads(flaky, pauses_s=(0.0, 0.0)).property("harbour")).id == "harbour"


async def test_a_read_is_given_up(flaky: Flaky) -> None:
    flaky.failures = 3

    with pytest.raises(Unavailable):
        await RetryingReads(flaky, pauses_s=(0.0, 0.0)).property("harbour")


async def test_an_answer_is_not_asked_for_again(flaky: Flaky) -> None:
    with pytest.raises(NotFound):
        await RetryingReads(flaky, pauses_s=(0.0, 0.0)).property("elsewhere")
    assert flaky.calls == 1


async def test_a_write_is_not_tried_again(flaky: Flaky) -> None:
    flaky.failures = 1

    with pytest.raises(Unavailable):
        await RetryingReads(flaky, pauses_s=(0.0, 0.0)).accept_offer("harbour", offer_id="LC-1", key="k")
    assert flaky.calls == 1
