"""Which provider is used, when one fails, rests, is tried and comes back."""

from __future__ import annotations

from services.voice_gateway.domain.roster import Roster


def test_providers_are_used_in_order_and_a_failed_one_comes_last() -> None:
    roster = Roster(3, rest_s=10)
    assert roster.order() == [0, 1, 2]
    assert roster.failed(0, now=0)
    assert roster.order() == [1, 2, 0]
    roster.failed(1, now=1)
    assert roster.order() == [2, 0, 1]


def test_when_all_are_out_the_one_that_rested_longest_is_used() -> None:
    roster = Roster(2, rest_s=10)
    roster.failed(1, now=0)
    roster.failed(0, now=5)
    assert roster.order() == [1, 0]


def test_a_failed_provider_is_tried_after_a_rest_that_doubles_up_to_a_limit() -> None:
    roster = Roster(2, rest_s=10)
    roster.failed(0, now=0)
    assert roster.due(9.9) == []
    assert roster.due(10) == [0]
    assert not roster.failed(0, now=10)
    assert roster.due(29.9) == []
    assert roster.due(30) == [0]
    for _ in range(20):
        roster.failed(0, now=100)
    assert roster.due(100 + 160) == [0]


def test_a_provider_that_answered_is_in_its_old_place_again() -> None:
    roster = Roster(2, rest_s=10)
    assert not roster.works(0)
    roster.failed(0, now=0)
    assert roster.works(0)
    assert roster.order() == [0, 1]
    assert roster.due(1_000) == []
    roster.failed(0, now=50)
    assert roster.due(60) == [0], "the rest is short again"
