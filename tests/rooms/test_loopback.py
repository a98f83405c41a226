"""The real server carries speech and text between participants of a room on loopback, and the guest measures it."""

import asyncio
import time
import uuid

import pytest
from livekit import api

from deploy.call.guest import CHAT, TRANSCRIPTION, CallFailed, RoomGuest, everyone
from deploy.call.voice import spoken
from services.voice_gateway.domain.wording import word_error_rate
from tests.rooms.hearing import understood
from tests.servers.livekit import LiveKitServer, need_livekit, running_livekit

LINE = "what time is breakfast served in the morning"
SOON_S = 30.0


@pytest.fixture
def room() -> str:
    return f"loopback-{uuid.uuid4().hex[:8]}"


async def meet(server: LiveKitServer, room: str, guest: RoomGuest, other: RoomGuest) -> None:
    """Both in the room, each receiving the other's sound."""
    await other.join(server.url, server.token(room, "other"))
    await guest.join(server.url, server.token(room, "guest"))
    await hears_since(guest, 0.0)
    await hears_since(other, 0.0)


async def hears_since(guest: RoomGuest, since_s: float) -> None:
    """Returns when the guest has received sound, be it silence, of after a time."""
    await guest.until(lambda: guest.heard.span.end_s > since_s, timeout_s=SOON_S, why="no sound arrives")


async def test_what_one_says_the_other_hears_and_can_be_recognised(livekit_server: LiveKitServer, room: str) -> None:
    pcm = await asyncio.to_thread(spoken, LINE)
    async with RoomGuest(hears=everyone) as guest, RoomGuest(hears=everyone) as other:
        await meet(livekit_server, room, guest, other)

        said = await guest.say(pcm)
        heard = await other.speech(said.start_s, timeout_s=SOON_S)

        text = await asyncio.to_thread(understood, other.heard.pcm(heard.start_s, heard.end_s))
        assert word_error_rate(LINE, text) <= 0.25
        assert heard.start_s >= said.start_s
        assert guest.heard.voiced() == []


async def test_typed_words_arrive(livekit_server: LiveKitServer, room: str) -> None:
    async with RoomGuest(hears=everyone) as guest, RoomGuest(hears=everyone) as other:
        await meet(livekit_server, room, guest, other)

        await guest.write("I am allergic to nuts.")

        text = await other.until(lambda: other.texts, timeout_s=SOON_S, why="no text")
        assert [(one.topic, one.sender, one.text, one.final) for one in text] == [
            (CHAT, "guest", "I am allergic to nuts.", True)
        ]


async def test_what_is_transcribed_can_be_read_while_it_is_spoken(livekit_server: LiveKitServer, room: str) -> None:
    async with RoomGuest(hears=everyone) as guest, RoomGuest(hears=everyone) as other:
        await meet(livekit_server, room, guest, other)
        assert other.room
        attributes = {"lk.transcription_final": "false", "lk.segment_id": "one"}
        writer = await other.room.local_participant.stream_text(topic=TRANSCRIPTION, attributes=attributes)

        await writer.write("At ")
        await guest.until(lambda: guest.texts, timeout_s=SOON_S, why="nothing is read before the end")
        await writer.write("seven.")
        await writer.aclose(attributes={"lk.transcription_final": "true"})

        last = await guest.until(
            lambda: next((one for one in guest.texts if one.final), None), timeout_s=SOON_S, why="it has no end"
        )
        assert [(one.text, one.final) for one in guest.texts][:2] == [("At ", False), ("At seven.", False)]
        assert (last.text, last.segment) == ("At seven.", "one")


async def test_a_transcript_that_is_read_after_the_final_one_does_not_replace_it(
    livekit_server: LiveKitServer, room: str
) -> None:
    async def transcribe(said: RoomGuest, text: str, segment: str, final: str) -> None:
        assert said.room
        attributes = {"lk.transcription_final": final, "lk.segment_id": segment}
        await said.room.local_participant.send_text(text, topic=TRANSCRIPTION, attributes=attributes)

    async with RoomGuest(hears=everyone) as guest, RoomGuest(hears=everyone) as other:
        await meet(livekit_server, room, guest, other)

        await transcribe(other, "At seven.", "one", "true")
        await transcribe(other, "At", "one", "false")
        await transcribe(other, "No.", "two", "true")

        await guest.until(lambda: sum(one.final for one in guest.texts) == 2, timeout_s=SOON_S, why="no end")
        latest = {one.segment: (one.text, one.final) for one in guest.texts}
        assert latest == {"one": ("At seven.", True), "two": ("No.", True)}


async def test_a_guest_comes_back_into_the_call_and_is_heard_again(livekit_server: LiveKitServer, room: str) -> None:
    pcm = await asyncio.to_thread(spoken, "hello")
    async with RoomGuest(hears=everyone) as guest, RoomGuest(hears=everyone) as other:
        await meet(livekit_server, room, guest, other)
        first = await guest.say(pcm)
        await other.speech(first.start_s, timeout_s=SOON_S)

        await guest.leave()
        await other.until(lambda: not other.concierges, timeout_s=SOON_S, why="still there")
        away_s = time.time()
        await guest.join(livekit_server.url, livekit_server.token(room, "guest"))
        await hears_since(other, away_s)
        again = await guest.say(pcm)

        heard = await other.speech(again.start_s, timeout_s=SOON_S)
        assert other.heard.longest_silence(first.start_s, heard.end_s).length_s > 0
        assert len(other.heard.voiced()) == 2
        assert guest.drops == []


async def test_a_guest_hears_only_whom_it_listens_to(livekit_server: LiveKitServer, room: str) -> None:
    pcm = await asyncio.to_thread(spoken, "hello")
    async with RoomGuest() as guest, RoomGuest(hears=everyone) as other, RoomGuest(hears=everyone) as third:
        await meet(livekit_server, room, third, other)
        await guest.join(livekit_server.url, livekit_server.token(room, "deaf"))

        said = await other.say(pcm)
        await third.speech(said.start_s, timeout_s=SOON_S)

        assert guest.concierges == []
        assert guest.heard.span.length_s == 0


async def test_a_token_of_another_server_opens_no_room(livekit_server: LiveKitServer, room: str) -> None:
    token = livekit_server.token(room, "guest") + "x"

    async with RoomGuest() as guest:
        with pytest.raises(CallFailed, match="cannot be joined"):
            await guest.join(livekit_server.url, token)
        assert not guest.connected
        with pytest.raises(CallFailed, match="no call"):
            await guest.say(bytes(640))


async def test_whoever_is_put_out_of_the_room_is_told_so(livekit_server: LiveKitServer, room: str) -> None:
    async with RoomGuest(hears=everyone) as guest, RoomGuest(hears=everyone) as other:
        await meet(livekit_server, room, guest, other)
        async with livekit_server.api() as server:
            await server.room.delete_room(api.DeleteRoomRequest(room=room))

        await guest.until(lambda: guest.drops, timeout_s=SOON_S, why="not told")
        assert guest.drops == ["ROOM_DELETED"]
        with pytest.raises(CallFailed):
            await guest.until(lambda: other.texts, timeout_s=0.01, why="no text")


def test_a_server_that_was_stopped_starts_again_where_it_was() -> None:
    need_livekit()
    with running_livekit() as server:
        url, pid = server.url, server.pid
        server.stop()
        server.start()
        assert server.url == url
        assert server.pid != pid
