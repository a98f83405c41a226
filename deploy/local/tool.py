"""How an operator's tool runs: whatever is wrong with Redis or the settings is said in a line, without a traceback."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from pydantic import ValidationError

from libs.contracts.errors import BusUnavailable
from libs.settings import wrong_settings


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """Exit code: 0 done, 1 what is wrong is on standard error, 130 interrupted."""
    try:
        asyncio.run(work())
    except ValidationError as error:
        print(wrong_settings(error), file=sys.stderr)
        return 1
    except (BusUnavailable, ValueError) as error:  # ValueError: of .env, or a port in it
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
