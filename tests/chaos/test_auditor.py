"""The auditor notices: every promise is broken by hand in good evidence, and the check of that promise says so."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos.auditor import audit
from tests.chaos.evidence import Evidence
from tests.chaos.guests import SAYS_YES, TOUR
from tests.chaos.hotel import Booked

TEXT = "The pool is on the roof. It's booked."


def event(number: int, kind: str, turn: str = "", **fields: Any) -> dict[str, Any]:
    return {"type": kind, "number": number, "id": f"e{number}", "turn_id": turn, **fields}


def conversation(turn: str) -> list[dict[str, Any]]:
    return [
        event(1, "conversation.opened"),
        event(2, "message.received", turn, text=SAYS_YES),
        event(3, "reply.generated", turn, text=TEXT, status="finished"),
        event(4, "message.received", f"{turn}b", text=TOUR),
        event(5, "reply.generated", f"{turn}b", text="A tour", status="cancelled"),
    ]


def reading(guest: str, turn: str) -> list[dict[str, Any]]:
    """What one guest asked and received, a second device included."""
    said: list[dict[str, Any]] = [
        {"kind": "asked", "key": f"{guest}.1", "text": SAYS_YES},
        {"kind": "turn", "key": f"{guest}.1", "turn": turn, "conversation": f"c-{guest}"},
        {"kind": "chunk", "key": f"{guest}.1", "turn": turn, "offset": 0, "text": TEXT[:12]},
        {"kind": "chunk", "key": f"{guest}.1", "turn": turn, "offset": 8, "text": TEXT[8:]},
        {"kind": "end", "key": f"{guest}.1", "turn": turn, "text": TEXT, "status": "finished"},
        {"kind": "asked", "key": f"{guest}.2", "text": TOUR},
        {"kind": "turn", "key": f"{guest}.2", "turn": f"{turn}b", "conversation": f"c-{guest}"},
        {"kind": "withdrawn", "turn": f"{turn}b", "outcome": "running"},
        {"kind": "refused", "key": f"{guest}.2", "status": 409, "code": "reply-cancelled"},
    ]
    said += [{"kind": "event", "conversation": f"c-{guest}", "event": one} for one in conversation(turn)]
    return [{"at": float(at), "guest": guest, **record} for at, record in enumerate(said)]


@pytest.fixture
def good() -> Evidence:
    calm = conversation("t0")
    calm += [
        event(6, "message.received", "t0c", text=TOUR),
        event(7, "reply.generated", "t0c", text="A tour of it", status="finished"),
    ]
    hot = {"c-calm-0": calm, "c-guest-1": conversation("t1")}
    golden: list[dict[str, Any]] = [
        {"kind": "asked", "key": "calm-0.3", "text": TOUR},
        {"kind": "turn", "key": "calm-0.3", "turn": "t0c", "conversation": "c-calm-0"},
        {"kind": "end", "key": "calm-0.3", "turn": "t0c", "text": "A tour of it", "status": "finished"},
        *({"kind": "event", "conversation": "c-calm-0", "event": one} for one in calm[5:]),
    ]
    received = [*reading("calm-0", "t0"), *({"at": 9.0, "guest": "calm-0", **record} for record in golden)]
    return Evidence(
        received=[*received, *reading("guest-1", "t1")],
        hot=hot,
        stored=copy.deepcopy(hot),
        bookings=[Booked("calm-0", "o0", 1), Booked("guest-1", "o1", 1)],
        leftovers=[],
    )


def test_good_evidence_passes(good: Evidence) -> None:
    found = audit(good)
    assert not any(found.values()), found


def _log(good: Evidence, **changes: Any) -> None:
    """Change the reply of guest-1's first turn, in Redis and in the store."""
    for logs in (good.hot, good.stored):
        logs["c-guest-1"][2].update(changes)


def _second_reply(good: Evidence) -> None:
    good.hot["c-guest-1"].append(event(6, "reply.generated", "t1", text=TEXT, status="finished"))


def _expired(good: Evidence) -> None:
    _log(good, status="expired")


def _cancelled_by_nobody(good: Evidence) -> None:
    _log(good, status="cancelled")


def _turn_lost(good: Evidence) -> None:
    good.hot["c-guest-1"] = good.hot["c-guest-1"][:1]


def _asked_twice(good: Evidence) -> None:
    record = next(r for r in good.received if r["kind"] == "turn" and r["guest"] == "guest-1")
    good.received.append({**record, "turn": "t0"})


def _number_missing(good: Evidence) -> None:
    del good.hot["c-guest-1"][1]


def _swapped(good: Evidence) -> None:
    events = good.hot["c-guest-1"]
    events[2]["turn_id"], events[4]["turn_id"] = events[4]["turn_id"], events[2]["turn_id"]


def _store_behind(good: Evidence) -> None:
    good.stored["c-guest-1"].pop()


