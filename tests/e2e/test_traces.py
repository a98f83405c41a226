"""One turn is one trace, over every process that has a part in it; and nobody's words are in it or in the logs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from libs.contracts.trace import parse_traceparent
from services.voice_gateway.speech.espeak import Espeak
from tests.eventually import eventually
from tests.integration.brain.brains import busy_one, running_brains
from tests.integration.text_gateway.processes import GatewayProcess, running_gateways
from tests.integration.voice_gateway.processes import Caller, running_voice
from tests.servers.otlp import Collected, exporting, orphans, running_collector

CHAT = "/llm/conversations/"
CLIENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SPOKEN = "what time is breakfast served on monday"
MARKER = "Zanzibarov"
WRITTEN = f"My reservation code is HB2041 and my last name is {MARKER}"
BUS = ("turn", "send turns", "wait for a brain", "process turns", "load context", "send chunks", "receive chunks")
BRAIN = {"wait for a brain", "process turns", "load context", "send chunks"}


def body(text: str, customer: str = "guest-204") -> dict[str, str]:
    return {"propertyId": "harbour", "customerId": customer, "message": text}


async def ask(gateway: GatewayProcess, text: str, **headers: str) -> dict[str, Any]:
    answer = await gateway.client.post(CHAT, json=body(text), headers=headers)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def named(spans: Sequence[Collected], name: str) -> Collected:
    return next(span for span in spans if span.name.startswith(name))


def in_order(spans: Sequence[Collected], *names: str) -> None:
    """They begin one after another, and none of them ends before it begins."""
    begun = [named(spans, name).begin for name in names]
    assert begun == sorted(begun), list(zip(names, begun, strict=True))
    assert all(span.begin <= span.end for span in spans)


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


async def test_a_spoken_turn_and_a_written_one_are_a_trace_each_and_bear_no_words(
    redis_url: str, tmp_path: Path
) -> None:
    voice_log, text_log = tmp_path / "voice.log", tmp_path / "text.log"
    async with asyncio.timeout(240), running_collector() as collector:
        env = exporting(collector.url)
        async with (
            running_brains(1, redis_url, tmp_path / "h.sqlite3", **env) as [brain],
            running_voice(1, redis_url, voice_log, **env) as [voice],
            running_gateways(1, redis_url, text_log, **env) as [text],
        ):
            async with voice.call() as socket:
                caller = Caller(socket)
                await caller.hello(customer_id="guest-204")
                await caller.say(SPOKEN, Espeak())
                heard = await caller.until("heard")
            assert heard["complete"]
            written = await ask(text, WRITTEN, traceparent=CLIENT)

            names = (*BUS, "transcribe", "decide end of turn", "chat", "execute_tool", "synthesise speech", "playout")
            spoken = await collector.trace_with(*BUS, "playout", turn_id=heard["turn_id"])
            check_spoken(spoken, names)
            check_written(await collector.trace_with(*BUS, turn_id=written["turnId"]))
            await eventually(lambda: _calls(collector.spans), bool)
        check_logs([brain.log, voice_log, text_log], spoken, written["turnId"])
        raw = b"".join(collector.raw)
    for word in (MARKER, "breakfast", "Breakfast"):
        assert word.encode() not in raw
        assert all(word not in log.read_text() for log in (brain.log, voice_log, text_log))


async def _calls(spans: Sequence[Collected]) -> list[Collected]:
    """The call is a trace of its own, exported at its end, to which its turns point."""
    turns = [span for span in spans if span.name == "turn" and span.links]
    return [span for span in spans if span.name == "call" and span.trace_id in turns[0].links]


def check_spoken(spans: Sequence[Collected], names: Sequence[str]) -> None:
    assert {span.service for span in spans} == {"voice_gateway", "brain"}
    assert all(any(span.name.startswith(name) for span in spans) for name in names), [span.name for span in spans]
    assert orphans(spans) == []
    assert [span.name for span in spans if not span.parent_id] == ["turn"], "one root"
    assert all((span.service == "brain") is (span.name in BRAIN) for span in spans if span.name in BUS)
    in_order(spans, "turn", "send turns", "process turns", "chat", "send chunks", "synthesise speech", "playout")
    turn, playout = named(spans, "turn"), named(spans, "playout")
    assert turn.begin <= min(span.begin for span in spans)
    assert turn.end >= max(span.end for span in spans if span.name not in ("process turns", "send chunks"))
    assert turn.attributes["botel.heard.complete"] is True
    assert playout.attributes["botel.heard_ms"] > 0
    for span in spans:
        assert span.attributes.get("botel.turn_id") or span.attributes["messaging.system"] == "redis"
    model = named(spans, "chat")
    assert model.attributes["gen_ai.usage.output_tokens"] > 0
    assert model.attributes["gen_ai.response.time_to_first_chunk"] > 0
    tool = named(spans, "execute_tool")
    assert (tool.attributes["gen_ai.tool.name"], tool.attributes["botel.tool.ok"]) == ("property_info", True)
    assert tool.attributes["gen_ai.tool.call.arguments"] == "(masked)"
    run = named(spans, "process turns")
    assert (run.kind, run.attributes["botel.attempt"], run.attributes["botel.epoch"] > 0) == ("CONSUMER", 1, True)


def check_written(spans: Sequence[Collected]) -> None:
    client = parse_traceparent(CLIENT)
    assert client
    turn = named(spans, "turn")
    assert (turn.trace_id, turn.parent_id, turn.kind) == (client.trace_id, client.span_id, "SERVER")
    assert orphans(spans) == ["turn"], "its parent is the client's"
    assert {span.service for span in spans} == {"text_gateway", "brain"}
    in_order(spans, "turn", "send turns", "process turns", "chat", "send chunks", "receive chunks")


def check_logs(logs: Sequence[Path], spoken: Sequence[Collected], written: str) -> None:
    """Each process that had a part in a turn says so, under the same trace."""
    brain, voice, text = map(lines, logs)
    spans = {span.span_id for span in spoken}
    for service, message in ((voice, "turn accepted"), (brain, "turn answered")):
        [line] = [line for line in service if line["message"] == message and line["trace_id"] == spoken[0].trace_id]
        assert line["span_id"] in spans
        assert line["text"] == "(masked)"
    [accepted] = [line for line in text if line["message"] == "turn accepted"]
    assert (accepted["turn_id"], accepted["trace_id"]) == (written, CLIENT.split("-")[1])
    of_turns = [line for line in (*brain, *voice, *text) if "turn_id" in line]
    assert all("trace_id" in line and "span_id" in line for line in of_turns)


async def test_words_are_in_logs_and_spans_when_they_are_shown(redis_url: str, tmp_path: Path) -> None:
    log = tmp_path / "text.log"
    async with asyncio.timeout(240), running_collector() as collector:
        env = {**exporting(collector.url), "BOTEL_SHOW_WORDS": "true"}
        async with (
            running_brains(1, redis_url, tmp_path / "h.sqlite3", **env) as [brain],
            running_gateways(1, redis_url, log, **env) as [text],
        ):
            answer = await ask(text, WRITTEN)
            spans = await collector.trace_with(*BUS, turn_id=answer["turnId"])
        assert named(spans, "turn").attributes["botel.question"] == WRITTEN
        assert MARKER in named(spans, "execute_tool").attributes["gen_ai.tool.call.arguments"]
        assert named(spans, "process turns").attributes["botel.reply"] == answer["response"]
        assert MARKER in log.read_text()
        assert [line["text"] for line in lines(brain.log) if line["message"] == "turn answered"] == [answer["response"]]


async def test_the_run_after_a_killed_one_is_in_the_same_trace_and_no_turn_needs_the_collector(
    redis_url: str, tmp_path: Path
) -> None:
    async with asyncio.timeout(240), contextlib.AsyncExitStack() as collecting:
        collector = await collecting.enter_async_context(running_collector())
        env = exporting(collector.url)
        # Its lease outlives a moment in which the machine does something else: one run, until it is killed.
        slow = {"BRAIN_OFFLINE_TOKEN_S": "0.04", "BOTEL_BUS_LEASE_MS": "4000"}
        async with (
            running_brains(2, redis_url, tmp_path / "h.sqlite3", **slow, **env) as brains,
            running_gateways(1, redis_url, **env) as [text],
        ):
            asking = asyncio.create_task(ask(text, "I would like to hear about the pool and the spa."))
            dying = await busy_one(brains)
            await dying.end(signal.SIGKILL)
            answer = await asking
            spans = await collector.trace_with("turn", "process turns", turn_id=answer["turnId"])
            runs = [span for span in spans if span.name == "process turns"]
            assert [run.attributes["botel.attempt"] for run in runs] == [2], "the first one could tell nobody"
            assert runs[0].parent_id == named(spans, "turn").span_id
            assert runs[0].attributes["botel.reply.status"] == "finished"

            await collecting.aclose()
            assert (await ask(text, "Is there parking?"))["status"] == "finished"
            [left] = [brain for brain in brains if brain is not dying]
            assert await left.end() == 0, "nor does its end"
