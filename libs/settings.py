"""What is said of settings that are wrong, to whoever starts a process."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError
from pydantic_settings import BaseSettings


def wrong_settings(error: ValidationError) -> str:
    """Which settings are wrong, as they are set. The values are left out: one of them may be a key."""
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
