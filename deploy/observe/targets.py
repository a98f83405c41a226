"""Tells a running Prometheus which processes there are: a file per job, replaced as a whole when it changes.

Prometheus watches the files, so a brain that comes is scraped within an interval, and one that went is not looked for.
One that has died and is started again stays a target: that it does not answer is what alerts are about.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from deploy.local.ports import HOST
from deploy.local.services import BRAIN
from deploy.local.stack import Row
from deploy.observe.config import jobs, targets_file


def write_targets(directory: Path, rows: Iterable[Row]) -> None:
    """`directory`: the one that the configuration was written into. Cheap when nothing has changed."""
    known = list(rows)
    for job in jobs():
        text = json.dumps([_target(row) for row in known if _job(row.name) == job])
        path = targets_file(directory, job)
        if path.read_text() != text:
            part = path.with_suffix(".part")
            part.write_text(text)
            part.replace(path)


def _target(row: Row) -> dict[str, object]:
    return {"targets": [f"{HOST}:{row.port}"], "labels": {"instance": row.name}}


def _job(name: str) -> str:
    return BRAIN if name.startswith(f"{BRAIN}-") else name
