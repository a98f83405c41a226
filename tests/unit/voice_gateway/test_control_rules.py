"""Which words end a pause, how long one lasts, and whom a guest may be put through to."""

from __future__ import annotations

import pytest

from libs.contracts.limits import MAX_PAUSE_S
from services.voice_gateway.domain.control import address_of, desk_name, is_address, pause_s, wakes

DESKS = {"reception": "tel:+4940123", "Concierge Desk": "sip:desk@hotel.example"}


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "Hello there!",
        "concierge",
        "are you there concierge",
        "okay concierge what time is breakfast",
        "i'm back",
        "Okay, I'm back.",
        "sorry we are back now",
        "hello i am back what about the pool",
        "are you still there",
        "can you hear me",
        "yes you can speak",
        "please resume",
        "well let's go on then",
    ],
)
def test_these_words_end_a_pause(text: str) -> None:
    assert wakes(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "okay",
        "hello darling how was your day at the beach",
        "no she said that we should be there at eight",
        "i think he is back in the room already",
        "the one we had last year was bigger",
        "and then i told the concierge that this is not what we had talked about at all",
        "back in a minute",
        "resumed",
    ],
)
def test_these_are_meant_for_somebody_else(text: str) -> None:
    assert not wakes(text)


@pytest.mark.parametrize(
    ("seconds", "lasts"), [(0, MAX_PAUSE_S), (1, 1), (60, 60), (10_000, MAX_PAUSE_S), (-5, MAX_PAUSE_S)]
)
def test_no_pause_is_for_ever(seconds: int, lasts: int) -> None:
    assert pause_s(seconds) == lasts


@pytest.mark.parametrize(
    ("to", "by_staff", "address"),
    [
        ("reception", False, "tel:+4940123"),
        ("Reception", False, "tel:+4940123"),
        ("concierge-desk", False, "sip:desk@hotel.example"),
        ("bar", False, ""),
        ("", False, ""),
        ("tel:+4990012345", False, ""),
        ("sip:evil@elsewhere.example", False, ""),
        ("tel:+4990012345", True, "tel:+4990012345"),
        ("reception", True, "tel:+4940123"),
        ("javascript:1", True, ""),
    ],
)
def test_a_model_names_desks_and_only_staff_names_numbers(to: str, by_staff: bool, address: str) -> None:
    assert address_of(to, DESKS, by_staff=by_staff) == address


@pytest.mark.parametrize("text", ["tel:+4940123", "tel:110", "sip:desk@hotel.example", "sips:a.b-c@10.0.0.1:5061"])
def test_these_can_be_dialled(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize("text", ["", "+4940123", "tel:", "tel:12", "sip:@x", "sip:a@b;c=d", "tel:+49\n40", "http://x"])
def test_these_cannot(text: str) -> None:
    assert not is_address(text)


def test_a_desk_is_the_same_however_it_is_written() -> None:
    assert desk_name("Concierge-Desk") == desk_name("concierge  desk") == "concierge desk"
    assert desk_name("12") == ""
