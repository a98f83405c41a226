"""Captions of a sentence: its own words, each once, by one voice or by two."""

from __future__ import annotations

from services.voice_gateway.speech.script import Script

TEXT = "The pool is on the fourth floor. "


def test_words_are_told_as_they_begin_with_the_blanks_of_the_text() -> None:
    script = Script(TEXT)
    assert script.remaining() == TEXT
    assert [script.spoken(piece) for piece in ("The ", "pool", " is on", "the", "fourth", "floor.")] == [
        "The ", "pool ", "is on ", "the ", "fourth ", "floor. ",
    ]  # fmt: skip
    assert script.rest() == ""


def test_pieces_of_a_word_tell_it_once() -> None:
    script = Script("10:30 sharp")
    script.remaining()
    assert [script.spoken(piece) for piece in ("10", ":30", " sh", "arp")] == ["10:30 ", "", "sharp", ""]


def test_words_that_the_voice_left_out_are_told_at_the_end() -> None:
    script = Script(TEXT)
    script.remaining()
    script.spoken("The pool ")
    assert script.rest() == "is on the fourth floor. "


def test_the_next_voice_goes_on_at_the_word_that_broke_off() -> None:
    script = Script(TEXT)
    script.remaining()
    told = script.spoken("The ") + script.spoken("pool ") + script.spoken("is ")
    script.broke_off(timed=True)
    assert script.remaining() == "is on the fourth floor. "
    told += script.spoken("is ") + script.spoken("on ")
    script.broke_off(timed=True)
    assert script.remaining() == "on the fourth floor. "
    assert told + script.rest() == TEXT


def test_a_voice_without_word_times_is_followed_from_the_beginning_and_captions_do_not_repeat() -> None:
    script = Script(TEXT)
    script.remaining()
    assert script.all_but_last() == "The pool is on the fourth "
    script.broke_off(timed=False)
    assert script.remaining() == TEXT
    assert script.all_but_last() == ""
    assert script.spoken("The pool ") == ""
    assert script.rest() == "floor. "


def test_without_word_times_the_last_word_begins_where_the_text_before_it_ends() -> None:
    script = Script("aaa aaa aaa aaa ")
    script.remaining()
    assert script.share() == 0
    assert script.all_but_last() == "aaa aaa aaa "
    assert script.share() == 0.75
    assert script.rest() == "aaa "
    one = Script("Yes.")
    assert (one.all_but_last(), one.share(), one.rest()) == ("", 0, "Yes.")
