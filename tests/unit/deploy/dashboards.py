"""What the tests of dashboards and alerts read: the files as Grafana and Prometheus are given them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from libs.observability import names

FOLDER = Path("deploy/grafana/dashboards")
BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
RULES_FILE = Path("deploy/prometheus/rules.yml")
RUNBOOKS = Path("docs/runbooks")
PAGE = {value for key, value in vars(names).items() if key.isupper()}
PROCESS_METRICS = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}
"""Of Prometheus itself, and of its client's collectors."""
_WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*(?=\s*(?:\{|\[|\)|$| [-+*/<>=!]| and| or))")


class Shown(NamedTuple):
    """A query of a panel."""

    board: str
    panel: dict[str, Any]
    ref: str
    expression: str

    def __str__(self) -> str:
        return f"{self.board} | {self.panel['title']} | {self.ref}"


def panels(board: dict[str, Any]) -> Sequence[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Shown]:
    """Every query of every dashboard."""
    for name, board in BOARDS.items():
        for panel in panels(board):
            for target in panel["targets"]:
                yield Shown(name, panel, target["refId"], target["expr"])


def rules() -> list[dict[str, Any]]:
    """The alerting rules."""
    return [rule for group in yaml.safe_load(RULES_FILE.read_text())["groups"] for rule in group["rules"]]


def metrics_of(expression: str) -> set[str]:
    """Names of metrics in an expression: what stands before braces, brackets or the end, and is no label."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right) *\([^)]*\)", " ", bare)
    return {word for word in _WORD.findall(re.sub(r"\{[^}]*\}", "{", bare)) if word not in ("and", "or", "unless")}


def unknown(expression: str) -> set[str]:
    """Metrics of an expression that no code registers; a histogram has three series."""
    used = {re.sub(r"_(bucket|sum|count)$", "", name) for name in metrics_of(expression)}
    return used - PAGE - PROCESS_METRICS
