"""docs/reliability.md names the test of every row: each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[2]
PAGE = (TESTS.parent / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`((?:unit|bus|integration|e2e|chaos)/[\w/]+\.py)(?:::(\w+))?`", PAGE)))


def test_every_test_that_is_named_exists() -> None:
    assert len(NAMED) > 40
    for file, name in NAMED:
        assert f"def {name}" in (TESTS / file).read_text(encoding="utf-8"), f"{file}::{name}"


def test_every_row_names_a_test() -> None:
    rows = [line for line in PAGE.partition("## What happens when")[2].splitlines() if line.startswith("| ")]
    faults = [row for row in rows if not row.startswith(("| fault", "| moment"))]
    assert len(faults) > 40
    for row in faults:
        assert ".py" in row.rsplit("|", 2)[1], row
