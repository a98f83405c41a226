"""What the offline concierge says: one to three short sentences, from what the tools answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from services.brain.domain.speech import number_words, spoken_date, written_date
from services.brain.offline.dialogue import Result

GREETING = "Hello, this is your concierge at your service. How can I help you?"
THANKS = "You're very welcome. Is there anything else I can do for you?"
GOODBYE = "Goodbye, and enjoy your stay."
TAKE_YOUR_TIME = "Of course, take your time."
QUIET = "Of course, take your time. Just say hello when you are back."
WELCOME_BACK = "Welcome back. How can I help you?"
UNKNOWN = (
    "I'm not sure I can help with that. I can tell you about the hotel, look up your reservation or arrange a late "
    "check-out, and for everything else the front desk is glad to help."
)
NOTHING_HEARD = "Sorry, I didn't catch that. Could you say it again?"
NOTHING_TO_REPEAT = "I haven't said anything yet. How can I help you?"
ASK_TIME = "Gladly. Until what time would you like to keep your room?"
ASK_ARRIVAL = "I'll check that for you. On which day would you arrive?"
NO_OFFER = "There is nothing waiting for your answer at the moment. What can I do for you?"
ANYTHING_ELSE = "Is there anything else I can do for you?"
BOOKED_ALREADY = f"That is booked already. {ANYTHING_ELSE}"
DECLINED = "No problem, I won't book it. Your check-out stays as it is."
NO_THEN = "All right. Is there anything else I can do for you?"
NO_MESSAGE = "I don't see a message from you in this conversation."
NOTHING_TOLD = "I don't think you've told me that yet."
IDENTIFY = "For that I need to know your reservation. Please tell me its code and your last name."

_BY_REASON = {
    "no-stay": "I can't offer that, because the stay is over or not confirmed.",
    "room-needed": "I'm sorry, your room is needed for the next guest, so I can't offer a late check-out for that day.",
    "expired": "I'm sorry, that offer has expired. Shall I make you a new one?",
    "changed": "I'm sorry, the situation has changed since I made that offer. Shall I make you a new one?",
}
_BY_ERROR = {
    "not-permitted": IDENTIFY,
    "outcome-unknown": "I'm not certain that this went through. The front desk will confirm it to you.",
    "pms-unavailable": "I'm sorry, I can't reach the hotel's system right now. The front desk can help you with that.",
}
_TROUBLE = "I'm sorry, that didn't work. The front desk can help you with that."


def from_results(results: Sequence[Result], *, by_text: bool, today: date) -> str:
    """The answer that the turn's tool results make. Facts asked for together are told together."""
    last = results[-1]
    if last.name == "property_info":
        facts = [result for result in results if result.name == "property_info"]
        known = [str(result.data["answer"]) for result in facts if "answer" in result.data]
        return " ".join(known) or UNKNOWN
    if last.name in _IN_CALL:
        return _IN_CALL[last.name](last)
    if last.error:
        return _error(last)
    way = last.data.get("written" if by_text else "spoken", {})
    match last.name:
        case "offer_late_checkout":
            return offer(last.data, by_text=by_text)
        case "accept_offer":
            until, price = way.get("until"), way.get("price")
            return f"It's booked. You can keep your room until {until}, and {price} will be added to your bill."
        case "find_reservation":
            return _reservation(last.data, way, today)
        case "check_availability":
            return _rooms(last.data, by_text=by_text)
    return _TROUBLE


def which_desk(desks: Sequence[str]) -> str:
    """For a guest who wants a desk that there is not."""
    listed = desks[0] if len(desks) == 1 else ", ".join(desks[:-1]) + f" or {desks[-1]}"
    return f"I can put you through to the {listed}. Shall I do that? Just say: put me through to the {desks[0]}."


def _put_through(result: Result) -> str:
    if result.error:
        return "I'm sorry, I can't put you through there. What else can I do for you?"
    return f"I'm putting you through to the {result.arguments.get('to')}. One moment, please."


