"""`python -m deploy.grafana write|check`: the dashboards as files, and whether the files are those of the code."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from deploy.grafana import bus_and_brains, voice_experience
from deploy.grafana.panels import board_json, page_json
from deploy.grafana.runbooks import GRAFANA, Links, inside_grafana, pages, title_of, uid

FOLDER = Path(__file__).resolve().parent / "dashboards"
BOARDS = (bus_and_brains.BOARD, voice_experience.BOARD)
_PAGES = "runbooks"
"""A folder of its own in Grafana, too."""


def files(links: Links) -> dict[Path, str]:
    """Every file of the folder, by its path in it."""
    boards = {Path(f"{board.uid}.json"): board_json(board, links) for board in BOARDS}
    written = {
        Path(_PAGES) / f"{page}.json": page_json(uid(page), title_of(page, markdown), inside_grafana(markdown))
        for page, markdown in pages().items()
    }
    return {**boards, **written}


def drift(folder: Path, wanted: dict[Path, str]) -> list[str]:
    """What is not as it would be written: one line per file."""
    there = {path.relative_to(folder) for path in folder.rglob("*.json")}
    lines = [f"{path}: nothing makes it" for path in sorted(there - wanted.keys())]
    for path, text in sorted(wanted.items()):
        if path not in there:
            lines.append(f"{path}: is not there")
        elif (folder / path).read_text() != text:
            lines.append(f"{path}: differs")
    return lines


def write(folder: Path, wanted: dict[Path, str]) -> None:
    for path in {path.relative_to(folder) for path in folder.rglob("*.json")} - wanted.keys():
        (folder / path).unlink()
    for path, text in wanted.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.grafana", description=__doc__)
    parser.add_argument("command", choices=["write", "check"])
    parser.add_argument("--runbooks", default=GRAFANA, help="address of the folder that serves docs/runbooks")
    arguments = parser.parse_args()
    wanted = files(Links(arguments.runbooks))
    if arguments.command == "write":
        write(FOLDER, wanted)
        print(f"{len(wanted)} dashboards written")
        return 0
    lines = drift(FOLDER, wanted)
    for line in lines:
        print(f"deploy/grafana/dashboards/{line}: run make dashboards", file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
