"""Whatever chunks come, in whatever pieces, the follower gets the text once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from libs.bus.stitch import Fit, Stitch
from libs.contracts.chunks import Chunk
from libs.contracts.events import ReplyStatus

TEXTS = st.text(alphabet=st.characters(codec="utf-8"), max_size=40)
CUTS = st.integers(0, 12)


def chunk(text: str, offset: int, epoch: int = 1, end: ReplyStatus | None = None) -> Chunk:
    return Chunk("c", "t", epoch, offset, text, end)


def byte_offset(text: str, characters: int) -> int:
    return len(text[:characters].encode())


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[str, list[Chunk]]:
    """A reply, and chunks that cover it: cut anywhere, overlapping, repeated, by runs of rising epochs."""
    text = draw(TEXTS)
    chunks: list[Chunk] = []
    reached, epoch = 0, 1
    for back, ahead, later, again in draw(st.lists(st.tuples(CUTS, CUTS, st.booleans(), st.booleans()), max_size=8)):
        begin, finish = max(0, reached - back), min(len(text), reached + ahead)
        epoch += later
        chunks.append(chunk(text[begin:finish], byte_offset(text, begin), epoch))
        chunks.extend([chunks[-1]] * again)
        reached = finish
    chunks.append(chunk(text[reached:], byte_offset(text, reached), epoch))
    return text, chunks


@given(deliveries())
def test_any_chunking_gives_the_text_once(delivery: tuple[str, list[Chunk]]) -> None:
    text, chunks = delivery
    stitch, heard = Stitch(), ""
    for one in chunks:
        fit, fresh = stitch.offer(one)
        assert fit is not Fit.GAP
        heard += fresh
        assert text.startswith(heard)
        assert stitch.delivered == len(heard.encode())
    assert heard == text


@given(TEXTS, st.data())
def test_a_hole_is_noticed_and_healed_from_the_draft(text: str, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(text)))
    later = data.draw(st.integers(first, len(text)))
    stitch = Stitch()
    _, heard = stitch.offer(chunk(text[:first], 0))
    fit, fresh = stitch.offer(chunk(text[later:], byte_offset(text, later)))
    assert (fit is Fit.GAP) == (later > first)
    if fit is Fit.GAP:
        assert fresh == ""
        heard += stitch.extend(text[:later].encode())
        fit, fresh = stitch.offer(chunk(text[later:], byte_offset(text, later)))
    assert fit is Fit.TAKEN
    assert heard + fresh == text


def test_an_earlier_epoch_is_stale_even_if_it_would_fit() -> None:
    stitch = Stitch()
    assert stitch.offer(chunk("One ", 0, epoch=5)) == (Fit.TAKEN, "One ")
    assert stitch.offer(chunk("WRONG", 4, epoch=4)) == (Fit.STALE, "")
    assert stitch.offer(chunk("two", 4, epoch=6)) == (Fit.TAKEN, "two")


def test_after_the_end_nothing_is_taken() -> None:
    stitch = Stitch()
    assert stitch.offer(chunk("All", 0, end=ReplyStatus.FINISHED)) == (Fit.TAKEN, "All")
    assert stitch.ended is ReplyStatus.FINISHED
    assert stitch.offer(chunk("more", 3, epoch=9)) == (Fit.STALE, "")


def test_an_end_beyond_a_hole_does_not_end() -> None:
    stitch = Stitch()
    assert stitch.offer(chunk("", 10, end=ReplyStatus.FINISHED)) == (Fit.GAP, "")
    assert stitch.ended is None


def test_words_that_differ_after_a_loss_broke_the_follower_in_the_middle_of_a_character() -> None:
    """Redis lost the draft, the successor said something else: the overlap ends within its `é`."""
    stitch = Stitch()
    stitch.offer(chunk("abc", 0))
    fit, fresh = stitch.offer(chunk("abéd", 0, epoch=2))
    assert (fit, fresh) == (Fit.TAKEN, "d")
    assert stitch.delivered == len("abéd".encode())
