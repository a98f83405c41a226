"""`python -m deploy.settings write|check`: docs/settings.md, a row per setting, from the classes that read them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from deploy.settings.page import page

DOCS = Path(__file__).resolve().parents[2] / "docs" / "settings.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.settings", description=__doc__)
    parser.add_argument("command", choices=["write", "check"])
    if parser.parse_args().command == "write":
        DOCS.write_text(page())
        return 0
    if DOCS.exists() and DOCS.read_text() == page():
        return 0
    print(f"{DOCS.name} is not what the settings say: make settings", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
