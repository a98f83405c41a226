"""`python -m services.brain`: one brain, until it is told to stop."""

from __future__ import annotations

import sys

from pydantic import ValidationError

from libs.contracts.errors import BotelError
from libs.process import run
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
        # The values are left out: one of them may be a key.
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        print(f"brain: settings: {wrong}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
