"""What the clients of a chaos run sent and received, and when. The auditor reads nothing else of the run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Record = dict[str, Any]
"""`at` (seconds since the run began), `guest`, `kind`, and what the kind has."""


class Transcript:
    """Kinds: asked, turn, chunk, end, refused, broken, withdrawn, event, call, spoken, heard."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.records: list[Record] = []

    def now(self) -> float:
        return time.monotonic() - self._began

    def note(self, guest: str, kind: str, **fields: Any) -> None:
        self.records.append({"at": round(self.now(), 4), "guest": guest, "kind": kind, **fields})

    def of(self, *kinds: str) -> Iterator[Record]:
        return (record for record in self.records if record["kind"] in kinds)

    def write(self, path: Path) -> None:
        """One line of JSON for each."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as out:
            for record in self.records:
                out.write(json.dumps(record, ensure_ascii=False) + "\n")