def _follower_missed(good: Evidence) -> None:
    good.received = [r for r in good.received if not (r["kind"] == "event" and r["event"]["number"] == 3)]


def _follower_stops(good: Evidence) -> None:
    good.received = [r for r in good.received if not (r["kind"] == "event" and r["event"]["number"] > 3)]


def _nobody_follows(good: Evidence) -> None:
    good.received = [r for r in good.received if r["kind"] != "event"]


def _end_missing(good: Evidence) -> None:
    good.received = [r for r in good.received if not (r["kind"] == "end" and r["key"] == "guest-1.1")]


def _other_words_and_no_end(good: Evidence) -> None:
    _end_missing(good)
    _chunk(good, offset=12, text="closed")


def _follower_twice(good: Evidence) -> None:
    good.received.append(next(r for r in good.received if r["kind"] == "event" and r["guest"] == "guest-1"))


def _chunk(good: Evidence, **changes: Any) -> None:
    next(r for r in good.received if r["kind"] == "chunk" and r["key"] == "guest-1.1" and r["offset"]).update(changes)


def _word_lost(good: Evidence) -> None:
    _chunk(good, offset=14, text=TEXT[14:])


def _word_changed(good: Evidence) -> None:
    _chunk(good, text=TEXT[8:].replace("roof", "lawn"))


def _other_word_repeated(good: Evidence) -> None:
    _chunk(good, offset=8, text="XXXX" + TEXT[12:])


def _end_without_chunks(good: Evidence) -> None:
    _chunk(good, text="is on ")


def _word_twice_in_the_log(good: Evidence) -> None:
    doubled = TEXT.replace("roof", "roof roof")
    _log(good, text=doubled)
    for record in good.received:
        if record["guest"] == "guest-1" and record["kind"] in ("chunk", "end"):
            record["text"] = record["text"].replace("roof", "roof roof")


def _said_after_cancel(good: Evidence) -> None:
    good.hot["c-guest-1"][4]["text"] = "A tour and more"


def _heard_other_words(good: Evidence) -> None:
    good.hot["c-guest-1"].append(event(6, "reply.heard", "t1", text="The pool is closed", complete=False))


def _heard_half_as_whole(good: Evidence) -> None:
    good.hot["c-guest-1"].append(event(6, "reply.heard", "t1", text="The pool", complete=True))


def _booked_twice(good: Evidence) -> None:
    good.bookings.append(Booked("guest-1", "o2", 1))


def _booking_lost(good: Evidence) -> None:
    good.bookings.pop()


def _booked_unasked(good: Evidence) -> None:
    good.bookings.append(Booked("guest-9", "o9", 1))


def _charged_twice(good: Evidence) -> None:
    good.bookings[1] = Booked("guest-1", "o1", 2)


def _left(good: Evidence) -> None:
    good.leftovers.append("botel:{0}:draft:c-guest-1")


def _orphan(good: Evidence) -> None:
    good.orphans.append("4711")


@pytest.mark.parametrize(
    ("damage", "promise"),
    [
        (_second_reply, "one outcome per accepted turn"),
        (_expired, "one outcome per accepted turn"),
        (_cancelled_by_nobody, "one outcome per accepted turn"),
        (_turn_lost, "no question lost or doubled"),
        (_asked_twice, "no question lost or doubled"),
        (_number_missing, "histories in order, without a gap"),
        (_swapped, "histories in order, without a gap"),
        (_store_behind, "Redis, store and followers have the same"),
        (_follower_missed, "Redis, store and followers have the same"),
        (_follower_stops, "Redis, store and followers have the same"),
        (_nobody_follows, "Redis, store and followers have the same"),
        (_end_missing, "every answer heard out"),
        (_other_words_and_no_end, "no word lost, repeated or changed"),
        (_follower_twice, "Redis, store and followers have the same"),
        (_word_lost, "no word lost, repeated or changed"),
        (_word_changed, "no word lost, repeated or changed"),
        (_other_word_repeated, "no word lost, repeated or changed"),
        (_end_without_chunks, "no word lost, repeated or changed"),
        (_word_twice_in_the_log, "no word lost, repeated or changed"),
        (_said_after_cancel, "nothing said after a cancel"),
        (_heard_other_words, "what callers heard"),
        (_heard_half_as_whole, "what callers heard"),
        (_booked_twice, "each booking once"),
        (_booking_lost, "each booking once"),
        (_booked_unasked, "each booking once"),
        (_charged_twice, "each booking once"),
        (_left, "nothing left over"),
        (_orphan, "nothing left over"),
    ],
)
def test_the_auditor_notices(good: Evidence, damage: Callable[[Evidence], None], promise: str) -> None:
    before = len(audit(good)[promise])
    damage(good)
    assert len(audit(good)[promise]) > before, promise
