"""`make call`, `python -m deploy.call`: a call in a room, from this terminal, with transcripts of both sides.

    python -m deploy.call                                       microphone and loudspeaker; typed lines are sent, too
    python -m deploy.call --say "what time is breakfast"        says it and waits for the answer (several: in turn)
    python -m deploy.call --wav question.wav --record call.wav  the same from a file; both sides into another

Needs a stack with rooms: `make up`, with `make livekit-server` before it or LIVEKIT_URL set.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.call.devices import Devices, NoSoundDevice
from deploy.call.guest import CHAT, CallFailed, Mouth, RoomGuest, Text
from deploy.call.keyboard import Keyboard
from deploy.call.session import Way, open_session
from deploy.call.voice import read_wav, spoken, write_wav
from deploy.local.env import API_KEY, merged_env, read_dotenv
from deploy.local.ports import HOST
from deploy.local.stack import ROOT
from deploy.local.state import Files, ports_of
from services.voice_gateway.ports import VoiceUnavailable

_GREETING_S = 30.0
_ANSWER_S = 60.0
_TEXT_PORT = 8080
_LONGEST_S = 86_400.0


class Printer:
    """The call as it goes."""

    def __init__(self, guest: str = "you") -> None:
        self.identity = ""
        self._guest = guest
        self._start = time.monotonic()

    def show(self, who: str, text: str) -> None:
        print(f"{time.monotonic() - self._start:6.1f}  {who:>10}: {text}", flush=True)

    def text(self, text: Text) -> None:
        if text.final and text.text.strip():
            own = self._guest if text.sender == self.identity else "concierge"
            self.show(f"{own}, typed" if text.topic == CHAT else own, text.text.strip())


async def call(way: Way, sayings: Sequence[bytes], record: Path | None, mouth: Mouth | None) -> None:
    """Go through with one call; `mouth` speaks instead of what there is to say. `CallFailed` when nobody answers."""
    printer = Printer()
    async with RoomGuest(mouth=mouth, on_text=printer.text) as guest:
        try:
            await guest.join(way.url, way.token)
            printer.identity = guest.room.local_participant.identity if guest.room else ""
            printer.show("call", f"in room {way.room}, conversation {way.conversation_id}")
            if mouth is None:
                await _say_all(guest, sayings, printer)
            else:
                await _talk(guest, printer)
        finally:
            if record:
                _record(record, guest)
                printer.show("call", f"recorded: {record} (you left, concierge right)")


async def _say_all(guest: RoomGuest, sayings: Sequence[bytes], printer: Printer) -> None:
    """Each after the answer to the one before is over; the greeting first."""
    await guest.speech(timeout_s=_GREETING_S, why="no concierge has come")
    for pcm in sayings:
        said = await guest.say(pcm)
        answer = await guest.speech(said.end_s, timeout_s=_ANSWER_S, why="no answer")
        printer.show("call", f"answered {answer.start_s - said.end_s:.1f} s after you")


async def _talk(guest: RoomGuest, printer: Printer) -> None:
    """Until Ctrl-C, or until the concierge hangs up. Lines that are typed are sent."""
    printer.show("call", "speak, or type a line; Ctrl-C hangs up")
    with Keyboard(sys.stdin.fileno() if sys.stdin.isatty() else -1) as typed:
        while not guest.drops:
            await guest.until(lambda: typed.lines or guest.drops, timeout_s=_LONGEST_S, why="a call has an end")
            while typed.lines and guest.connected:
                await guest.write(typed.lines.popleft())
    printer.show("call", "the concierge has hung up")


def _record(path: Path, guest: RoomGuest) -> None:
    """From the first sound of either side to the last."""
    spans = [side.span for side in (guest.microphone.spoken, guest.heard) if side.span.length_s]
    if spans:
        start, end = min(span.start_s for span in spans), max(span.end_s for span in spans)
        write_wav(path, guest.microphone.spoken.pcm(start, end), guest.heard.pcm(start, end))


def _text_url(env: Mapping[str, str]) -> str:
    """Of the stack that runs in this checkout, else where Compose publishes it."""
    running = Files(Path(env.get("BOTEL_VAR") or ROOT / "var")).running()
    if running and running["text_url"]:
        return running["text_url"]
    return f"http://{HOST}:{ports_of(env, {'TEXT': _TEXT_PORT})['TEXT']}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.call", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--say", action="append", default=[], metavar="TEXT", help="say this, synthesised")
    parser.add_argument("--wav", action="append", default=[], type=Path, metavar="FILE", help="play this, 16 bits")
    parser.add_argument("--record", type=Path, metavar="FILE", help="write both sides into a WAV file")
    parser.add_argument("--url", default="", help="of the text gateway; the stack that runs here if not given")
    parser.add_argument("--property", default="harbour", dest="property_id")
    parser.add_argument("--customer", default="", metavar="ID", help="call as a guest that the hotel knows")
    parser.add_argument("--conversation", default="", metavar="ID", help="take part in this conversation")
    return parser


async def run(options: argparse.Namespace, env: Mapping[str, str]) -> None:
    """Prepare what is to be said, open the session, call."""
    sayings = [await asyncio.to_thread(spoken, line) for line in options.say]
    sayings += [await asyncio.to_thread(read_wav, path) for path in options.wav]
    devices = None if sayings else Devices()
    try:
        if devices:
            print(devices.told, flush=True)
        known = {"customerId": options.customer, "conversationId": options.conversation}
        guest = {"propertyId": options.property_id, **{name: value for name, value in known.items() if value}}
        way = await open_session(options.url or _text_url(env), env.get(API_KEY, ""), guest)
        await call(way, sayings, options.record, devices)
    finally:
        if devices:
            devices.release()


def main() -> int:
    options = _parser().parse_args()
    # What breaks is said here, once; the rooms' own log is about how.
    logging.basicConfig(level=logging.CRITICAL)
    try:
        asyncio.run(run(options, merged_env(os.environ, read_dotenv(ROOT / ".env"))))
    except NoSoundDevice as error:
        print(f'{error}; --say "what time is breakfast" or --wav FILE work without', file=sys.stderr)
        return 1
    except (CallFailed, VoiceUnavailable, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
