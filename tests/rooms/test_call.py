"""`make call`: from the session to the recording, on a real server, with a concierge of one sentence."""

import argparse
import asyncio
import os
import pty
import sys
import time
import uuid
import wave
from pathlib import Path

import numpy as np
import pytest

import deploy.call.__main__ as terminal
from deploy.call.devices import Devices, NoSoundDevice
from deploy.call.guest import CallFailed
from deploy.call.microphone import Microphone
from deploy.call.session import Way
from deploy.call.voice import spoken, write_wav
from tests.rooms.desk import GUEST, concierge, open_desk
from tests.servers.livekit import LiveKitServer

ENV = {"BOTEL_API_KEY": "dev-call"}


@pytest.fixture
def room() -> str:
    return f"call-{uuid.uuid4().hex[:8]}"


def options(*given: str) -> argparse.Namespace:
    return terminal._parser().parse_args(given)


async def test_a_line_that_is_said_is_answered_shown_and_recorded(
    livekit_server: LiveKitServer, room: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    greeting, answer = await asyncio.to_thread(lambda: (spoken("good morning"), spoken("at seven")))
    out = tmp_path / "call.wav"
    async with (
        open_desk(livekit_server, room) as desk,
        concierge(livekit_server, room, greeting=greeting, answer=answer, hangs_up_after=9),
    ):
        said = ("--say", "what time is breakfast", "--url", desk.url, "--record", str(out), "--customer", "guest-204")
        await terminal.run(options(*said), ENV)

    assert desk.asked == [("Bearer dev-call", {"propertyId": "harbour", "customerId": "guest-204"})]
    shown = capsys.readouterr().out
    assert "you: What time is breakfast?" in shown
    assert "concierge: At seven." in shown
    assert "conversation c-1" in shown
    with wave.open(str(out)) as sound:
        both = np.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2").reshape(-1, 2)
    loud = [int(np.abs(both[:, side].astype(int)).max()) for side in (0, 1)]
    assert min(loud) > 1_000


async def test_a_file_is_played_and_a_concierge_who_hangs_up_ends_the_call(
    livekit_server: LiveKitServer, room: str, tmp_path: Path
) -> None:
    pcm = await asyncio.to_thread(spoken, "hello")
    write_wav(tmp_path / "hello.wav", pcm, b"")
    wav = ("--wav", str(tmp_path / "hello.wav"))
    async with (
        open_desk(livekit_server, room) as desk,
        concierge(livekit_server, room, greeting=pcm, answer=pcm, hangs_up_after=1),
    ):
        with pytest.raises(CallFailed, match=r"ended"):
            await terminal.run(options(*wav, *wav, *wav, "--url", desk.url), ENV)


async def test_lines_typed_in_a_spoken_call_are_sent_until_the_concierge_hangs_up(
    livekit_server: LiveKitServer, room: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    master, slave = pty.openpty()
    mouth = Microphone(time.time)
    way = Way(livekit_server.url, livekit_server.token(room, GUEST), room, "c-1")
    with os.fdopen(slave) as terminal_in, monkeypatch.context() as patched:
        patched.setattr(sys, "stdin", terminal_in)
        pcm = await asyncio.to_thread(spoken, "hello")
        async with concierge(livekit_server, room, greeting=pcm, answer=pcm, hangs_up_after=1) as voice:
            calling = asyncio.create_task(terminal.call(way, [], None, mouth))
            os.write(master, b"I am allergic to nuts.\n\nAnd to milk.\n")
            await voice.until(lambda: len(voice.texts) == 2, timeout_s=30, why="nothing typed arrives")
            greeted = voice.microphone.spoken
            await voice.until(lambda: greeted.span.length_s >= len(pcm) / 32_000, timeout_s=30, why="no greeting")
            mouth.feed(pcm)
            async with asyncio.timeout(60):
                await calling
    os.close(master)

    assert {text.text for text in voice.texts} == {"I am allergic to nuts.", "And to milk."}
    assert "the concierge has hung up" in capsys.readouterr().out


def test_a_machine_without_sound_is_told_what_works_without(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_here() -> Devices:
        raise NoSoundDevice("this machine has no microphone")

    monkeypatch.setattr(terminal, "Devices", none_here)
    monkeypatch.setattr(sys, "argv", ["call"])

    assert terminal.main() == 1
    assert "no microphone; --say" in capsys.readouterr().err


async def test_a_session_that_is_refused_says_why(livekit_server: LiveKitServer, room: str) -> None:
    async with open_desk(livekit_server, room) as desk:
        with pytest.raises(CallFailed, match=r"401 unauthorized; no such key; Send the property's key"):
            await terminal.run(options("--say", "hello", "--url", desk.url), {"BOTEL_API_KEY": "other"})


async def test_a_stack_that_does_not_run_is_called_so() -> None:
    with pytest.raises(CallFailed, match="make up"):
        await terminal.run(options("--say", "hello", "--url", "http://127.0.0.1:9"), ENV)
