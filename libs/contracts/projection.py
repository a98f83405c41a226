"""From events to the conversation that a model is shown and that history answers. One pure function.

The rules:
- turns stand in the order they were accepted, each whole (message, tools, reply), although in the log they overlap;
- a spoken reply is what was heard of it; what was generated counts only while nothing is known of the hearing;
- a tool call is always paired with a result: one that was asked for and not answered says that the outcome is unknown;
- a command that could not be carried out is told behind the reply of its turn; one that was is no news: the call showed
  it, and one that is not answered yet may still be;
- a summary stands in front, in place of the turns that it covers whole.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

import msgspec

from libs.contracts.commands import AnyCommand, HangUp, Pause, Resume, Say, Show, Transfer
from libs.contracts.events import (
    AnyEvent,
    Channel,
    CommandCompleted,
    CommandRequested,
    MessageReceived,
    ReplyGenerated,
    ReplyHeard,
    ReplyStatus,
    SummaryWritten,
    ToolCompleted,
    ToolRequested,
)

OUTCOME_UNKNOWN = (
    "No result was recorded: the outcome is unknown. Do not assume that it happened; check before you say so."
)


class Role(enum.StrEnum):
    GUEST = "guest"
    CONCIERGE = "concierge"
    TOOL = "tool"
    SUMMARY = "summary"
    NOTE = "note"
    """Nobody said it: what became of something that was promised."""


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the conversation. Role.TOOL sets `call_id`, `name` and `arguments`; its text is the result."""

    role: Role
    text: str
    number: int
    """Log number of the event that gave the text."""
    time_ms: int
    channel: Channel
    turn_id: str = ""
    interrupted: bool = False
    generated: str = ""
    """What was generated, where it differs from what was heard."""
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    ok: bool = True


class _Turn:
    """The events of one turn, gathered."""

    __slots__ = ("answers", "commands", "completed", "generated", "heard", "last", "message", "requested")

    def __init__(self) -> None:
        self.message: MessageReceived | None = None
        self.requested: dict[str, ToolRequested] = {}
        self.completed: dict[str, ToolCompleted] = {}
        self.generated: ReplyGenerated | None = None
        self.heard: ReplyHeard | None = None
        self.commands: dict[str, CommandRequested] = {}
        self.answers: dict[str, CommandCompleted] = {}
        self.last = 0


def project(events: Iterable[AnyEvent], *, upto_turn: str = "") -> list[Message]:
    """The conversation as messages.

    With `upto_turn`, the view of the brain that answers this turn: turns accepted after it are left out, and its own
    reply is too.
    """
    turns: dict[str, _Turn] = {}
    summary: SummaryWritten | None = None
    for event in events:
        if isinstance(event, SummaryWritten):
            summary = event
        elif isinstance(event, CommandCompleted):
            _answer(turns, event)
        else:
            _gather(turns, event)
    out: list[Message] = []
    covered = summary.up_to if summary else 0
    if summary:
        out.append(_summary(summary))
    for key, turn in turns.items():
        if turn.last > covered:
            out.extend(_messages(turn, own=key == upto_turn))
        if key == upto_turn:
            break
    return out


_OF_A_TURN = (MessageReceived, ToolRequested, ToolCompleted, ReplyGenerated, ReplyHeard, CommandRequested)


def _answer(turns: dict[str, _Turn], done: CommandCompleted) -> None:
    """Put a command's answer to its request, whichever turn that belongs to; the first answer counts."""
    for turn in turns.values():
        if done.command_id in turn.commands:
            turn.answers.setdefault(done.command_id, done)
            turn.last = max(turn.last, done.number)


def _gather(turns: dict[str, _Turn], event: AnyEvent) -> None:
    if not isinstance(event, _OF_A_TURN):
        return
    turn = turns.setdefault(event.turn_id or event.id, _Turn())
    turn.last = max(turn.last, event.number)
    match event:
        case MessageReceived():
            turn.message = event
        case ToolRequested():
            turn.requested[event.call_id] = event
        case ToolCompleted():
            turn.completed[event.call_id] = event
        case ReplyGenerated():
            turn.generated = event
        case ReplyHeard():
            turn.heard = event
        case CommandRequested():
            turn.commands.setdefault(event.command_id, event)


def _messages(turn: _Turn, *, own: bool) -> list[Message]:
    out: list[Message] = []
    if turn.message:
        out.append(_line(Role.GUEST, turn.message, turn.message.text))
    out.extend(_tool(call) for call in _calls(turn))
    reply = None if own else _reply(turn)
    if reply:
        out.append(reply)
    failed = (done for done in turn.answers.values() if not done.ok)
    out.extend(_note(turn.commands[done.command_id], done) for done in failed)
    return out


def _note(request: CommandRequested, done: CommandCompleted) -> Message:
    why = f" ({done.detail})" if done.detail else ""
    return Message(
        role=Role.NOTE,
        text=f"{_wish(request.command)} was not possible{why}",
        number=done.number,
        time_ms=done.time_ms,
        channel=done.channel,
        turn_id=request.turn_id,
        ok=False,
    )


def _wish(command: AnyCommand) -> str:
    match command:
        case Transfer():
            return f"putting the guest through to {command.to}"
        case HangUp():
            return "ending the call"
        case Pause():
            return "pausing the call"
        case Resume():
            return "resuming the call"
        case Say():
            return "saying something in the call"
        case Show():
            return "showing a card"


def _calls(turn: _Turn) -> list[ToolRequested | ToolCompleted]:
    open_calls = [call for call_id, call in turn.requested.items() if call_id not in turn.completed]
    calls: list[ToolRequested | ToolCompleted] = [*turn.completed.values(), *open_calls]
    return sorted(calls, key=lambda call: call.number)


def _tool(call: ToolRequested | ToolCompleted) -> Message:
    return Message(
        role=Role.TOOL,
        text=call.result if isinstance(call, ToolCompleted) else OUTCOME_UNKNOWN,
        number=call.number,
        time_ms=call.time_ms,
        channel=call.channel,
        turn_id=call.turn_id,
        call_id=call.call_id,
        name=call.name,
        arguments=call.arguments,
        ok=isinstance(call, ToolCompleted) and call.ok,
    )


def _reply(turn: _Turn) -> Message | None:
    generated, heard = turn.generated, turn.heard
    if heard:
        text = generated.text if generated else ""
        return _line(
            Role.CONCIERGE,
            heard,
            heard.text,
            interrupted=not heard.complete,
            generated=text if text != heard.text else "",
        )
    if generated is None:
        return None
    if generated.channel is Channel.VOICE and generated.status is ReplyStatus.CANCELLED:
        return _line(Role.CONCIERGE, generated, "", interrupted=True, generated=generated.text)
    return _line(Role.CONCIERGE, generated, generated.text, interrupted=generated.status is ReplyStatus.CANCELLED)


def _line(
    role: Role,
    event: MessageReceived | ReplyGenerated | ReplyHeard,
    text: str,
    *,
    interrupted: bool = False,
    generated: str = "",
) -> Message:
    return Message(
        role=role,
        text=text,
        number=event.number,
        time_ms=event.time_ms,
        channel=event.channel,
        turn_id=event.turn_id,
        interrupted=interrupted,
        generated=generated,
    )


def _summary(event: SummaryWritten) -> Message:
    return Message(
        role=Role.SUMMARY, text=event.text, number=event.number, time_ms=event.time_ms, channel=event.channel
    )
