"""The same request has the same ids, and no other request has them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.ids import is_id
from services.text_gateway.domain.chat import Line, Speaker
from services.text_gateway.domain.identity import conversation_of_key, imported_id, turn_of_key

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(words, words, words, words)
def test_ids_of_keys(property_a: str, key_a: str, property_b: str, key_b: str) -> None:
    same = (property_a, key_a) == (property_b, key_b)

    assert (turn_of_key(property_a, key_a) == turn_of_key(property_b, key_b)) is same
    assert (conversation_of_key(property_a, key_a) == conversation_of_key(property_b, key_b)) is same
    assert is_id(turn_of_key(property_a, key_a))
    assert is_id(conversation_of_key(property_a, key_a))


@given(words, st.integers(0, 200), words, st.integers(0, 200))
def test_ids_of_imported_lines(text_a: str, at_a: int, text_b: str, at_b: int) -> None:
    one, other = Line(Speaker.USER, text_a), Line(Speaker.USER, text_b)

    assert (imported_id("c", at_a, one) == imported_id("c", at_b, other)) is ((at_a, text_a) == (at_b, text_b))
    assert imported_id("c", at_a, one) != imported_id("d", at_a, one)
    assert imported_id("c", at_a, one) != imported_id("c", at_a, Line(Speaker.ASSISTANT, text_a))
    assert is_id(imported_id("c", at_a, one))
