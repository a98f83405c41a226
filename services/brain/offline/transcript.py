"""A conversation as the rules see it, however a model was given it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class Kind(enum.StrEnum):
    SYSTEM = "system"
    GUEST = "guest"
    CONCIERGE = "concierge"
    CALL = "call"
    RESULT = "result"


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `call_id` is set for calls and results, `name` and `arguments` for calls."""

    kind: Kind
    text: str = ""
    call_id: str = ""
    name: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Say:
    """The plan is an answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Use:
    """The plan is to call tools: (name, arguments), all at once."""

    calls: tuple[tuple[str, Mapping[str, Any]], ...]


Plan = Say | Use
