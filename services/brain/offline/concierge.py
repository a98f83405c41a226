"""The rules: from a conversation to the next step, which is an answer or tool calls. The same input, the same step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from services.brain.offline import in_call, memory, replies, slots
from services.brain.offline.consent import is_explicit, is_no, is_yes
from services.brain.offline.dialogue import Dialogue, dialogue_of
from services.brain.offline.intent_table import INTENTS
from services.brain.offline.intents import Hit, Rank, matching
from services.brain.offline.transcript import Line, Plan, Say, Use
from services.brain.offline.words import word_set, words_of

_AND = word_set("and an also plus as well too")
_INSTEAD = word_set("what how about instead make until till at just maybe then rather better earlier later is ok by")
_QUESTIONS = word_set("what when where which who why how if")
_ABOUT_OFFER = frozenset({"late-checkout", "about-checkout", "note"})
"""Intents in which an answer to an offer may be clothed."""
MAX_COUNTER_WORDS = 12
MAX_TOPICS = 3
MAX_RECALLED = 2


@dataclass(frozen=True, slots=True)
class Asked:
    """The guest's line, taken apart."""

    words: tuple[str, ...]
    time: time | None
    hours: int | None
    date: date | None
    nights: int | None
    code: str

    @property
    def found(self) -> Mapping[str, bool]:
        return {
            "time": self.time is not None,
            "hours": self.hours is not None,
            "date": self.date is not None,
            "nights": self.nights is not None,
            "code": bool(self.code),
        }


def next_step(lines: Sequence[Line], tools: frozenset[str]) -> Plan:
    """What the concierge does next. Only tools of `tools` are called; without them the answer is honest."""
    talk = dialogue_of(lines)
    plan = _step(talk)
    if not _possible(plan, tools) and isinstance(plan, Use):
        plan = in_call.without_call(plan)
    if not _possible(plan, tools):
        plan = Say(replies.UNKNOWN)
    if isinstance(plan, Say) and talk.untold:
        plan = Say(replies.with_news(plan.text, talk.untold, by_text=talk.now.guest.by_text))
    if isinstance(plan, Say) and talk.draft:
        return Say(_behind(plan.text, talk.draft))
    return plan


def _possible(plan: Plan, tools: frozenset[str]) -> bool:
    return isinstance(plan, Say) or all(name in tools for name, _ in plan.calls)


def _step(talk: Dialogue) -> Plan:
    asked = _ask(talk)
    if talk.now.results:
        return _after_tools(talk, asked)
    if not asked.words:
        return Say(replies.NOTHING_HEARD)
    answered = _answer_to_offer(talk, asked) or _answer_to_question(talk, asked)
    if answered:
        return answered
    hits = matching(INTENTS, asked.words, asked.found)
    if not hits or hits[0].intent.rank < Rank.REQUEST:
        remembered = _remembered(talk, asked)
        if remembered:
            return remembered
    if not hits:
        return Say(replies.UNKNOWN)
    if hits[0].intent.topic:
        return Use(tuple(("property_info", {"topic": topic}) for topic in _topics(hits, asked.words)))
    return _ANSWERS[hits[0].intent.name](talk, asked)


def _ask(talk: Dialogue) -> Asked:
    text = talk.now.guest.text
    words = words_of(text)
    bare = talk.last_reply().startswith(replies.ASK_TIME[:24])
    return Asked(
        words=words,
        time=slots.find_time(words, bare=bare),
        hours=slots.find_hours_more(words),
        date=slots.find_date(words, talk.today),
        nights=slots.find_nights(words),
        code=slots.find_code(text),
    )


def _after_tools(talk: Dialogue, asked: Asked) -> Plan:
    """Either the answer, or the second of two calls: a wish that depends on the guest's own dates."""
    last = talk.now.results[-1]
    if last.name == "find_reservation" and not last.error and not asked.code:
        top = matching(INTENTS, asked.words, asked.found)[:1]
        wish = top[0].intent.name if top else ""
        if wish == "late-checkout" and asked.hours:
            until = datetime.combine(talk.today, time.fromisoformat(last.data["check_out"]))
            return _offer(until + timedelta(hours=asked.hours))
        if wish == "availability" and asked.date is None:
            nights = asked.nights or 1
            guests = int(last.data.get("adults", 1))
            arrival = last.data["departure"]
            return Use((("check_availability", {"arrival": arrival, "nights": nights, "guests": guests}),))
    return Say(replies.from_results(talk.now.results, by_text=talk.now.guest.by_text, today=talk.today))


def _answer_to_offer(talk: Dialogue, asked: Asked) -> Plan | None:
    """A yes or a no, or another time, while an offer is open. A price that was not heard is told again first."""
    words, offer = asked.words, talk.offer()
    yes, no = is_yes(words), is_no(words)
    if offer is None:
        if in_call.LEAVING & set(words):
            return None
        if yes and not _other_wish(asked) and "thanks" not in words:
            return Say(replies.BOOKED_ALREADY if talk.booked() else replies.NO_OFFER)
        return Say(replies.NO_THEN) if no and len(words) <= 3 else None
    if _other_wish(asked):
        return None
    if no:
        return Say(replies.DECLINED)
    if yes and offer.lapsed:
        return _offer(time.fromisoformat(offer.data["requested"]))
    fresh = any(replies.offer_told(offer.data, reply) for reply in talk.last_replies())
    if yes and not replies.offer_told(offer.data, offer.told_since):
        return Say(replies.offer(offer.data, by_text=talk.now.guest.by_text))
    if yes and (fresh or is_explicit(words)):
        return Use((("accept_offer", {"offer_id": offer.data["offer_id"]}),))
    if asked.time and fresh and _INSTEAD & set(words) and len(words) <= MAX_COUNTER_WORDS:
        return _offer(asked.time)
    return None


