"""Lines that are typed while a call goes on."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from types import TracebackType
from typing import Self

_READ_BYTES = 4_096
_MAX_LINE_BYTES = 8_000


class Keyboard:
    """`with Keyboard(fd) as typed`: whole lines appear in `typed.lines`. A terminal's descriptor, or -1 for none."""

    def __init__(self, descriptor: int) -> None:
        self.lines: deque[str] = deque()
        self._descriptor = descriptor
        self._begun = b""

    def __enter__(self) -> Self:
        if self._descriptor >= 0:
            asyncio.get_running_loop().add_reader(self._descriptor, self._read)
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        self._stop()

    def _read(self) -> None:
        data = os.read(self._descriptor, _READ_BYTES)
        if not data:
            self._stop()
        *lines, self._begun = (self._begun + data).split(b"\n")
        self._begun = self._begun[:_MAX_LINE_BYTES]
        self.lines.extend(text for line in lines if (text := line.decode(errors="replace").strip()))

    def _stop(self) -> None:
        if self._descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            self._descriptor = -1
