"""Pages by key, not by offset: a cursor is where the last page ended, opaque to the client."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from fastapi import Query

from libs.contracts.errors import InvalidRequest
from libs.contracts.ids import check_id

MAX_PAGE = 1_000
_MAX_CURSOR_CHARS = 256
_MAX_TIME_MS = 2**53

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Rows of one page")]
After = Annotated[int, Query(ge=0, le=10**15, description="The last number already had")]
CursorText = Annotated[str, Query(max_length=_MAX_CURSOR_CHARS, description="`next` of the page before")]


def write_cursor(time_ms: int, id_: str) -> str:
    """A cursor for rows in order of (time, id)."""
    return base64.urlsafe_b64encode(f"{time_ms} {id_}".encode()).decode().rstrip("=")


def read_cursor(text: str) -> tuple[int, str] | None:
    """What `write_cursor` wrote; None for ''; `InvalidRequest` for anything else."""
    if not text:
        return None
    try:
        time_ms, id_ = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().split(" ")
        after = int(time_ms), check_id(id_, "cursor")
        if not 0 <= after[0] <= _MAX_TIME_MS:
            raise ValueError("no time of ours")
        return after
    except (ValueError, binascii.Error, InvalidRequest) as error:
        raise InvalidRequest("cursor: send `next` of the page before as it came") from error
