"""What is asked of a call, over the real bus: to the call that it is meant for, once, also after a takeover."""

from __future__ import annotations

import asyncio

import pytest

from libs.contracts.commands import AnyCommand, HangUp, Pause, Resume, Transfer
from libs.contracts.errors import BusUnavailable, TooLarge
from libs.contracts.events import (
    Author,
    Channel,
    CommandCompleted,
    CommandRequested,
    MessageReceived,
    ReplyHeard,
    ReplyStatus,
)
from libs.contracts.limits import MAX_COMMAND_DETAIL_CHARS, MAX_MESSAGE_BYTES
from services.voice_gateway.bus_link import BusLink
from services.voice_gateway.ports import CallCommand, CallerIdentity
from tests.integration.voice_gateway.test_bus_link import (
    GUEST,
    Stage,
    brain,
    break_subscription,
    log,
    staged,
    turn,
)


async def request(
    stage: Stage,
    link: BusLink,
    command_id: str,
    command: AnyCommand,
    *,
    call_id: str = "call-1",
    turn_id: str = "turn-1",
    author: Author = Author.CONCIERGE,
    trace: str = "",
) -> None:
    await stage.conversations.append(
        CommandRequested(
            id=f"{command_id}.requested",
            time_ms=1,
            property_id="harbour",
            conversation_id=link.conversation_id,
            turn_id=turn_id,
            trace=trace,
            author=author,
            channel=Channel.VOICE,
            command_id=command_id,
            command=command,
            call_id=call_id,
        )
    )


async def take(link: BusLink, count: int) -> list[CallCommand]:
    """The next commands."""
    found: list[CallCommand] = []
    async with asyncio.timeout(30):
        async for command in link.commands():
            found.append(command)
            if len(found) == count:
                break
    return found


async def again(stage: Stage, link: BusLink) -> BusLink:
    """Another gateway takes part in the same conversation."""
    await link.close()
    return await stage.exchange.connect(CallerIdentity(property_id="harbour", conversation_id=link.conversation_id))


async def test_a_call_is_handed_what_is_meant_for_it_and_once(redis_url: str) -> None:
    async with staged(redis_url) as stage, brain(stage, ["Goodbye."]):
        link = await stage.exchange.connect(GUEST)
        await link.call_started("call-1")
        assert [piece async for piece in link.ask(turn(), deadline_ms=5_000)]
        await request(stage, link, "cmd-1", Pause(seconds=5))
        await request(stage, link, "cmd-1", Pause(seconds=5))
        await request(stage, link, "cmd-2", HangUp(), call_id="call-2")
        await request(stage, link, "cmd-3", Transfer(to="bar"), call_id="", turn_id="", author=Author.STAFF)

        assert await take(link, 2) == [
            CallCommand(command_id="cmd-1", command=Pause(seconds=5), turn_id="turn-1"),
            CallCommand(command_id="cmd-3", command=Transfer(to="bar"), by_staff=True),
        ]
        await link.close()


async def test_a_subscription_that_begins_again_repeats_no_command(redis_url: str) -> None:
    async with staged(redis_url) as stage:
        link = await stage.exchange.connect(GUEST)
        await link.call_started("call-1")
        await request(stage, link, "cmd-1", Pause())
        await take(link, 1)
        break_subscription(stage.feed)
        await request(stage, link, "cmd-2", Resume())

        assert [command.command_id for command in await take(link, 1)] == ["cmd-2"]
        await link.close()


async def test_a_command_is_answered_once_and_in_its_turn(redis_url: str) -> None:
    async with staged(redis_url) as stage:
        link = await stage.exchange.connect(GUEST)
        await link.call_started("call-1")
        await request(stage, link, "cmd-1", Transfer(to="bar"))
        await take(link, 1)
        await link.command_done("cmd-1", ok=False, detail="x" * 1_000)
        await link.command_done("cmd-1", ok=True)
        events = await log(stage, link)
        await link.close()
    [done] = [event for event in events if isinstance(event, CommandCompleted)]
    assert (done.id, done.command_id, done.ok, done.turn_id) == ("cmd-1.completed", "cmd-1", False, "turn-1")
    assert done.detail == "x" * MAX_COMMAND_DETAIL_CHARS


async def test_who_takes_a_call_over_finds_what_was_left(redis_url: str) -> None:
    async with staged(redis_url) as stage, brain(stage, ["Yes."]):
        first = await stage.exchange.connect(GUEST)
        await first.call_started("call-1")
        await request(stage, first, "cmd-1", Pause())
        await take(first, 1)
        await first.command_done("cmd-1", ok=True)
        await request(stage, first, "cmd-2", Pause())
        assert [piece async for piece in first.ask(turn("turn-2"), deadline_ms=5_000)]
        await request(stage, first, "cmd-3", HangUp(), turn_id="turn-2")
        await request(stage, first, "cmd-4", HangUp(), call_id="call-0")

        second = await again(stage, first)
        await second.call_started("call-1")
        await request(stage, second, "cmd-5", Resume(), turn_id="turn-3")

        assert await take(second, 3) == [
            CallCommand(command_id="cmd-2", command=Pause(), turn_id="turn-1", inherited=True, overtaken=True),
            CallCommand(command_id="cmd-3", command=HangUp(), turn_id="turn-2", inherited=True),
            CallCommand(command_id="cmd-5", command=Resume(), turn_id="turn-3"),
        ]
        await second.close()


