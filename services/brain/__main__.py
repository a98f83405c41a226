"""`python -m services.brain`: one brain, until it is told to stop."""

from __future__ import annotations

import sys

from pydantic import ValidationError

from libs.contracts.errors import BotelError
from libs.process import run
from libs.settings import wrong_settings
from services.brain import app


def main() -> int:
    try:
        run(app.run())
    except BotelError as error:
        print(f"brain: {error.code}: {error.detail}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"brain: {error}", file=sys.stderr)
        return 1
    except ValidationError as error:
        print(f"brain: {wrong_settings(error)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
