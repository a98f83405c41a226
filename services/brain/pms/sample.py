"""The sample hotel: a small house by the harbour, with guests whose stays are placed around a given day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time, timedelta

from services.brain.domain.hotel import Fact, LateCheckoutPolicy, Property, Reservation, RoomType, Status
from services.brain.domain.money import Money

TIMEZONE = "Europe/Lisbon"


@dataclass(frozen=True, slots=True)
class Hotel:
    """Everything a new hotel system is filled with."""

    property: Property
    room_types: tuple[RoomType, ...]
    reservations: tuple[Reservation, ...]
    today: date


_FACTS = (
    Fact(
        "breakfast",
        "Breakfast",
        "Breakfast is served from seven to half past ten in the Lighthouse restaurant on the "
        "ground floor. It is included in your room rate.",
    ),
    Fact(
        "wifi",
        "Wi-Fi",
        "The wifi is free everywhere in the hotel. Choose the network Harbour Guest; the password is "
        "sail away, in one word.",
    ),
    Fact(
        "pool",
        "Pool",
        "The heated pool is on the roof, on the sixth floor. It is open every day from eight in the "
        "morning to nine in the evening, and towels are at the pool.",
    ),
    Fact(
        "spa",
        "Spa",
        "The spa on the first floor has a sauna and a steam bath, open from two in the afternoon to nine. "
        "A massage of fifty minutes costs sixty-five euros and needs a booking at the front desk.",
    ),
    Fact(
        "parking",
        "Parking",
        "Our garage is under the hotel, with the entrance on Quay Street. It costs eighteen euros "
        "a night, and four places have chargers for electric cars.",
    ),
    Fact(
        "checkout",
        "Check-out",
        "Check-out is until eleven in the morning. A later check-out can be booked if the room is free.",
    ),
    Fact(
        "checkin",
        "Check-in",
        "Check-in is from three in the afternoon. If you come earlier we gladly keep your luggage.",
    ),
    Fact(
        "restaurant",
        "Restaurant",
        "The Lighthouse restaurant serves dinner from six to ten, mostly fish from the "
        "harbour. A table by the window is best booked before noon.",
    ),
    Fact("bar", "Bar", "The Anchor bar in the lobby is open from four in the afternoon until one in the morning."),
    Fact("gym", "Gym", "The gym is on the fifth floor and open day and night. Your room card opens the door."),
    Fact(
        "pets",
        "Pets",
        "Dogs and cats are welcome for fifteen euros a night. They may go everywhere except the "
        "restaurant and the spa.",
    ),
    Fact(
        "luggage", "Luggage", "The front desk keeps your luggage free of charge, before check-in and after check-out."
    ),
    Fact(
        "airport",
        "Airport",
        "The airport is twenty-five minutes away by taxi, which costs about thirty euros. The "
        "airport bus leaves every half hour from the square in front of the hotel.",
    ),
    Fact(
        "taxi",
        "Taxi",
        "Taxis wait on the square in front of the hotel, and the front desk calls one for you within ten minutes.",
    ),
    Fact(
        "laundry",
        "Laundry",
        "Laundry that you hand in before nine in the morning is back by six in the evening. A shirt costs four euros.",
    ),
    Fact(
        "roomservice",
        "Room service",
        "Room service brings food and drinks from noon to eleven in the evening. "
        "The menu is on the screen in your room.",
    ),
    Fact("smoking", "Smoking", "All rooms are non-smoking. You may smoke on the terrace of the bar."),
    Fact("address", "Address", "We are The Harbour Hotel, twelve Quay Street, right beside the old harbour."),
    Fact(
        "frontdesk",
        "Front desk",
        "The front desk is there for you day and night. Dial zero from the telephone in your room.",
    ),
    Fact(
        "facilities",
        "Tour of the house",
        "Let me take you through the house. On the roof, on the sixth floor, you "
        "find the heated pool and a sun deck with a view over the whole harbour. One floor below is the gym, which is "
        "open day and night with your room card. The spa on the first floor has a sauna, a steam bath and massages in "
        "the afternoon and evening. On the ground floor the Lighthouse restaurant serves breakfast until half past ten "
        "and fish from the harbour at dinner. And in the lobby the Anchor bar stays open until one in the morning.",
    ),
)


def harbour(today: date) -> Hotel:
    """The Harbour Hotel, with its guests as of `today` (local)."""
    return Hotel(
        property=Property(
            id="harbour",
            name="The Harbour Hotel",
            timezone=TIMEZONE,
            currency="EUR",
            check_in_from=time(15),
            check_out_until=time(11),
            late_checkout=LateCheckoutPolicy(
                latest=time(16),
                tiers=tuple(
                    (60 * hours, _eur(price)) for hours, price in ((1, 15), (2, 25), (3, 35), (4, 45), (5, 55))
                ),
                cleaning_minutes=120,
            ),
            facts={fact.topic: fact for fact in _FACTS},
        ),
        room_types=(
            RoomType("standard", "standard room", 4, 2, _eur(119), _eur(139)),
            RoomType("harbour-view", "room with harbour view", 3, 3, _eur(149), _eur(175)),
            RoomType("suite", "captain's suite", 1, 4, _eur(249), _eur(289)),
        ),
        reservations=_guests(today),
        today=today,
    )


def _guests(today: date) -> tuple[Reservation, ...]:
    """Every case the rules know: free room, room needed the same day, no margin at all, long stay, not yet here."""
    stays = (
        ("HB2041", "guest-204", "Anna", "Keller", "204", "harbour-view", Status.IN_HOUSE, -2, 1, 2, None),
        ("HB1071", "guest-107", "Tom", "Baker", "107", "standard", Status.IN_HOUSE, -1, 1, 1, None),
        ("HB1072", "guest-901", "Lena", "Nowak", "107", "standard", Status.CONFIRMED, 1, 4, 2, time(15)),
        ("HB3021", "guest-302", "Maria", "Silva", "302", "harbour-view", Status.IN_HOUSE, -3, 1, 2, None),
        ("HB3022", "guest-902", "James", "Okafor", "302", "harbour-view", Status.CONFIRMED, 1, 3, 2, time(13)),
        ("HB5011", "guest-501", "Sofia", "Rossi", "501", "suite", Status.IN_HOUSE, -1, 6, 3, None),
        ("HB1101", "guest-110", "Peter", "Miller", "110", "standard", Status.IN_HOUSE, -4, 0, 1, None),
        ("HB2061", "guest-206", "Emma", "Larsen", "206", "harbour-view", Status.CONFIRMED, 2, 5, 2, time(18)),
        ("HB1081", "guest-108", "Paul", "Weber", "108", "standard", Status.CANCELLED, 0, 2, 2, None),
        ("HB1091", "guest-109", "Nina", "Miller", "109", "standard", Status.CHECKED_OUT, -5, -2, 2, None),
    )
    return tuple(
        Reservation(
            code=code,
            property_id="harbour",
            customer_id=customer,
            first_name=first,
            last_name=last,
            room=room,
            room_type=kind,
            status=status,
            arrival=today + timedelta(days=arrives),
            departure=today + timedelta(days=leaves),
            adults=adults,
            eta=eta,
        )
        for code, customer, first, last, room, kind, status, arrives, leaves, adults, eta in stays
    )


def _eur(whole: int) -> Money:
    return Money(100 * whole, "EUR")
