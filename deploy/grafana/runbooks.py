"""Runbooks where the alarm is: docs/runbooks as pages of Grafana, and the links that lead there.

A path of the repository cannot be opened from Grafana, and where a repository is served is not known here. So each page
of docs/runbooks is given to Grafana as a dashboard of one text, and links stay inside of it: they work as installed.
Whoever serves the pages elsewhere writes the dashboards with that address: `make dashboards RUNBOOKS=https://...`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PAGES = Path(__file__).resolve().parents[2] / "docs" / "runbooks"
GRAFANA = ""
"""The base of links that stay inside of Grafana."""
_HEADING = re.compile(r"(?m)^#+ +(.+?) *$")
_LINK = re.compile(r"\]\(([a-z-]+)\.md(#[\w-]+)?\)")
_FOREIGN = re.compile(r"\[([^\]]+)\]\(\.\./[^)]*\)")


def uid(page: str) -> str:
    return f"runbook-{page}"


@dataclass(frozen=True)
class Links:
    """Where runbooks are. `base`: the address of a folder that has the pages, or GRAFANA."""

    base: str = GRAFANA

    def to(self, place: str) -> str:
        """The address of `page#heading`."""
        page, _, heading = place.partition("#")
        where = f"{self.base.rstrip('/')}/{page}.md" if self.base else f"/d/{uid(page)}"
        return f"{where}#{heading}" if heading else where


def pages() -> dict[str, str]:
    """The runbooks by name, without the index: Grafana lists the folder by itself."""
    return {path.stem: path.read_text() for path in sorted(PAGES.glob("*.md")) if path.stem != "README"}


def headings(markdown: str) -> set[str]:
    """The anchors of a page, as GitHub and others make them."""
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in _HEADING.findall(markdown)}


def title_of(page: str, markdown: str) -> str:
    found = _HEADING.search(markdown)
    return f"Runbook: {found[1] if found else page}"


def inside_grafana(markdown: str) -> str:
    """The page with links to other runbooks that work there; of links into the repository the words are left."""
    linked = _LINK.sub(lambda match: f"](/d/{uid(match[1])}{match[2] or ''})", markdown)
    return _FOREIGN.sub(r"\1", linked)
