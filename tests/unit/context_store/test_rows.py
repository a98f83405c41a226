"""Whatever arrives becomes a row or a stray: nothing is refused, or it would arrive for ever."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.context_store.domain.rows import MAX_NUMBER, UNKNOWN, Row, Stray, place, row_of, stray
from tests.talk import Talk, body_of


def test_an_event_becomes_a_row_that_gives_it_back() -> None:
    event = Talk().opened(customer_id="C-7", reservation_id="R-1")

    row = row_of("conv-1", 1, body_of(event))

    assert isinstance(row, Row)
    assert (row.kind, row.property_id, row.customer_id, row.reservation_id, row.time_ms) == (
        "conversation.opened",
        "harbour",
        "C-7",
        "R-1",
        1_001,
    )
    assert row.event() == event


@pytest.mark.parametrize("body", [b"", b"\xff\x00", b"{", b'{"type":"minibar.opened"}', b'{"type":"card.shown","v":9}'])
def test_what_cannot_be_read_is_kept_with_its_reason(body: bytes) -> None:
    row = row_of("conv-1", 4, body)

    assert isinstance(row, Row)
    assert (row.kind, row.body, row.number, row.event()) == (UNKNOWN, body, 4, None)
    assert row.reason


@pytest.mark.parametrize(
    ("conversation_id", "number"),
    [("", 1), ("a b", 1), ("x" * 65, 1), ("\x00", 1), ("conv-1", 0), ("conv-1", -3), ("conv-1", MAX_NUMBER + 1)],
    ids=ascii,
)
def test_what_has_no_place_is_a_stray(conversation_id: str, number: int) -> None:
    assert isinstance(place(conversation_id, number, b"x", None), Stray)


def test_an_event_of_another_conversation_is_a_stray() -> None:
    assert isinstance(row_of("conv-2", 1, body_of(Talk("conv-1").opened())), Stray)


def test_strays_differ_by_what_they_are() -> None:
    ids = [stray("", number, body, "why").id for number, body in ((1, b"x"), (1, b"y"), (2, b"x"))]

    assert len(set(ids)) == 3
    assert stray("", 1, b"x", "another reason").id == ids[0]


def test_fields_that_a_database_would_refuse_are_made_fit() -> None:
    event = msgspec.structs.replace(Talk().opened(), time_ms=2**70, customer_id="a\x00" * 200)

    row = place("conv-1", 1, body_of(event), event)

    assert isinstance(row, Row)
    assert row.time_ms == MAX_NUMBER
    assert row.customer_id == "a" * 128


@given(st.text(), st.integers(), st.binary(), st.text())
def test_anything_is_placed_and_its_text_fits_any_database(
    conversation: str, number: int, body: bytes, why: str
) -> None:
    placed = place(conversation, number, body, None, why)

    told = placed.reason + (placed.label if isinstance(placed, Stray) else placed.conversation_id)
    assert told.isascii()
    assert "\x00" not in told
    assert placed.body == body
