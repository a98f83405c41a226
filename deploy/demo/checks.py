"""What must have happened for the demo to count. Each check says what it saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from deploy.demo.report import Row
from deploy.demo.script import SCRIPT, Say, Write
from services.voice_gateway.domain.wording import words_of

WORDS_OFF = 2


class Check(NamedTuple):
    name: str
    ok: bool
    detail: str


def check_turns(rows: Sequence[Row], texted_during: str) -> list[Check]:
    """The script was played: what was asked was answered, on its channel, as often as it should have been."""
    spoken = [row for row in rows if row["channel"] == "voice"]
    interrupted = [row for row in spoken if row["interrupted"]]
    during = next((row for row in rows if row["turnId"] == texted_during), None)
    return [
        Check("four or more spoken turns", len(spoken) >= 4, f"{len(spoken)}"),
        Check("every turn answered", all(row["generated"] for row in rows), f"{len(rows)} turns"),
        Check("one answer interrupted", len(interrupted) == 1, ", ".join(row["said"] for row in interrupted)),
        Check("two text messages answered in text", _texts(rows) == 2, f"{_texts(rows)}"),
        Check(
            "the answer during which the guest wrote was not cut",
            bool(during and during["heard"] and not during["interrupted"]),
            during["heard"] if during else "no such turn",
        ),
        *_expectations(rows),
    ]


def check_cut(row: Row, audible: int) -> Check:
    """What was reported as heard agrees with the recording at the cut."""
    reported = len(words_of(row["heard"] or ""))
    detail = f"reported {reported} words, in the recording {audible}"
    return Check("heard text matches the recording at the cut", abs(reported - audible) <= WORDS_OFF, detail)


def check_booking(events: Sequence[Mapping[str, Any]]) -> Check:
    """The offer was accepted once, and journalled before and after."""
    requested = [e for e in events if e["type"] == "tool.requested" and e["name"] == "accept_offer"]
    completed = [e for e in events if e["type"] == "tool.completed" and e["name"] == "accept_offer"]
    detail = f"{len(requested)} requested, {len(completed)} completed"
    return Check("booked once", len(requested) == len(completed) == 1 and completed[0].get("ok", True), detail)


def check_history(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> Check:
    """Redis was emptied between the two readings."""
    channels = {message["channel"] for message in after}
    same = list(before) == list(after) and channels >= {"voice", "text"}
    return Check("history survives an emptied Redis", same, f"{len(after)} messages, channels {sorted(channels)}")


def _texts(rows: Sequence[Row]) -> int:
    return sum(row["channel"] == "text" and row["status"] == "finished" for row in rows)


def _expectations(rows: Sequence[Row]) -> list[Check]:
    by_line = {row["said"]: row for row in rows}
    checks = []
    steps = [one for step in SCRIPT for one in (step, step.meanwhile if isinstance(step, Say) else None) if one]
    for step in steps:
        line = step.line if isinstance(step, Say) else step.text
        answer = str(by_line.get(line, {}).get("generated", ""))
        if step.expect:
            found = all(word in answer.lower() for word in step.expect)
            kind = "written" if isinstance(step, Write) else "spoken"
            checks.append(Check(f"the {kind} answer to '{line}' names {', '.join(step.expect)}", found, answer))
    return checks


def all_ok(checks: Sequence[Check], show: Callable[[str], None]) -> bool:
    """Print every check; whether all hold."""
    for check in checks:
        show(f"  {'ok  ' if check.ok else 'FAIL'} {check.name}: {check.detail}")
    return all(check.ok for check in checks)
