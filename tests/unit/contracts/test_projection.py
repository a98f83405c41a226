"""The projection rule by rule: what a model is shown and what history answers."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from libs.contracts.events import (
    AnyEvent,
    Author,
    CallStarted,
    Channel,
    ContextUpdated,
    ConversationOpened,
    MessageReceived,
    ReplyGenerated,
    ReplyHeard,
    ReplyStatus,
    SummaryWritten,
    ToolCompleted,
    ToolRequested,
)
from libs.contracts.projection import OUTCOME_UNKNOWN, Message, project

VOICE, TEXT = Channel.VOICE, Channel.TEXT


def numbered(*events: AnyEvent) -> list[AnyEvent]:
    """The events numbered from 1, as a log gives them."""
    numbered: list[AnyEvent] = [
        msgspec.structs.replace(event, number=number, id=f"e{number}", time_ms=number * 1000)
        for number, event in enumerate(events, start=1)
    ]
    return numbered


def base_of(turn: str, channel: Channel, author: Author) -> dict[str, object]:
    return {
        "id": "",
        "time_ms": 0,
        "property_id": "harbour",
        "conversation_id": "c",
        "turn_id": turn,
        "channel": channel,
        "author": author,
    }


def asks(turn: str, text: str, channel: Channel = TEXT, *, imported: bool = False) -> MessageReceived:
    return MessageReceived(**base_of(turn, channel, Author.GUEST), text=text, imported=imported)  # type: ignore[arg-type]


def says(
    turn: str,
    text: str,
    channel: Channel = TEXT,
    status: ReplyStatus = ReplyStatus.FINISHED,
    *,
    imported: bool = False,
) -> ReplyGenerated:
    base = base_of(turn, channel, Author.CONCIERGE)
    return ReplyGenerated(**base, text=text, status=status, imported=imported)  # type: ignore[arg-type]


def heard(turn: str, text: str, *, complete: bool = True) -> ReplyHeard:
    return ReplyHeard(**base_of(turn, VOICE, Author.GUEST), text=text, complete=complete)  # type: ignore[arg-type]


def requested(turn: str, call: str) -> ToolRequested:
    base = base_of(turn, TEXT, Author.CONCIERGE)
    return ToolRequested(**base, call_id=call, name="book", arguments="{}", idempotency_key=call)  # type: ignore[arg-type]


def completed(turn: str, call: str, result: str, *, ok: bool = True) -> ToolCompleted:
    base = base_of(turn, TEXT, Author.CONCIERGE)
    return ToolCompleted(**base, call_id=call, name="book", arguments="{}", result=result, ok=ok)  # type: ignore[arg-type]


def summary(text: str, up_to: int) -> SummaryWritten:
    return SummaryWritten(**base_of("", Channel.SYSTEM, Author.SYSTEM), text=text, up_to=up_to)  # type: ignore[arg-type]


OPENED = ConversationOpened(**base_of("", TEXT, Author.SYSTEM))  # type: ignore[arg-type]
CALL = CallStarted(**base_of("", VOICE, Author.SYSTEM), gateway_id="g", call_id="r")  # type: ignore[arg-type]
CONTEXT = ContextUpdated(**base_of("", Channel.SYSTEM, Author.STAFF), fields={"room": "1"})  # type: ignore[arg-type]


def lines(messages: Sequence[Message]) -> list[str]:
    return [f"{message.role.value}: {message.text}" for message in messages]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([OPENED, CALL, CONTEXT], [], id="facts that nobody said"),
        pytest.param([asks("1", "Hi"), says("1", "Hello")], ["guest: Hi", "concierge: Hello"], id="a turn"),
        pytest.param([asks("1", "Hi")], ["guest: Hi"], id="not answered yet"),
        pytest.param(
            [asks("1", "A"), asks("2", "B"), says("1", "a"), says("2", "b")],
            ["guest: A", "concierge: a", "guest: B", "concierge: b"],
            id="overlapping turns stand whole, in the order accepted",
        ),
        pytest.param(
            [asks("1", "A", VOICE), says("1", "a", VOICE), asks("2", "B"), heard("1", "a"), says("2", "b")],
            ["guest: A", "concierge: a", "guest: B", "concierge: b"],
            id="speech and text in one order, though the hearing ends late",
        ),
        pytest.param(
            [asks("1", "A", VOICE), says("1", "all of it", VOICE)],
            ["guest: A", "concierge: all of it"],
            id="generated counts while nothing is known of the hearing",
        ),
        pytest.param(
            [asks("1", "A", VOICE), says("1", "all of it", VOICE), heard("1", "all", complete=False)],
            ["guest: A", "concierge: all"],
            id="heard counts once it is known",
        ),
        pytest.param(
            [asks("1", "A", VOICE), heard("1", "all", complete=False), says("1", "all of it", VOICE)],
            ["guest: A", "concierge: all"],
            id="heard counts, whichever comes first",
        ),
        pytest.param(
            [asks("1", "A", VOICE), says("1", "all of it", VOICE, ReplyStatus.CANCELLED)],
            ["guest: A", "concierge: "],
            id="a cancelled spoken reply of which nothing was heard",
        ),
        pytest.param(
            [asks("1", "A"), says("1", "half of", TEXT, ReplyStatus.CANCELLED)],
            ["guest: A", "concierge: half of"],
            id="a cancelled text reply was read as far as it went",
        ),
        pytest.param(
            [asks("1", "A"), requested("1", "x"), completed("1", "x", "done"), says("1", "a")],
            ["guest: A", "tool: done", "concierge: a"],
            id="a tool call stands once, with its result",
        ),
        pytest.param(
            [asks("1", "A"), completed("1", "x", "read"), says("1", "a")],
            ["guest: A", "tool: read", "concierge: a"],
            id="a call without side effect is journalled only when completed",
        ),
        pytest.param(
            [asks("1", "A"), requested("1", "x"), says("1", "a")],
            ["guest: A", f"tool: {OUTCOME_UNKNOWN}", "concierge: a"],
            id="an unanswered call says that its outcome is unknown",
        ),
        pytest.param(
            [asks("1", "A"), requested("1", "x"), completed("1", "y", "Y"), says("1", "a"), completed("1", "x", "X")],
            ["guest: A", "tool: Y", "tool: X", "concierge: a"],
            id="a call that completes after the reply is still before it",
        ),
        pytest.param(
            [asks("", "Hi", imported=True), says("", "Hello", imported=True), asks("1", "A")],
            ["guest: Hi", "concierge: Hello", "guest: A"],
            id="imported history, line by line",
        ),
        pytest.param(
            [asks("1", "A"), says("1", "a"), asks("2", "B"), says("2", "b"), summary("S", 2)],
            ["summary: S", "guest: B", "concierge: b"],
            id="a summary in front, instead of what it covers",
        ),
        pytest.param(
            [asks("1", "A"), asks("2", "B"), says("1", "a"), says("2", "b"), summary("S", 3)],
            ["summary: S", "guest: B", "concierge: b"],
            id="a turn that the summary covers only in part stays whole",
        ),
        pytest.param(
            [asks("1", "A"), summary("S1", 1), says("1", "a"), asks("2", "B"), summary("S2", 3)],
            ["summary: S2", "guest: B"],
            id="the last summary counts",
        ),
    ],
)
def test_rule(events: list[AnyEvent], expected: list[str]) -> None:
    assert lines(project(numbered(*events))) == expected


@pytest.mark.parametrize(
    ("upto", "expected"),
    [
        ("1", ["guest: A"]),
        ("2", ["guest: A", "concierge: a", "guest: B", "tool: t"]),
        ("3", ["guest: A", "concierge: a", "guest: B", "tool: t", "concierge: b", "guest: C"]),
        ("gone", ["guest: A", "concierge: a", "guest: B", "tool: t", "concierge: b", "guest: C"]),
    ],
)
def test_the_brain_sees_up_to_its_turn_and_not_its_own_reply(upto: str, expected: list[str]) -> None:
    events = numbered(
        asks("1", "A"),
        asks("2", "B"),
        asks("3", "C"),
        says("1", "a"),
        completed("2", "x", "t"),
        says("2", "b"),
    )

    assert lines(project(events, upto_turn=upto)) == expected


def test_an_interrupted_reply_tells_what_was_generated_beside_what_was_heard() -> None:
    events = numbered(asks("1", "A", VOICE), says("1", "all of it", VOICE), heard("1", "all", complete=False))

    reply = project(events)[-1]

    assert (reply.text, reply.generated, reply.interrupted) == ("all", "all of it", True)
    assert (reply.number, reply.channel, reply.turn_id) == (3, VOICE, "1")


def test_a_reply_heard_to_its_end_is_told_once() -> None:
    reply = project(numbered(asks("1", "A", VOICE), says("1", "all", VOICE), heard("1", "all")))[-1]

    assert (reply.text, reply.generated, reply.interrupted) == ("all", "", False)


@pytest.mark.parametrize("channel", [VOICE, TEXT])
def test_a_cancelled_reply_is_marked_as_interrupted(channel: Channel) -> None:
    reply = project(numbered(asks("1", "A", channel), says("1", "half", channel, ReplyStatus.CANCELLED)))[-1]

    assert reply.interrupted


def test_a_tool_line_bears_the_call() -> None:
    tool = project(numbered(requested("1", "x"), completed("1", "x", "no room", ok=False)))[0]

    assert (tool.call_id, tool.name, tool.arguments, tool.ok) == ("x", "book", "{}", False)


def test_a_call_of_unknown_outcome_is_not_ok() -> None:
    assert not project(numbered(requested("1", "x")))[0].ok


def test_calls_stand_in_the_order_they_ended() -> None:
    events = numbered(requested("1", "x"), requested("1", "y"), completed("1", "y", "Y"), completed("1", "x", "X"))

    assert [line.call_id for line in project(events)] == ["y", "x"]


def test_two_imported_lines_without_a_turn_are_two_turns() -> None:
    messages = project(numbered(asks("", "one", imported=True), asks("", "two", imported=True)))

    assert [message.number for message in messages] == [1, 2]
