"""The auditor: pure checks over the evidence, each a list of what is wrong in words.

It knows nothing of the run but what clients sent and received, what both logs say, what the hotel has booked, and what
was left over. Golden texts are what guests received to the same lines before the first fault.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from tests.chaos.evidence import Evidence, History
from tests.chaos.guests import SAYS_YES
from tests.chaos.stitching import Stitched, stitch
from tests.chaos.transcript import Record

CALM = "calm-"
"""Names of guests who played before the first fault begin so."""
_WITHDRAWN = ("reply-cancelled", "cancelled")
Check = Callable[[Evidence], Iterator[str]]


def audit(evidence: Evidence) -> dict[str, list[str]]:
    """Every check by name, with what it found; an empty list is a promise kept."""
    return {name: list(check(evidence)) for name, check in CHECKS.items()}


def one_outcome(evidence: Evidence) -> Iterator[str]:
    """Every accepted turn has one message and one reply; it was answered, unless its guest withdrew it."""
    withdrawn = {record["turn"] for record in _of(evidence, "withdrawn") if record["outcome"] in ("running", "queued")}
    for turn, events in _by_turn(evidence.hot).items():
        kinds = Counter(event["type"] for event in events)
        if (kinds["message.received"], kinds["reply.generated"]) != (1, 1):
            yield f"{turn}: {kinds['message.received']} messages, {kinds['reply.generated']} replies"
            continue
        status = next(event["status"] for event in events if event["type"] == "reply.generated")
        if status != "finished" and not (status == "cancelled" and turn in withdrawn):
            yield f"{turn}: ended as {status}"


def none_lost(evidence: Evidence) -> Iterator[str]:
    """Every turn that a gateway has acknowledged is in the log; every question became exactly one turn."""
    logged = set(_by_turn(evidence.hot))
    turns: dict[str, set[str]] = defaultdict(set)
    for record in _of(evidence, "turn"):
        turns[record["key"]].add(record["turn"])
        if record["turn"] not in logged:
            yield f"{record['turn']}: acknowledged, not in the log"
    for record in _of(evidence, "spoken"):
        if record["turn"] not in logged:
            yield f"{record['turn']}: spoken, not in the log"
    for record in _of(evidence, "asked"):
        if len(turns[record["key"]]) != 1:
            yield f"{record['key']}: became {len(turns[record['key']])} turns"


def order(evidence: Evidence) -> Iterator[str]:
    """Numbers from 1 without a gap, no event twice, replies in the order of their questions."""
    for name, events in evidence.hot.items():
        if [event["number"] for event in events] != list(range(1, len(events) + 1)):
            yield f"{name}: numbers {[event['number'] for event in events]}"
        if len({event["id"] for event in events}) != len(events):
            yield f"{name}: an event stands twice in the log"
        asked = [event["turn_id"] for event in events if event["type"] == "message.received"]
        answered = [event["turn_id"] for event in events if event["type"] == "reply.generated"]
        if asked != answered:
            yield f"{name}: answered in another order than asked"


def same_everywhere(evidence: Evidence) -> Iterator[str]:
    """The store has what Redis has; whoever followed received every event once, in order."""
    for name, events in evidence.hot.items():
        if evidence.stored.get(name) != events:
            yield f"{name}: {len(events)} events in Redis, {len(evidence.stored.get(name, []))} in the store, or others"
    followed = _followed(evidence)
    for who, name in sorted({(record["guest"], record["conversation"]) for record in _of(evidence, "turn")}):
        events, received = evidence.hot.get(name, []), followed[who, name]
        if received != events[: len(received)]:
            yield f"{name}: {who} received {[event['number'] for event in received]}"
        if len(received) < max((event["number"] for event in events if event["type"] == "reply.generated"), default=0):
            yield f"{name}: {who} received {len(received)} events and no more"


def heard_out(evidence: Evidence) -> Iterator[str]:
    """Whoever asked was told the end of the answer, or that it was withdrawn."""
    ended = {record["key"] for record in _of(evidence, "end")}
    ended |= {record["key"] for record in _of(evidence, "refused") if record.get("code") in _WITHDRAWN}
    yield from (
        f"{record['key']}: never heard the end" for record in _of(evidence, "asked") if record["key"] not in ended
    )


def words(evidence: Evidence) -> Iterator[str]:
    """The text that each reader put together is the reply of the log; and it is what the line is answered with."""
    golden = _golden(evidence)
    replies = {turn: _reply(events) for turn, events in _by_turn(evidence.hot).items()}
    lines = {record["key"]: record for record in _of(evidence, "asked")}
    for key, read in _read(evidence).items():
        reply = replies.get(read.turn)
        if reply is None:
            continue
        yield from (f"{read.turn}: {fault}" for fault in read.faults)
        if read.text != (reply["text"].encode() if read.over else reply["text"].encode()[: len(read.text)]):
            yield f"{read.turn}: a reader has {_shown(read.text)}, the log {_shown(reply['text'].encode())}"
        expected = golden.get(lines[key]["text"])
        if expected is not None and reply["status"] == "finished" and reply["text"] != expected:
            yield f"{read.turn}: {_shown(reply['text'].encode())} instead of {_shown(expected.encode())}"


def silence(evidence: Evidence) -> Iterator[str]:
    """A cancelled reply is a beginning of what the line is answered with: nothing came after its end."""
    golden = _golden(evidence)
    lines = {record["turn"]: record["key"] for record in _of(evidence, "turn")}
    texts = {record["key"]: record["text"] for record in _of(evidence, "asked")}
    for turn, events in _by_turn(evidence.hot).items():
        reply = _reply(events)
        expected = golden.get(texts.get(lines.get(turn, ""), ""))
        if reply and expected and reply["status"] == "cancelled" and not expected.startswith(reply["text"]):
            yield f"{turn}: {_shown(reply['text'].encode())} is no beginning of {_shown(expected.encode())}"


def heard(evidence: Evidence) -> Iterator[str]:
    """What a caller is said to have heard is the reply, or a beginning of it."""
    for turn, events in _by_turn(evidence.hot).items():
        reply = _reply(events)
        for event in events:
            if event["type"] != "reply.heard" or reply is None:
                continue
            said, got = reply["text"].split(), event["text"].split()
            if said[: len(got)] != got or (event["complete"] and reply["status"] == "finished" and got != said):
                yield f"{turn}: heard {event['text']!r} of {reply['text']!r}"


def booked_once(evidence: Evidence) -> Iterator[str]:
    """Whoever said yes and was told that it is booked has one booking and one charge; nobody else has any."""
    told: Counter[str] = Counter()
    keys = {record["key"]: record["guest"] for record in _of(evidence, "asked") if record["text"] == SAYS_YES}
    turns = {record["turn"]: keys[record["key"]] for record in _of(evidence, "turn") if record["key"] in keys}
    for turn, events in _by_turn(evidence.hot).items():
        reply = _reply(events)
        if turn in turns and reply and reply["status"] == "finished":
            told[turns[turn]] += 1
            if "booked" not in reply["text"]:
                yield f"{turn}: said yes, and was told {reply['text']!r}"
    rows = Counter(row.customer for row in evidence.bookings)
    yield from (f"{guest}: {rows[guest]} bookings" for guest in told if rows[guest] != 1)
    yield from (f"{guest}: booked without being told" for guest in rows if guest not in told)
    yield from (f"{row.customer}: {row.charges} charges" for row in evidence.bookings if row.charges != 1)


def nothing_left(evidence: Evidence) -> Iterator[str]:
    """No turn waits, no lease, draft or dead letter is left, no process outlived the stack."""
    yield from evidence.leftovers
    yield from (f"process {pid} is still there" for pid in evidence.orphans)


CHECKS: Mapping[str, Check] = {
    "one outcome per accepted turn": one_outcome,
    "no question lost or doubled": none_lost,
    "histories in order, without a gap": order,
    "Redis, store and followers have the same": same_everywhere,
    "every answer heard out": heard_out,
    "no word lost, repeated or changed": words,
    "nothing said after a cancel": silence,
    "what callers heard": heard,
    "each booking once": booked_once,
    "nothing left over": nothing_left,
}


def _of(evidence: Evidence, *kinds: str) -> Iterator[Record]:
    return (record for record in evidence.received if record["kind"] in kinds)


def _by_turn(hot: Mapping[str, History]) -> dict[str, History]:
    turns: dict[str, History] = defaultdict(list)
    for events in hot.values():
        for event in events:
            if event.get("turn_id"):
                turns[event["turn_id"]].append(event)
    return turns


def _reply(events: Iterable[dict[str, object]]) -> dict[str, str] | None:
    return next((event for event in events if event["type"] == "reply.generated"), None)  # type: ignore[return-value]


def _followed(evidence: Evidence) -> dict[tuple[str, str], History]:
    followed: dict[tuple[str, str], History] = defaultdict(list)
    for record in _of(evidence, "event"):
        followed[record["guest"], record["conversation"]].append(record["event"])
    return followed


def _golden(evidence: Evidence) -> dict[str, str]:
    lines = {record["key"]: record["text"] for record in _of(evidence, "asked") if record["guest"].startswith(CALM)}
    ends = (record for record in _of(evidence, "end") if record["key"] in lines and record["status"] == "finished")
    return {lines[record["key"]]: record["text"] for record in ends}


def _read(evidence: Evidence) -> dict[str, Stitched]:
    chunks: dict[str, list[Record]] = defaultdict(list)
    for record in _of(evidence, "turn", "chunk", "end"):
        chunks[record["key"]].append(record)
    return {key: stitch(records) for key, records in chunks.items()}


def _shown(text: bytes) -> str:
    shown = text.decode(errors="replace")
    return repr(shown if len(shown) < 90 else f"{shown[:40]} ... {shown[-40:]}")
