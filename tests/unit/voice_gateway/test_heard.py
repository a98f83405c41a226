"""What the guest heard, from what the pipeline says was spoken."""

from __future__ import annotations

import pytest

from services.voice_gateway.domain.heard import Heard, heard_of

REPLY = "The pool is open from seven until ten. Towels are by the door. "
FILLER = "One moment please."


@pytest.mark.parametrize(
    ("spoken", "filler", "heard"),
    [
        ("The pool is ", "", "The pool is"),
        ("The pool is open from seven until ten.Towels are", "", "The pool is open from seven until ten. Towels are"),
        ("One moment please.The pool", FILLER, "The pool"),
        ("One moment ", FILLER, ""),
        ("One moment please.", FILLER, ""),
        ("", "", ""),
        ("", FILLER, ""),
        ("The pool is open from seven until ten.", "", "The pool is open from seven until ten."),
        (" the", "", "the"),
    ],
)
def test_an_interrupted_reply_is_heard_up_to_the_cut(spoken: str, filler: str, heard: str) -> None:
    result = heard_of(spoken, generated=REPLY, filler=filler, interrupted=True)
    assert result == Heard(heard, complete=False)


def test_an_uninterrupted_reply_is_heard_whole_without_its_filler() -> None:
    spoken = "One moment please.The pool is open from seven until ten.Towels are by the door."
    assert heard_of(spoken, generated=REPLY, filler=FILLER, interrupted=False) == Heard(REPLY.strip(), complete=True)


def test_an_interruption_after_the_last_word_leaves_the_reply_complete() -> None:
    assert heard_of("Yes, of course.", generated="Yes, of course.", filler="", interrupted=True).complete


def test_signs_that_are_not_spoken_do_not_shift_the_cut() -> None:
    generated = "**Breakfast** is served - every day - from 7:30 until 10."
    assert heard_of("Breakfast is served", generated=generated, filler="", interrupted=True).text == (
        "**Breakfast** is served"
    )


def test_nothing_generated_and_nothing_spoken_is_not_complete() -> None:
    assert heard_of("", generated="", filler="", interrupted=True) == Heard("", complete=False)
