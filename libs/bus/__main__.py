"""`python -m libs.bus`: see cli."""

import sys

from libs.bus.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
