"""From a conversation's events to the messages that a model is shown: repaired, marked, and cut in big steps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage

from libs.contracts.events import AnyEvent, Channel, ToolCompleted
from libs.contracts.projection import Message, Role, project
from services.brain.domain import marks
from services.brain.offline.dialogue import CONTINUE
from services.brain.turn_context import CALL

MAX_HISTORY_CHARS = 48_000
_NOT_THE_GUEST = frozenset({"property_id", CALL})
CUT_TURNS = 20
"""Old turns go this many at once: a history that loses one line per turn is not found in a prompt cache."""


def messages_of(events: Sequence[AnyEvent], turn_id: str, *, mark_all: bool = True) -> list[AnyMessage]:
    """The conversation up to and with the guest's line of `turn_id`, and the tool calls of its earlier runs.

    `mark_all`: every line of a guest says its channel. Otherwise only those of another channel than the turn's do,
    for an agent that knows nothing of marks.
    """
    lines = _recent(project(events, upto_turn=turn_id))
    own = next((line.channel for line in reversed(lines) if line.turn_id == turn_id and line.role is Role.GUEST), None)
    out: list[AnyMessage] = []
    notes: list[str] = []
    for line in lines:
        match line.role:
            case Role.GUEST:
                plain = not mark_all and line.channel is own and not notes
                by_text = line.channel is not Channel.VOICE
                out.append(HumanMessage(line.text if plain else marks.mark(line.text, by_text=by_text, notes=notes)))
                notes = []
            case Role.TOOL:
                out.extend(_call(line))
            case Role.CONCIERGE:
                if line.text.strip():
                    out.append(AIMessage(line.text))
                if line.interrupted:
                    notes.append(marks.CUT_OFF if line.text.strip() else marks.UNHEARD)
            case Role.NOTE:
                notes.append(line.text)
            case Role.SUMMARY:
                out.append(SystemMessage(f"Summary of the conversation before: {line.text}"))
    return out


def situation(
    now: datetime,
    context: Mapping[str, str],
    *,
    voice: bool,
    untold: Sequence[ToolCompleted] = (),
    desks: Sequence[str] = (),
) -> SystemMessage:
    """What changes from turn to turn, for the end of the prompt: a provider caches only what stands before it.

    `untold`: calls that the guest has not heard of. `desks`: whom a caller can be put through to.
    """
    lines = [f"Hotel time: {now:%Y-%m-%d %H:%M} ({now:%A})."]
    known = {name: value for name, value in context.items() if name not in _NOT_THE_GUEST and value}
    if known:
        lines.append("Known about the guest: " + "; ".join(f"{name} = {value}" for name, value in known.items()) + ".")
    lines.append("Answer for the ear." if voice else "Answer in writing.")
    if context.get(CALL):
        lines.append(marks.in_call(desks if voice else (), voice=voice))
    lines += [marks.tell(call.name, call.arguments) for call in untold]
    return SystemMessage("\n".join(lines))


def going_on(draft: str) -> list[AnyMessage]:
    """For a run that succeeds another: what the guest already has, and the wish to go on from there."""
    ending = " ".join(draft.split()[-8:])
    wish = (
        f"{CONTINUE}: «{ending}». The guest has heard everything up to there. Go on exactly behind the last word, "
        "without repeating anything and without a remark about it. If nothing is missing, answer with nothing."
    )
    return [AIMessage(draft), SystemMessage(wish)]


def _recent(lines: list[Message]) -> list[Message]:
    """What fits: the summary, and whole turns from a stable cut on."""
    front = [line for line in lines if line.role is Role.SUMMARY]
    turns: dict[str, list[Message]] = {}
    for line in lines:
        if line.role is not Role.SUMMARY:
            turns.setdefault(line.turn_id or str(line.number), []).append(line)
    kept = list(turns.values())
    while sum(len(line.text) for turn in kept for line in turn) > MAX_HISTORY_CHARS and len(kept) > CUT_TURNS:
        kept = kept[CUT_TURNS:]
    return front + [line for turn in kept for line in turn]


def _call(line: Message) -> list[AnyMessage]:
    call = {"name": line.name, "args": _arguments(line.arguments), "id": line.call_id, "type": "tool_call"}
    return [
        AIMessage("", tool_calls=[call]),
        ToolMessage(line.text, tool_call_id=line.call_id, name=line.name, status="success" if line.ok else "error"),
    ]


def _arguments(text: str) -> dict[str, Any]:
    try:
        arguments = json.loads(text or "{}")
    except ValueError:
        return {}
    return arguments if isinstance(arguments, dict) else {}
