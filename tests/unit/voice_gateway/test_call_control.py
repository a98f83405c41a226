"""Commands over a call that is a fake: done behind the reply, once, in order, each answered once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from libs.contracts.commands import AnyCommand, HangUp, Pause, Resume, Say, Show, Transfer
from libs.contracts.limits import MAX_PAUSE_S
from services.voice_gateway.control import CallControl
from services.voice_gateway.domain import control as rules
from services.voice_gateway.local_switchboard import LocalSwitchboard
from services.voice_gateway.ports import TransferFailed
from tests.eventually import eventually
from tests.unit.voice_gateway.fake_call import DESKS, FakeCall


@pytest.fixture
async def call() -> AsyncIterator[FakeCall]:
    made = FakeCall()
    made.control.start()
    yield made
    await made.control.close()


async def test_a_hang_up_waits_for_the_goodbye(call: FakeCall) -> None:
    call.replies.asked("t1")
    call.wish(HangUp(), turn_id="t1")
    call.wish(Say(text="x"), "c2", turn_id="t1")
    await eventually(lambda: empty(call))
    assert call.told == []

    call.replies.settled("t1", complete=True)

    assert await call.answered("c1") == [(True, "")]
    assert call.told == ["ended concierge-hung-up", "hung up", "answered c1"]


async def empty(call: FakeCall) -> bool:
    """Whether the control has taken what was requested."""
    return call.wishes.empty()


@pytest.mark.parametrize("command", [HangUp(), Transfer(to="reception"), Pause()])
async def test_a_guest_who_goes_on_has_changed_the_subject(call: FakeCall, command: AnyCommand) -> None:
    call.replies.asked("t1")
    call.wish(command, turn_id="t1")
    call.replies.settled("t1", complete=False)

    assert await call.answered("c1") == [(False, rules.GUEST_WENT_ON)]
    assert call.told == ["answered c1"]
    assert not call.control.paused


async def test_put_through(call: FakeCall) -> None:
    call.answering.clear()
    call.wish(Transfer(to="Reception"))
    await call.heard("transfer tel:+4940123")
    assert call.control.transferring
    assert call.control.silent, "nobody asks a guest for whom it rings whether he is still there"
    call.answering.set()

    assert await call.answered("c1") == [(True, "")]
    assert call.told[1:] == ["ended transferred", "answered c1"]
    assert not call.control.transferring


@pytest.mark.parametrize(
    ("to", "error", "detail"),
    [
        ("reception", TransferFailed("busy"), "busy"),
        ("reception", TransferFailed(), TransferFailed.advice),
        ("reception", OSError("what the guest said"), "OSError"),
        ("reception", TimeoutError(), rules.NO_ANSWER_IN_TIME),
        ("bar", None, rules.NO_SUCH_DESK),
        ("tel:+49900", None, rules.NO_SUCH_DESK),
    ],
)
async def test_what_the_guest_hears_when_nobody_takes_over(
    call: FakeCall, to: str, error: Exception | None, detail: str
) -> None:
    call.refuses = error
    call.wish(Transfer(to=to))
    await call.heard(f"said {rules.NOT_PUT_THROUGH}")

    assert await call.answered("c1") == [(False, detail)]
    assert not any(line.startswith("ended") for line in call.told)


async def test_only_staff_may_name_a_number(call: FakeCall) -> None:
    call.wish(Transfer(to="tel:+49401"), by_staff=True)

    assert await call.answered("c1") == [(True, "")]
    assert "transfer tel:+49401" in call.told


async def test_the_door_s_line_cannot_be_transferred() -> None:
    call = FakeCall()
    control = CallControl(call, LocalSwitchboard(), call, DESKS)
    control.start()
    call.wish(Transfer(to="reception"))
    await call.heard(f"said {rules.NOT_PUT_THROUGH}")
    call.wish(HangUp(), "c2")

    assert await call.answered("c1", "c2") == [(False, "this line cannot be transferred"), (True, "")]
    await control.close()


async def test_in_a_pause_only_what_ends_it_is_answered(call: FakeCall) -> None:
    assert call.control.answers("what time is it")
    call.wish(Pause())
    await call.answered("c1")

    assert call.control.paused
    assert call.control.silent
    assert call.timer.running[0][0] == MAX_PAUSE_S
    assert not call.control.answers("no she said at eight")
    assert call.control.answers("hello i'm back")
    assert not call.control.paused
    assert call.timer.running == []
    assert call.control.answers("what time is it")


async def test_a_pause_is_over_when_its_time_is(call: FakeCall) -> None:
    call.wish(Pause(seconds=30))
    await call.answered("c1")
    assert call.timer.running[0][0] == 30

    call.timer.ring()

    assert not call.control.paused
    await call.heard(f"said {rules.STILL_THERE}")


async def test_a_second_pause_takes_the_place_of_the_first(call: FakeCall) -> None:
    call.wish(Pause(seconds=30))
    call.wish(Pause(seconds=60), "c2")
    await call.answered("c1", "c2")

    assert [seconds for seconds, _ in call.timer.running] == [60]


async def test_resumed_from_elsewhere_the_concierge_says_so(call: FakeCall) -> None:
    call.wish(Resume(), "c0")
    call.wish(Pause())
    await call.answered("c0", "c1")
    assert call.told == ["answered c0", "answered c1"], "there was nothing to resume"
    call.wish(Resume(), "c2")

    assert await call.answered("c2") == [(True, "")]
    assert not call.control.paused
    assert f"said {rules.LISTENING_AGAIN}" in call.told


async def test_what_is_to_be_said_is_said_and_cards_are_not_shown_yet(call: FakeCall) -> None:
    call.wish(Say(text="Your taxi is here."))
    call.wish(Show(card_id="card-1"), "c2")

    assert await call.answered("c1", "c2") == [(True, ""), (False, rules.NO_CARDS)]
    assert call.told[0] == "said Your taxi is here."


@pytest.mark.parametrize("command", [Pause(seconds=-1), Transfer(to="x" * 1_000), Say(text="")])
async def test_a_command_past_its_limits_is_not_carried_out(call: FakeCall, command: AnyCommand) -> None:
    call.wish(command)

    [(ok, detail)] = await call.answered("c1")
    assert not ok
    assert detail


async def test_one_thing_after_another_and_each_once(call: FakeCall) -> None:
    call.replies.asked("t1")
    call.wish(Pause(), turn_id="t1")
    call.wish(Say(text="x"), "c2")
    call.wish(Say(text="x"), "c2")
    call.wish(Pause(), turn_id="t1")
    await eventually(lambda: empty(call))
    call.replies.settled("t1", complete=True)
    await call.answered("c1", "c2")
    call.wish(Say(text="x"), "c2")
    call.wish(Say(text="y"), "c3")
    await call.answered("c3")

    assert call.told == ["answered c1", "said x", "answered c2", "said y", "answered c3"]


async def test_a_voice_that_fails_costs_a_sentence_and_no_command(call: FakeCall) -> None:
    call.mute = True
    call.wish(Say(text="x"))
    call.wish(Transfer(to="bar"), "c2")
    call.wish(Show(card_id="card"), "c3")

    answers = await call.answered("c1", "c2", "c3")
    assert [detail for _, detail in answers] == ["RuntimeError", rules.NO_SUCH_DESK, rules.NO_CARDS]


async def test_an_answer_that_cannot_be_recorded_does_not_stop_the_next_command(call: FakeCall) -> None:
    call.bus_away = True
    call.wish(Say(text="x"))
    await call.heard("said x")
    call.bus_away = False
    call.wish(Say(text="y"), "c2")

    assert await call.answered("c2") == [(True, "")]


async def test_what_the_end_of_the_call_leaves_undone_is_answered_once(call: FakeCall) -> None:
    call.replies.asked("t1")
    call.wish(HangUp(), turn_id="t1")
    call.wish(Say(text="x"), "c2")
    await eventually(lambda: empty(call))

    await call.control.close()
    await call.control.close()

    assert await call.answered("c1", "c2") == [(False, rules.CALL_ENDED)] * 2
    assert call.told == ["answered c1", "answered c2"]


async def test_a_transfer_over_which_the_guest_hangs_up_is_answered(call: FakeCall) -> None:
    call.answering.clear()
    call.wish(Transfer(to="reception"))
    await call.heard("transfer tel:+4940123")

    await call.control.close()

    assert await call.answered("c1") == [(False, rules.CALL_ENDED)]


async def test_the_hang_up_that_ends_the_call_is_not_cut_by_its_end(call: FakeCall) -> None:
    call.answering.clear()
    call.wish(HangUp())
    await call.heard("hung up")
    closing = asyncio.create_task(call.control.close())
    await asyncio.wait({closing}, timeout=0)
    call.answering.set()
    await closing

    assert await call.answered("c1") == [(True, "")]


@pytest.mark.parametrize(
    ("command", "overtaken", "answer"),
    [
        (HangUp(), False, (True, "")),
        (HangUp(), True, (False, rules.GUEST_WENT_ON)),
        (Pause(), False, (True, "")),
        (Resume(), False, (True, "")),
        (Say(text="x"), True, (True, "")),
        (Transfer(to="reception"), False, (False, rules.NOT_KNOWN)),
    ],
)
async def test_after_a_takeover_only_what_may_be_repeated_is_done(
    call: FakeCall, command: AnyCommand, overtaken: bool, answer: tuple[bool, str]
) -> None:
    call.wish(command, turn_id="t-before", inherited=True, overtaken=overtaken)

    assert await call.answered("c1") == [answer]
    assert not any(line.startswith("transfer") for line in call.told)
    if isinstance(command, Transfer):
        await call.heard(f"said {rules.OUTCOME_NOT_KNOWN}")
