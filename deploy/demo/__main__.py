"""`python -m deploy.demo`: the whole stack on free ports, one call, two text messages, a report. Exits 0 if all held.

--model openai   the real ChatOpenAI client against a local OpenAI-compatible server
--out DIR        where call.wav and report.json go (out/demo)
--store FILE     the context store's database: what was said stays readable after the demo (var/store.sqlite3)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp

from deploy.demo.checks import Check, all_ok, check_booking, check_cut, check_history, check_turns
from deploy.demo.hearing import words_audible
from deploy.demo.model import model_env, model_server
from deploy.demo.phone import SAMPLE_RATE, CallFailed, Event, Phone
from deploy.demo.report import Row, latency_line, turn_rows
from deploy.demo.scene import Scene
from deploy.demo.script import CUSTOMER_ID, PROPERTY_ID, SCRIPT
from deploy.demo.texting import Http
from deploy.local.env import API_KEY, new_api_key, without_settings
from deploy.local.redis_server import find_redis
from deploy.local.services import SERVICES
from deploy.local.stack import Stack, StartFailed
from services.voice_gateway.speech.espeak import Espeak, Voice
from services.voice_gateway.speech.resampling import resample

GUEST_VOICE = Voice("en-us+m6", 150)
_SETTLE_S = 20.0


class Printer:
    """The conversation as it happens."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def show(self, who: str, text: str) -> None:
        print(f"{time.monotonic() - self._start:6.1f}  {who:>18}: {text}", flush=True)

    def event(self, event: Event) -> None:
        match event["type"]:
            case "asked":
                self.show("recognised", event["text"])
            case "not-understood":
                self.show("not understood", event["text"])
            case "heard":
                self.show("guest heard", event["heard"] + ("" if event["complete"] else " --"))
            case "trouble":
                self.show("trouble", f"{event['part']}: {event['error']}")


async def run(out: Path, store: Path, model: str) -> bool:
    """Play the demo; whether everything that must happen did."""
    printer, key = Printer(), new_api_key()
    with tempfile.TemporaryDirectory(prefix="botel-demo-") as folder, model_server(model) as server_url:
        env = {**without_settings(os.environ), **model_env(model, server_url), API_KEY: key}
        data = Path(folder)
        async with _stack(data, env, store) as stack:
            print(f"stack on {stack.text_url}; the call begins", flush=True)
            scene, phone = await _play(stack, key, printer)
            phone.write_wav(out / "call.wav")
            events, before = await _settled(stack, key, scene)
        shutil.rmtree(data / "redis", ignore_errors=True)
        print("stack ended, Redis's data deleted, stack started again", flush=True)
        async with _stack(data, env, store) as stack, aiohttp.ClientSession() as session:
            http = Http(session, stack.text_url, stack.store_url, key)
            after = await http.messages(scene.conversation_id)
    rows = _rows(events, scene)
    (out / "report.json").write_text(_report(scene, rows, model), encoding="utf-8")
    _show_rows(rows)
    checks = [*check_turns(rows, scene.texted_during), check_booking(events), check_history(before, after)]
    checks += await asyncio.to_thread(_check_cuts, rows, scene, bytes(phone.concierge))
    print(f"\nwritten: {out / 'call.wav'} (guest left, concierge right), {out / 'report.json'}\n")
    return all_ok(checks, print)


@asynccontextmanager
async def _stack(data: Path, env: Mapping[str, str], store: Path) -> AsyncIterator[Stack]:
    kept = {"BOTEL_STORE_PATH": str(store)}
    services = [
        replace(service, env={**service.env, **kept}) if service.name == "context_store" else service
        for service in SERVICES
    ]
    async with Stack(data, env=env, redis=find_redis(env), services=services) as stack:
        yield stack


async def _play(stack: Stack, key: str, printer: Printer) -> tuple[Scene, Phone]:
    espeak = Espeak()

    def voice(line: str) -> bytes:
        said = espeak.synthesise(line, GUEST_VOICE)
        return resample(said.pcm, said.sample_rate, SAMPLE_RATE)

    hello = {"property_id": PROPERTY_ID, "customer_id": CUSTOMER_ID}
    url = stack.voice_url.replace("http://", "ws://") + "/call"
    async with aiohttp.ClientSession() as session, Phone(url, hello, printer.event) as phone:
        http = Http(session, stack.text_url, stack.store_url, key)
        scene = Scene(phone, http, voice, printer.show)
        await scene.play(SCRIPT)
    return scene, phone


async def _settled(stack: Stack, key: str, scene: Scene) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Events and messages once the store has the end of the call."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(_SETTLE_S):
        http = Http(session, stack.text_url, stack.store_url, key)
        while True:
            events = await http.events(scene.conversation_id)
            if any(event["type"] == "call.ended" for event in events):
                return events, await http.messages(scene.conversation_id)
            await asyncio.sleep(0.2)


def _rows(events: Sequence[Mapping[str, Any]], scene: Scene) -> list[Row]:
    rows = turn_rows(events, scene.lines)
    for turn, _, elapsed in scene.written:
        for row in rows:
            if row["turnId"] == turn:
                row["timings_ms"]["answer_ms"] = round(elapsed, 1)
    return rows


def _show_rows(rows: Sequence[Row]) -> None:
    print("\nlatency per turn")
    for row in rows:
        error = f", word error rate {row['wordErrorRate']:.2f}" if row.get("wordErrorRate") is not None else ""
        print(f"  {row['channel']:5} {row['said']!r}{error}\n        {latency_line(row)}")


def _check_cuts(rows: Sequence[Row], scene: Scene, concierge: bytes) -> list[Check]:
    checks = []
    for row in rows:
        if row["turnId"] in scene.cuts:
            start, end = scene.cuts[row["turnId"]]
            audible = words_audible(concierge[start * 2 : end * 2], row["generated"])
            checks.append(check_cut(row, audible))
    return checks


def _report(scene: Scene, rows: Sequence[Row], model: str) -> str:
    report = {"conversationId": scene.conversation_id, "model": model, "turns": list(rows)}
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=("offline", "openai"), default="offline")
    parser.add_argument("--out", type=Path, default=Path("out/demo"))
    parser.add_argument("--store", type=Path, default=Path("var/store.sqlite3"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    options.store.parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        held = asyncio.run(run(options.out, options.store.absolute(), options.model))
    except (CallFailed, StartFailed, aiohttp.ClientError, TimeoutError) as error:
        print(f"the demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print("\nall of it happened" if held else "\nnot all of it happened")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
