"""How a process of ours runs: on uvloop where there is one, with a garbage collector that leaves start-up alone.

The brain, the store and the text gateway start through `run`; LiveKit's native library wants the standard loop, so the
voice gateway does not. A composition root calls `settle` once, after it has built everything.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

if sys.platform == "win32":
    from asyncio import new_event_loop
else:
    from uvloop import new_event_loop

T = TypeVar("T")

_THRESHOLDS = (50_000, 50, 100)
"""Young collections seldom, full ones very seldom: full collections made the tail of the first token four to ten times
longer at 100 turns at once. What requests leave behind is freed by reference counting."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end; SIGINT cancels, as with asyncio.run."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)


def wrong_settings(error: ValidationError) -> str:
    """Which settings are wrong, for whoever starts a process. The values are left out: one of them may be a key."""
    return "settings: " + "; ".join(_told(_variable(error.title, one["loc"]), one["msg"]) for one in error.errors())


def _variable(settings: str, place: tuple[int | str, ...]) -> str:
    """The name in the environment of what pydantic calls by class and field."""
    known = next((one for one in _all_settings(BaseSettings) if one.__name__ == settings), None)
    field = known.model_fields.get(str(place[0])) if known and place else None
    if known is None or field is None:  # of the settings as a whole, or by its name in the environment already
        return ".".join(map(str, place))
    alias = field.validation_alias
    return alias if isinstance(alias, str) else f"{known.model_config.get('env_prefix', '')}{place[0]}".upper()


def _all_settings(base: type[BaseSettings]) -> Iterator[type[BaseSettings]]:
    for one in base.__subclasses__():
        yield one
        yield from _all_settings(one)


def _told(where: str, message: str) -> str:
    """pydantic's message without its marks; many of ours begin with the setting's name already."""
    message = message.removeprefix("Value error, ")
    return message if not where or message.lower().startswith(where.lower()) else f"{where}: {message}"


def settle() -> None:
    """Call when all that lives as long as the process is there: it is collected now and never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