async def test_a_new_call_does_not_end_because_the_last_one_should_have(redis_url: str) -> None:
    async with staged(redis_url) as stage:
        first = await stage.exchange.connect(GUEST)
        await first.call_started("call-1")
        await request(stage, first, "cmd-1", HangUp(), call_id="")

        second = await again(stage, first)
        await second.call_started("call-2")
        await request(stage, second, "cmd-2", Pause(), call_id="call-2")

        assert [command.command_id for command in await take(second, 1)] == ["cmd-2"]
        await second.close()


async def test_what_the_gateway_before_still_answers_is_not_done_again(redis_url: str) -> None:
    async with staged(redis_url) as stage:
        slow = await stage.exchange.connect(GUEST)
        await slow.call_started("call-1")
        await request(stage, slow, "cmd-1", Pause())
        link = await stage.exchange.connect(GUEST)
        await link.call_started("call-1")
        await slow.command_done("cmd-1", ok=True)
        await request(stage, link, "cmd-2", Resume())
        async with asyncio.timeout(30):
            async for event in link.elsewhere():
                if event.id == "cmd-2.requested":
                    break

        assert [command.command_id for command in await take(link, 1)] == ["cmd-2"]
        await link.close()
        await slow.close()


async def test_the_line_s_end_ends_the_commands(redis_url: str) -> None:
    async with staged(redis_url) as stage:
        link = await stage.exchange.connect(GUEST)
        await link.call_started("call-1")
        await link.close()
        async with asyncio.timeout(30):
            assert [command async for command in link.commands()] == []


async def test_what_is_typed_in_a_call_is_a_text_turn_of_the_conversation(redis_url: str) -> None:
    async with staged(redis_url) as stage, brain(stage, ["It is ", "on the roof."]):
        link = await stage.exchange.connect(GUEST)
        pieces = [piece.text async for piece in link.write("turn-7", "where is the pool?")]
        events = await log(stage, link)
        await link.close()
    assert "".join(pieces) == "It is on the roof."
    message = next(event for event in events if isinstance(event, MessageReceived))
    assert (message.channel, message.text, message.turn_id) == (Channel.TEXT, "where is the pool?", "turn-7")
    assert message.speech is None
    assert not [event for event in events if isinstance(event, ReplyHeard)]


async def test_a_message_that_comes_again_after_its_answer_is_answered_again(redis_url: str) -> None:
    async with staged(redis_url) as stage, brain(stage, ["It is ", "on the roof."]):
        link = await stage.exchange.connect(GUEST)
        async with asyncio.timeout(20):
            asked = [[piece async for piece in link.write("turn-7", "where is the pool?")] for _ in range(3)]
        events = await log(stage, link)
        await link.close()
    assert {"".join(piece.text for piece in pieces) for pieces in asked} == {"It is on the roof."}
    assert {pieces[-1].end for pieces in asked} == {ReplyStatus.FINISHED}
    assert len([event for event in events if isinstance(event, MessageReceived)]) == 1, "asked once"


async def test_a_message_that_comes_twice_at_once_is_answered_to_both(redis_url: str) -> None:
    gate = asyncio.Event()

    async def words(link: BusLink) -> str:
        said = ""
        async for piece in link.write("turn-7", "where is the pool?"):
            said += piece.text
        return said

    async with staged(redis_url) as stage, brain(stage, ["It is ", "on the roof."], gate):
        link = await stage.exchange.connect(GUEST)
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            both = [group.create_task(words(link)) for _ in range(2)]
            gate.set()
        events = await log(stage, link)
        await link.close()
    assert [one.result() for one in both] == ["It is on the roof."] * 2
    assert len([event for event in events if isinstance(event, MessageReceived)]) == 1, "asked once"


async def test_what_is_typed_has_a_limit_and_a_broken_line_takes_nothing(redis_url: str) -> None:
    async with staged(redis_url) as stage:
        link = await stage.exchange.connect(GUEST)
        with pytest.raises(TooLarge):
            await anext(link.write("turn-1", "x" * (MAX_MESSAGE_BYTES + 1)))
        (subscription,) = (one for group in stage.feed._followers.values() for one in group)
        subscription.close()
        async with asyncio.timeout(30):
            with pytest.raises(BusUnavailable):
                await anext(link.write("turn-2", "hello"))
        assert not [event for event in await log(stage, link) if getattr(event, "text", "").startswith("x")]
        await link.close()
