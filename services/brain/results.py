"""What a tool tells the model: compact JSON. Amounts and times come computed, written and in words, so that a model
only has to repeat them."""

from __future__ import annotations

import json
from typing import Any

from services.brain.domain.hotel import Booking, Fact, Offer, Property, Reservation, Vacancy
from services.brain.domain.speech import (
    spoken_date,
    spoken_digits,
    spoken_money,
    spoken_time,
    written_date,
    written_money,
    written_time,
)
from services.brain.ports import NotAvailable, PmsError

MAX_RESULT_CHARS = 16_384


def fact(topic: Fact) -> str:
    return _json({"topic": topic.topic, "title": topic.title, "answer": topic.text})


def reservation(stay: Reservation, hotel: Property) -> str:
    until = stay.check_out_at or hotel.check_out_until
    return _json(
        {
            "code": stay.code,
            "guest": stay.guest,
            "room": stay.room,
            "room_type": stay.room_type,
            "status": stay.status,
            "adults": stay.adults,
            "arrival": stay.arrival.isoformat(),
            "departure": stay.departure.isoformat(),
            "check_out": f"{until:%H:%M}",
            "written": {
                "departure": written_date(stay.departure),
                "check_out": written_time(until),
                "room": stay.room,
            },
            "spoken": {
                "departure": spoken_date(stay.departure),
                "check_out": spoken_time(until),
                "room": spoken_digits(stay.room),
            },
        }
    )


def availability(found: tuple[Vacancy, ...], arrival: str, nights: int, guests: int) -> str:
    return _json(
        {
            "arrival": arrival,
            "nights": nights,
            "guests": guests,
            "rooms": [
                {
                    "room_type": vacancy.room_type,
                    "name": vacancy.name,
                    "left": vacancy.left,
                    "total": str(vacancy.total),
                    "written": written_money(vacancy.total),
                    "spoken": spoken_money(vacancy.total),
                }
                for vacancy in found
            ],
        }
    )


def offer(made: Offer) -> str:
    return _json(
        {
            "offer_id": made.id,
            "requested": f"{made.requested:%H:%M}",
            "until": f"{made.until:%H:%M}",
            "price": str(made.price),
            "departure": made.departure.isoformat(),
            "written": {"until": written_time(made.until), "price": written_money(made.price)},
            "spoken": {"until": spoken_time(made.until), "price": spoken_money(made.price)},
            "next": "Nothing is booked. Tell the guest time and price and ask; on a clear yes call accept_offer.",
        }
    )


def booking(made: Booking) -> str:
    return _json(
        {
            "booking_id": made.id,
            "offer_id": made.offer_id,
            "booked": True,
            "until": f"{made.until:%H:%M}",
            "price": str(made.price),
            "written": {"until": written_time(made.until), "price": written_money(made.price)},
            "spoken": {"until": spoken_time(made.until), "price": spoken_money(made.price)},
        }
    )


def settled(made: Offer | Booking) -> str:
    """What stands under an idempotency key, as the tool itself would have told it."""
    return booking(made) if isinstance(made, Booking) else offer(made)


def requested(what: str) -> str:
    """A command that is carried out when the reply has been heard."""
    return _json({"requested": True, "next": what})


def refusal(error: PmsError) -> str:
    """A typed error as advice."""
    reason = {"reason": error.reason} if isinstance(error, NotAvailable) else {}
    return _json({"error": error.code, **reason, "detail": error.detail, "advice": error.advice})


def mistake(code: str, detail: str, advice: str) -> str:
    """Anything else that went wrong in a call."""
    return _json({"error": code, "detail": detail, "advice": advice})


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))[:MAX_RESULT_CHARS]