_IN_CALL: Mapping[str, Callable[[Result], str]] = {
    "hang_up": lambda _: GOODBYE,
    "transfer_call": _put_through,
    "pause_call": lambda result: TAKE_YOUR_TIME if result.error else QUIET,
    "resume_call": lambda _: WELCOME_BACK,
}


def with_news(answer: str, untold: Sequence[Result], *, by_text: bool) -> str:
    """What was booked without the guest's having heard of it, then the answer."""
    news = [_booked(result.data.get("written" if by_text else "spoken", {})) for result in untold]
    return " ".join([*news, ANYTHING_ELSE if answer == BOOKED_ALREADY else answer])


def _booked(way: dict[str, Any]) -> str:
    return f"Your late check-out until {way.get('until')} is booked, and {way.get('price')} will be added to your bill."


def offer(data: dict[str, Any], *, by_text: bool) -> str:
    """The words of an offer: time and price, and the question."""
    way = data.get("written" if by_text else "spoken", {})
    start = "" if data.get("requested") == data.get("until") else "Another guest needs the room that day, but "
    made = f"I can offer you a late check-out until {way.get('until')} for {way.get('price')}."
    return f"{start}{made} Shall I book it for you?"


def offer_told(data: dict[str, Any], reply: str) -> bool:
    """Whether the guest has got the price of an offer, in whichever words."""
    ways = (data.get("written", {}), data.get("spoken", {}))
    return any(way.get("price") and str(way["price"]).lower() in reply.lower() for way in ways)


def told(text: str) -> str:
    """Thanks for what the guest tells about themselves."""
    return f"Thank you for telling me. I'll keep in mind that {text[:1].lower()}{text[1:]}."


def recalled(text: str, *, written: bool) -> str:
    return f"Yes, you {'texted me' if written else 'told me'} that {text[:1].lower()}{text[1:]}."


def quoted(texts: Sequence[str]) -> str:
    """What the guest has written, given back."""
    told = " and that ".join(f"{text[:1].lower()}{text[1:]}" for text in texts)
    return f"Yes, I have your message. You texted me that {told}."


def _reservation(data: dict[str, Any], way: dict[str, Any], today: date) -> str:
    name, room = data.get("guest", ""), way.get("room", "")
    arrived = str(data.get("arrival", "")) <= today.isoformat()
    stay = f"You are in room {room}" if arrived else f"Room {room} is reserved for you"
    leave = f"check-out is on {way.get('departure')} until {way.get('check_out')}"
    return f"I have your reservation, {name}. {stay}, and {leave}."


def _rooms(data: dict[str, Any], *, by_text: bool) -> str:
    rooms, nights = data.get("rooms", []), int(data.get("nights", 1))
    arrival = date.fromisoformat(str(data.get("arrival")))
    day = written_date(arrival) if by_text else spoken_date(arrival)
    stay = "one night" if nights == 1 else f"{nights if by_text else number_words(nights)} nights"
    if not rooms:
        return f"I'm sorry, nothing is free for {stay} from {day}."
    told = [f"a {room['name']} for {room['written' if by_text else 'spoken']}" for room in rooms[:3]]
    listed = told[0] if len(told) == 1 else ", ".join(told[:-1]) + f" or {told[-1]}"
    return f"From {day}, for {stay}, I have {listed}. The front desk will gladly book it for you."


def _error(result: Result) -> str:
    reason = str(result.data.get("reason", ""))
    if reason in ("not-late", "already-booked"):
        return str(result.data.get("detail", _TROUBLE))
    if reason in _BY_REASON:
        return _BY_REASON[reason]
    if result.name == "find_reservation" and result.error == "not-found":
        return "I can't find a reservation with that code and name. Could you check them, please?"
    if result.name == "accept_offer" and result.error == "not-found":
        return _BY_REASON["expired"]
    return _BY_ERROR.get(result.error, _TROUBLE)
