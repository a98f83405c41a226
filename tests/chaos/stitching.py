"""How a reader puts a reply together from chunks with byte offsets, over any number of connections."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tests.chaos.transcript import Record


class Stitched(msgspec.Struct):
    """One reply as one reader has it."""

    turn: str = ""
    text: bytes = b""
    over: bool = False
    faults: list[str] = msgspec.field(default_factory=list)


def stitch(records: Iterable[Record]) -> Stitched:
    """Of each chunk only what is new is taken; a hole, or other words where some are already, is a fault.

    The end of a reply brings its whole text: what was received before must be a beginning of it.
    """
    read = Stitched()
    for record in records:
        match record["kind"]:
            case "turn":
                if read.turn not in ("", record["turn"]):
                    read.faults.append(f"became another turn, {record['turn']}")
                read.turn = record["turn"]
            case "chunk":
                _add(read, record["offset"], record["text"].encode())
            case "end":
                _end(read, record["text"].encode())
    return read


def _add(read: Stitched, offset: int, words: bytes) -> None:
    have = len(read.text)
    if offset > have:
        read.faults.append(f"a hole: {have} bytes, then {offset}")
        return
    known = read.text[offset : offset + len(words)]
    if words[: len(known)] != known:
        read.faults.append(f"other words at {offset}")
    if not read.over:
        read.text += words[have - offset :]


def _end(read: Stitched, whole: bytes) -> None:
    if not whole.startswith(read.text):
        read.faults.append("the reply ends with other words than it had")
    elif read.text and len(read.text) < len(whole):
        read.faults.append(f"its last {len(whole) - len(read.text)} bytes came in no chunk")
    read.text, read.over = whole, True