def _other_wish(asked: Asked) -> bool:
    """Whether the guest asks for something that is no answer to an offer: `can you book that massage?` is no yes."""
    if asked.words[0] in _QUESTIONS and not asked.time:
        return True
    top = matching(INTENTS, asked.words, asked.found)[:1]
    return bool(top) and top[0].intent.rank is not Rank.COURTESY and top[0].intent.name not in _ABOUT_OFFER


def _answer_to_question(talk: Dialogue, asked: Asked) -> Plan | None:
    """The slot that the concierge has just asked for."""
    last = talk.last_reply()
    if asked.time and last.startswith(replies.ASK_TIME[:24]):
        return _offer(asked.time)
    if asked.date and last.startswith(replies.ASK_ARRIVAL[:24]):
        return _availability(talk, asked)
    return None


def _topics(hits: Sequence[Hit], words: Sequence[str]) -> list[str]:
    """The best topic, and others that were named beside it."""
    first = hits[0]
    topics, used = [first.intent.topic], set(first.words)
    if _AND & set(words):
        for hit in hits[1:]:
            if hit.intent.topic and not hit.words & used and len(topics) < MAX_TOPICS:
                topics.append(hit.intent.topic)
                used |= hit.words
    return topics


def _remembered(talk: Dialogue, asked: Asked) -> Plan | None:
    """The answer to `when is my taxi?` if the guest has told."""
    if not memory.is_question(asked.words) or not {"my", "i", "our", "we"} & set(asked.words):
        return None
    line = memory.about(asked.words, _told(talk))
    return Say(replies.recalled(memory.to_you(line.text), written=line.by_text)) if line else None


def _told(talk: Dialogue) -> list[Any]:
    """What the guest has said about themselves, oldest first."""
    lines = [exchange.guest for exchange in talk.before]
    return [line for line in lines if any(hit.intent.name == "note" for hit in _hits(line.text, talk.today))]


def _hits(text: str, today: date) -> list[Hit]:
    words = words_of(text)
    return matching(INTENTS, words, {"time": slots.find_time(words) is not None})


def _recall(talk: Dialogue, asked: Asked) -> Plan:
    line = memory.about(asked.words, _told(talk))
    if line:
        return Say(replies.recalled(memory.to_you(line.text), written=line.by_text))
    texts = [exchange.guest.text for exchange in talk.before if exchange.guest.by_text]
    notes = [line.text for line in _told(talk) if line.by_text]
    recent = (notes or texts)[-MAX_RECALLED:]
    if recent:
        return Say(replies.quoted([memory.to_you(text) for text in recent]))
    written = {"text", "texts", "texted", "message", "messages", "messaged", "sms", "send", "sent", "write", "wrote"}
    return Say(replies.NO_MESSAGE if written & set(asked.words) else replies.NOTHING_TOLD)


def _note(talk: Dialogue, asked: Asked) -> Plan:
    return Say(replies.told(memory.to_you(talk.now.guest.text)))


def _repeat(talk: Dialogue, asked: Asked) -> Plan:
    return Say(talk.last_reply() or replies.NOTHING_TO_REPEAT)


def _late_checkout(talk: Dialogue, asked: Asked) -> Plan:
    if asked.time:
        return _offer(asked.time)
    return Use((("find_reservation", {}),)) if asked.hours else Say(replies.ASK_TIME)


def _offer(until: time | datetime) -> Plan:
    return Use((("offer_late_checkout", {"time": f"{until:%H:%M}"}),))


def _availability(talk: Dialogue, asked: Asked) -> Plan:
    longer = {"another", "more", "extra", "additional", "extend", "longer"} & set(asked.words)
    if asked.date is None:
        return Use((("find_reservation", {}),)) if longer else Say(replies.ASK_ARRIVAL)
    arguments: dict[str, Any] = {"arrival": asked.date.isoformat(), "nights": asked.nights or 1}
    guests = slots.find_guests(asked.words)
    return Use((("check_availability", arguments | ({"guests": guests} if guests else {})),))


def _my_reservation(talk: Dialogue, asked: Asked) -> Plan:
    text = talk.now.guest.text
    name = slots.find_last_name(text)
    if asked.code:
        return Use((("find_reservation", {"code": asked.code, "last_name": name}),)) if name else Say(replies.IDENTIFY)
    return Use((("find_reservation", {}),))


def _service(talk: Dialogue, asked: Asked) -> Plan:
    return Use((("property_info", {"topic": "frontdesk"}),))


def _behind(text: str, draft: str) -> str:
    """What of an answer comes behind the words that were already said; all of it if they are others."""
    said, words = draft.split(), text.split()
    return " ".join(words[len(said) :]) if words[: len(said)] == said else text


_ANSWERS: Mapping[str, Callable[[Dialogue, Asked], Plan]] = {
    "late-checkout": _late_checkout,
    "availability": _availability,
    "my-reservation": _my_reservation,
    "recall": _recall,
    "repeat": _repeat,
    "note": _note,
    "service": _service,
    "greeting": lambda talk, asked: Say(replies.GREETING),
    "thanks": lambda talk, asked: Say(replies.THANKS),
    "goodbye": lambda talk, asked: in_call.HANG_UP,
    "hold": lambda talk, asked: in_call.PAUSE,
    "back": lambda talk, asked: in_call.RESUME,
    "transfer": lambda talk, asked: in_call.transfer(talk, asked.words),
}
