"""The release told in metrics is the project's."""

from __future__ import annotations

import tomllib
from pathlib import Path

from libs.observability.release import RELEASE


def test_the_release_is_the_projects() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())

    assert project["project"]["version"] == RELEASE
