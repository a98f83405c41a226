from __future__ import annotations

from datetime import time

import pytest

from services.brain.pms.distant import DistantPms
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


class TestDistantPms(PmsConformance):
    @pytest.fixture
    def pms(self, clock: Clock) -> Pms:
        return DistantPms(MemoryPms(harbour(NOW.date()), clock), 0.002)


async def test_a_write_takes_half_of_its_time_before_the_hotel_has_it_and_half_after(clock: Clock) -> None:
    near, booked_by_then = MemoryPms(harbour(NOW.date()), clock), []

    async def pause(seconds: float) -> None:
        booked_by_then.append((seconds, len(near.bookings)))

    distant = DistantPms(near, 3.0, pause)
    offer = await distant.propose_late_checkout("harbour", code="HB2041", requested=time(14), key="k1")
    booked_by_then.clear()
    await distant.accept_offer("harbour", offer_id=offer.id, key="k2")
    assert booked_by_then == [(1.5, 0), (1.5, 1)]
    assert await distant.settle("harbour", key="k2")
    assert len(booked_by_then) == 2, "reads do not wait"


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
