"""The context of a conversation from its events, and which updates are taken."""

from __future__ import annotations

import pytest

from libs.contracts.errors import InvalidRequest
from libs.contracts.events import AnyEvent
from libs.contracts.limits import MAX_CONTEXT_FIELDS, MAX_CONTEXT_VALUE_CHARS
from services.context_store.domain.context import check_update, context_of
from tests.talk import Talk

TALK = Talk()
OPENED = TALK.opened(customer_id="C-7")


@pytest.mark.parametrize(
    ("events", "fields"),
    [
        ([], {}),
        ([OPENED], {"property_id": "harbour", "customer_id": "C-7"}),
        ([TALK.asks("Hi", "t")], {}),
        ([TALK.noted(room="1"), TALK.noted(room="2", vip="yes")], {"room": "2", "vip": "yes"}),
        ([TALK.noted(room="1", vip="yes"), TALK.noted(room="")], {"vip": "yes"}),
    ],
)
def test_context_of(events: list[AnyEvent], fields: dict[str, str]) -> None:
    assert context_of(events) == fields


def test_an_update_is_what_the_event_carries() -> None:
    assert check_update({"room": "1"}, {"room": None, "late_checkout": "14:00"}) == {
        "room": "",
        "late_checkout": "14:00",
    }


@pytest.mark.parametrize(
    "update",
    [
        {},
        {"": "x"},
        {"Room": "x"},
        {"room number": "x"},
        {"x" * 65: "x"},
        {"property_id": "other"},
        {"reservation_id": None},
        {"room": "x" * (MAX_CONTEXT_VALUE_CHARS + 1)},
        {"room": "a\x00b"},
        {f"f{n}": "x" for n in range(MAX_CONTEXT_FIELDS + 1)},
    ],
    ids=lambda update: ascii(update)[:40],
)
def test_an_update_that_is_not_taken(update: dict[str, str | None]) -> None:
    with pytest.raises(InvalidRequest, match="fields"):
        check_update({}, update)


def test_a_full_context_takes_a_field_for_one_that_goes() -> None:
    full = {f"f{n}": "x" for n in range(MAX_CONTEXT_FIELDS)}

    assert check_update(full, {"f0": None, "new": "x"}) == {"f0": "", "new": "x"}
    with pytest.raises(InvalidRequest):
        check_update(full, {"new": "x"})
