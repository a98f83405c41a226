"""What a guest wants of the call itself: to end it, to be put through, to be given a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.brain.offline import replies
from services.brain.offline.dialogue import Dialogue
from services.brain.offline.transcript import Plan, Say, Use
from services.brain.offline.words import word_set

LEAVING = word_set("goodbye bye farewell")
"""A no or a yes with one of these is a goodbye."""
_OTHER_DESKS = word_set("restaurant bar spa kitchen concierge housekeeping gym pool garage")
_FRONT_DESK = "reception"
HANG_UP = Use((("hang_up", {}),))
PAUSE = Use((("pause_call", {}),))
RESUME = Use((("resume_call", {}),))


def transfer(talk: Dialogue, words: Sequence[str]) -> Plan:
    """Through to the desk that is named, to the first one when none is; never to another than the guest wants."""
    said = {_FRONT_DESK if word in ("frontdesk", "receptionist") else word for word in words}
    for desk in talk.desks:
        if set(desk.split()) <= said:
            return Use((("transfer_call", {"to": desk}),))
    if talk.desks and (_OTHER_DESKS & said or _FRONT_DESK in said):
        return Say(replies.which_desk(talk.desks))
    return Use((("transfer_call", {"to": talk.desks[0] if talk.desks else _FRONT_DESK}),))


_WITHOUT: Mapping[str, Plan] = {
    "hang_up": Say(replies.GOODBYE),
    "pause_call": Say(replies.TAKE_YOUR_TIME),
    "resume_call": Say(replies.WELCOME_BACK),
    "transfer_call": Use((("property_info", {"topic": "frontdesk"}),)),
}


def without_call(plan: Use) -> Plan:
    """What is done in place of a tool that is only there in a call."""
    return _WITHOUT.get(plan.calls[0][0], Say(replies.UNKNOWN))
