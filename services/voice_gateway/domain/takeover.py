"""What becomes of a call whose gateway is gone. Pure: what was seen comes in, the verdict goes out."""

from __future__ import annotations

import enum

import msgspec


class Attendance(enum.Enum):
    """Who is left in a call's room."""

    GUEST = enum.auto()
    NOBODY = enum.auto()
    """The room is there, and the guest may come back into it."""
    NO_ROOM = enum.auto()


class Verdict(enum.Enum):
    SEND = enum.auto()
    """Another agent."""
    WAIT = enum.auto()
    END = enum.auto()
    """Nobody is there any more: the call is over."""
    GIVE_UP = enum.auto()
    """The call is ended for whoever is in it."""


class Endurance(msgspec.Struct, frozen=True, kw_only=True):
    """How long a call is held on to."""

    takeovers: int
    """Gateways that may die over one call: it may be unlucky some times, and may not kill gateways for ever."""
    dispatches: int
    """Agents that are sent in a row and do not come."""
    absent_ms: int
    """For how long a guest who is not in the room is waited for."""


def judge(
    attendance: Attendance, *, deaths: int, left: bool, dispatches: int, alone_ms: int, endurance: Endurance
) -> Verdict:
    """`deaths` of gateways before this one, whether it `left` on purpose, `dispatches` since, and for how long nobody
    has held the call.
    """
    match attendance:
        case Attendance.NO_ROOM:
            return Verdict.END
        case Attendance.NOBODY:
            return Verdict.WAIT if alone_ms < endurance.absent_ms else Verdict.GIVE_UP
        case Attendance.GUEST:
            deadly = deaths >= endurance.takeovers and not left
            return Verdict.GIVE_UP if deadly or dispatches >= endurance.dispatches else Verdict.SEND
