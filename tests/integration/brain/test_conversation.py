"""Whole conversations: tools, both channels, the two-step booking; offline and through the real OpenAI client."""

from __future__ import annotations

import pytest

from libs.contracts.events import (
    Channel,
    MessageReceived,
    ReplyGenerated,
    ReplyStatus,
    ToolCompleted,
    ToolRequested,
)
from services.brain.agent import OwnAgent
from services.brain.answer import Concierge
from services.brain.domain.cost import Prices
from services.brain.offline_model import OfflineChatModel
from services.brain.pms.memory import MemoryPms
from services.brain.rehearsal import Rehearsal


def calls(talk: Rehearsal) -> list[str]:
    return [
        f"{'ask' if isinstance(event, ToolRequested) else 'did'} {event.name} {event.arguments}"
        for event in talk.log
        if isinstance(event, ToolRequested | ToolCompleted)
    ]


async def test_a_late_checkout_in_two_steps(concierge: Concierge, pms: MemoryPms) -> None:
    talk = Rehearsal(concierge.answer, customer_id="guest-204")

    offer = await talk.say("could i check out a bit later tomorrow at two")
    booked = await talk.say("yes please")

    assert offer == "I can offer you a late check-out until two pm for thirty-five euros. Shall I book it for you?"
    assert "booked" in booked
    assert "thirty-five euros" in booked
    [booking] = pms.bookings.values()
    assert (booking.reservation_code, str(booking.until), str(booking.price)) == ("HB2041", "14:00:00", "EUR 35.00")
    assert calls(talk) == [
        'ask offer_late_checkout {"time":"14:00"}',
        'did offer_late_checkout {"time":"14:00"}',
        f'ask accept_offer {{"offer_id":"{booking.offer_id}"}}',
        f'did accept_offer {{"offer_id":"{booking.offer_id}"}}',
    ]
    asked, done = talk.log[-3], talk.log[-2]
    assert isinstance(asked, ToolRequested)
    assert isinstance(done, ToolCompleted)
    assert asked.idempotency_key == done.idempotency_key != ""
    assert done.ok


async def test_speech_knows_what_was_texted(concierge: Concierge) -> None:
    talk = Rehearsal(concierge.answer, customer_id="guest-204")

    await talk.say("what time is breakfast")
    noted = await talk.text("My taxi is at nine tomorrow.")
    by_voice = await talk.say("did you get my text")
    about = await talk.say("what time is my taxi")

    assert "your taxi is at nine tomorrow" in noted
    assert "texted me that your taxi is at nine tomorrow" in by_voice
    assert "texted me that your taxi is at nine tomorrow" in about


async def test_writing_and_speech_word_the_same_offer_differently(offline: Concierge) -> None:
    talk = Rehearsal(offline.answer, customer_id="guest-204")

    assert "until 1:30 pm for €35" in await talk.text("Can I check out at half past one?")
    assert "until one thirty pm for thirty-five euros" in await talk.say("can i check out at half past one")


async def test_reads_are_journalled_when_done_only(offline: Concierge) -> None:
    talk = Rehearsal(offline.answer)

    reply = await talk.say("is there a pool and a gym")

    assert calls(talk) == ['did property_info {"topic":"pool"}', 'did property_info {"topic":"gym"}']
    assert reply.startswith("The heated pool")
    assert "gym is on the fifth floor" in reply


async def test_usage_and_model_are_told(concierge: Concierge) -> None:
    talk = Rehearsal(concierge.answer)

    await talk.say("is there a pool")

    reply = talk.log[-1]
    assert isinstance(reply, ReplyGenerated)
    assert reply.status is ReplyStatus.FINISHED
    assert reply.model in ("offline-concierge", "gpt-4.1-mini")
    assert reply.usage is not None
    assert reply.usage.input_tokens > 20, "both model calls are counted"
    assert reply.usage.output_tokens > 10
    assert not reply.usage.estimated


async def test_a_reply_tells_what_all_of_its_model_calls_cost(pms: MemoryPms) -> None:
    prices = Prices(input=2.0, output=8.0, cached=0.5)
    talk = Rehearsal(Concierge(OwnAgent(OfflineChatModel()), pms, prices=prices).answer)

    await talk.say("is there a pool")

    reply = talk.log[-1]
    assert isinstance(reply, ReplyGenerated)
    assert reply.usage is not None
    assert reply.usage.cost_micro == reply.usage.input_tokens * 2 + reply.usage.output_tokens * 8 > 0


async def test_a_guest_who_is_not_known_is_asked_and_then_known(offline: Concierge, pms: MemoryPms) -> None:
    talk = Rehearsal(offline.answer)

    asked = await talk.text("Can I check out at 1 pm?")
    wrong = await talk.text("my code is HB2041, my name is Miller")
    right = await talk.text("my code is HB2041, my name is Keller")
    offer = await talk.text("Can I check out at 1 pm?")
    await talk.text("yes please")

    assert "code and your last name" in asked
    assert "can't find" in wrong
    assert "Anna Keller" in right
    assert "1 pm for €25" in offer
    assert [booking.reservation_code for booking in pms.bookings.values()] == ["HB2041"]


