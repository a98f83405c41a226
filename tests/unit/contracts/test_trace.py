"""Trace contexts: what is one by W3C Trace Context, and what a client may send without any effect."""

from __future__ import annotations

import pytest

from libs.contracts.chunks import Chunk, decode_chunk
from libs.contracts.trace import TraceContext, parse_traceparent, traceparent, valid_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("text", "sampled"),
    [
        (GOOD, True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"cc-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-adds", True),
    ],
)
def test_contexts(text: str, sampled: bool) -> None:
    context = parse_traceparent(text)
    assert context == TraceContext(TRACE, SPAN, sampled)
    assert valid_traceparent(text) == f"00-{TRACE}-{SPAN}-{int(sampled):02d}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        GOOD.upper(),
        f" {GOOD}",
        f"{GOOD}\n",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-gg",
        f"00-{TRACE}-{'０' * 15}1-01",
        f"cc-{TRACE}-{SPAN}-01-{'x' * 300}",
    ],
)
def test_what_is_none_is_left_out(text: str) -> None:
    assert parse_traceparent(text) is None
    assert valid_traceparent(text) == ""


def test_writing_and_reading_are_one() -> None:
    assert traceparent(TraceContext(TRACE, SPAN, True)) == GOOD


def test_chunks_of_an_earlier_release_have_no_trace() -> None:
    fields = {b"c": b"conv", b"t": b"turn", b"e": b"7", b"o": b"0", b"b": b"Hello"}
    assert decode_chunk(fields) == Chunk("conv", "turn", 7, 0, "Hello")
    assert decode_chunk({**fields, b"tp": GOOD.encode()}) == Chunk("conv", "turn", 7, 0, "Hello", trace=GOOD)
