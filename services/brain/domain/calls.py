"""Canonical tool arguments and the idempotency key of a side effect.

The key depends on nothing that differs between two runs of a turn (call ids, epochs, clocks), so a successor asks for
the same effect under the same key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def canonical(arguments: Mapping[str, Any]) -> str:
    """JSON with sorted keys and no blanks; arguments that are None are left out."""
    given = {name: value for name, value in arguments.items() if value is not None}
    return json.dumps(given, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def idempotency_key(conversation_id: str, turn_id: str, tool: str, arguments: str) -> str:
    """32 hex digits for one effect of one turn; `arguments` are canonical."""
    return _digest(conversation_id, turn_id, tool, arguments)


def event_id(conversation_id: str, turn_id: str, epoch: int, call_id: str, step: str) -> str:
    """Id of a journal event: the same when a lost reply makes a run repeat it, another for another run."""
    return _digest(conversation_id, turn_id, str(epoch), call_id, step)


def command_id(conversation_id: str, turn_id: str, tool: str, about: str) -> str:
    """Id of a command that a turn requests: one for each thing it asks for, whichever run asks, in whichever words."""
    return f"cmd-{_digest(conversation_id, turn_id, tool, about)}"


def offer_id(key: str) -> str:
    """The offer that is made under an idempotency key. Short, because models copy it."""
    return f"LC-{_digest(key)[:10]}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