async def test_nobody_accepts_the_offer_of_another_guest(offline: Concierge, pms: MemoryPms) -> None:
    theirs = Rehearsal(offline.answer, customer_id="guest-204", conversation_id="conv-a")
    await theirs.say("can i check out at two")
    made = next(event for event in theirs.log if isinstance(event, ToolCompleted))

    mine = Rehearsal(offline.answer, customer_id="guest-302", conversation_id="conv-b")
    mine.log.append(made)
    await mine.say("yes please book it")
    await mine.say("yes please book it")

    refused = mine.log[-2]
    assert isinstance(refused, ToolCompleted)
    assert (refused.name, refused.ok) == ("accept_offer", False)
    assert '"not-found"' in refused.result
    assert pms.bookings == {}


@pytest.mark.parametrize(
    ("customer", "line", "part"),
    [
        ("guest-107", "can i check out at two", "Another guest needs the room that day, but"),
        ("guest-107", "can i check out at two", "until one pm for twenty-five euros"),
        ("guest-302", "can i check out at two", "your room is needed for the next guest"),
        ("guest-204", "can i leave at ten in the morning", "until 11:00 anyway"),
        ("guest-108", "can i check out at two", "code and your last name"),
        ("guest-206", "what room am i in", "Room two oh six is reserved for you"),
        ("guest-204", "can i check out two hours later", "until one pm"),
    ],
)
async def test_every_case_of_the_house(offline: Concierge, customer: str, line: str, part: str) -> None:
    assert part in await Rehearsal(offline.answer, customer_id=customer).say(line)


async def test_no_and_other_questions_leave_an_offer_unbooked(offline: Concierge, pms: MemoryPms) -> None:
    talk = Rehearsal(offline.answer, customer_id="guest-204")
    await talk.say("can i check out at two")

    assert "won't book it" in await talk.say("no thank you that is too expensive")
    assert "nothing waiting" in await talk.say("yes please")
    assert pms.bookings == {}

    await talk.say("can i check out at two")
    assert "sauna" in await talk.say("can you book that massage for me in the spa")
    assert pms.bookings == {}


async def test_a_better_time_replaces_the_offer(offline: Concierge, pms: MemoryPms) -> None:
    talk = Rehearsal(offline.answer, customer_id="guest-204")
    await talk.say("can i check out at two")

    assert "until one pm for twenty-five" in await talk.say("what about one o'clock then")
    await talk.say("okay go ahead and book it")

    assert [str(booking.until) for booking in pms.bookings.values()] == ["13:00:00"]


async def test_a_price_that_was_not_heard_is_told_before_it_is_booked(offline: Concierge, pms: MemoryPms) -> None:
    talk = Rehearsal(offline.answer, customer_id="guest-204")
    turn = talk.accept("can i check out at two")
    await turn.run(offline.answer)
    talk.commit(turn, ReplyStatus.CANCELLED)
    talk.heard(turn, "I can offer you")

    again = await talk.say("yes please")
    assert "thirty-five euros" in again
    assert pms.bookings == {}

    await talk.say("yes please")
    assert len(pms.bookings) == 1


async def test_a_text_while_an_offer_is_open_does_not_answer_it(offline: Concierge, pms: MemoryPms) -> None:
    talk = Rehearsal(offline.answer, customer_id="guest-204")
    await talk.say("can i check out at two")
    await talk.text("I am allergic to nuts")

    assert "booked" in await talk.say("yes please")
    assert len(pms.bookings) == 1


async def test_booking_again_changes_nothing(offline: Concierge, pms: MemoryPms) -> None:
    talk = Rehearsal(offline.answer, customer_id="guest-204")
    await talk.say("can i check out at two")
    await talk.say("yes please")
    await talk.say("yes please book it")

    assert len(pms.bookings) == 1
    assert "booked already" in await talk.say("can i check out at two")


async def test_a_long_answer_can_be_had(offline: Concierge) -> None:
    reply = await Rehearsal(offline.answer).say("tell me about the hotel")

    assert 4 <= reply.count(".") <= 6


async def test_an_unknown_property_is_answered_in_words(offline: Concierge) -> None:
    talk = Rehearsal(offline.answer, property_id="elsewhere")

    assert await talk.say("when is breakfast")
    assert isinstance(talk.log[-1], ReplyGenerated)


async def test_silence_is_not_understood(offline: Concierge) -> None:
    assert "didn't catch" in await Rehearsal(offline.answer).say(" ... ")


async def test_the_log_tail_may_begin_anywhere(offline: Concierge) -> None:
    talk = Rehearsal(offline.answer, customer_id="guest-204")
    await talk.say("can i check out at two")
    first = next(at for at, event in enumerate(talk.log) if isinstance(event, MessageReceived))
    del talk.log[: first + 1]

    assert await talk.say("yes please", Channel.TEXT)
