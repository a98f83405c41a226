"""Putting a reply together from chunks that may repeat, overlap, come from two brains or miss a part. Pure."""

from __future__ import annotations

import enum

from libs.contracts.chunks import Chunk
from libs.contracts.events import ReplyStatus


class Fit(enum.Enum):
    """How a chunk fits what was delivered before."""

    TAKEN = "taken"
    """Its new text, possibly none, is delivered."""
    STALE = "stale"
    """Of an earlier run: dropped."""
    GAP = "gap"
    """Text before it is missing: heal, then offer it again."""


class Stitch:
    """The reply of one turn as one follower receives it. Offsets are UTF-8 bytes."""

    __slots__ = ("delivered", "ended", "epoch")

    def __init__(self) -> None:
        self.delivered = 0
        self.epoch = 0
        self.ended: ReplyStatus | None = None

    def offer(self, chunk: Chunk) -> tuple[Fit, str]:
        """Take a chunk if it fits; answers the text that is new."""
        if self.ended or chunk.epoch < self.epoch:
            return Fit.STALE, ""
        self.epoch = chunk.epoch
        if chunk.offset > self.delivered:
            return Fit.GAP, ""
        fresh = self.extend(chunk.text.encode(), chunk.offset)
        self.ended = chunk.end
        return Fit.TAKEN, fresh

    def extend(self, text: bytes, offset: int = 0) -> str:
        """Take what of `text`, which stands at `offset`, goes beyond what was delivered."""
        fresh = text[max(0, self.delivered - offset) :]
        if offset > self.delivered or not fresh:
            return ""
        self.delivered += len(fresh)
        return fresh.decode(errors="ignore")  # half a character only if Redis lost words that were heard
