"""docs/security.md names the test of every threat: each of them exists, and no row is without one."""

from __future__ import annotations

import re
from pathlib import Path

from libs.bus.access import ROLES

TESTS = Path(__file__).parents[2]
PAGE = (TESTS.parent / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`((?:unit|bus|integration|e2e|chaos)/[\w/]+\.py)(?:::(\w+))?`", PAGE)))


def test_every_test_that_is_named_exists() -> None:
    assert len(NAMED) > 30
    for file, name in NAMED:
        assert re.search(
            rf"^(async )?def {name or 'test_'}", (TESTS / file).read_text(encoding="utf-8"), re.MULTILINE
        ), f"{file}::{name}"


def test_every_threat_names_a_test() -> None:
    table = PAGE.partition("## What holds")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| threat")]
    assert len(rows) > 25
    for row in rows:
        assert ".py" in row.rsplit("|", 2)[1], row


def test_every_user_of_redis_is_in_the_picture() -> None:
    picture = PAGE.partition("## Boundaries")[2].partition("\n## ")[0]
    assert {role.name for role in ROLES if f"user {role.name}" in picture} == {
        role.name for role in ROLES if role.name != "operator"
    }
