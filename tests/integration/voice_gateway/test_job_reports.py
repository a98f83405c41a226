"""What a call's own process counts reaches the gateway that Prometheus asks."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from libs.bus.observer import Observer
from libs.observability import names
from libs.observability.metrics import BusMetrics
from services.voice_gateway.job_reports import _MOST, JobReports, Reporter, log_and_tell
from services.voice_gateway.speech.failure import ProviderChange
from services.voice_gateway.speech.metrics import SpeechMetrics
from tests.eventually import eventually
from tests.unit.observability.exposition import value


async def reaches(number: int, registry: CollectorRegistry, name: str, **labels: str) -> None:
    async def told() -> float:
        return value(registry, name, **labels)

    await eventually(told, lambda now: now == number, within_s=5)


@asynccontextmanager
async def gateway() -> AsyncIterator[tuple[JobReports, CollectorRegistry]]:
    registry = CollectorRegistry()
    async with JobReports(registry, BusMetrics(registry), SpeechMetrics(registry)) as reports:
        yield reports, registry


async def test_what_a_job_counts_is_counted_by_its_gateway_and_outlives_it() -> None:
    async with gateway() as (reports, registry):
        async with Reporter(reports.path) as job:
            await reaches(1, registry, names.JOBS)
            told: Observer = job
            told.accepted("harbour", "ok")
            told.script("accept", 2.0)
            told.healed("draft")
            told.cancelled("running")
            told.reconnected("commands")
            job.late(0.3)
            log_and_tell(job)(ProviderChange("tts", "openai", works=False, reason="APIError"))
        await reaches(0, registry, names.JOBS)

        assert value(registry, names.TURNS_ACCEPTED, property="harbour", outcome="ok") == 1
        assert value(registry, names.SCRIPT + "_sum", script="accept") == pytest.approx(0.002)
        assert value(registry, names.FOLLOWERS_HEALED, what="draft") == 1
        assert value(registry, names.CANCELS, outcome="running") == 1
        assert value(registry, names.RECONNECTS, what="commands") == 1
        assert value(registry, names.JOB_LOOP_LAG + "_sum") == pytest.approx(0.3)
        changes = {"part": "tts", "provider": "openai", "outcome": "failed"}
        assert value(registry, names.SPEECH_PROVIDER_CHANGES, **changes) == 1


async def test_it_is_passed_on_while_the_call_lasts() -> None:
    async with gateway() as (reports, registry), Reporter(reports.path, every_s=0.01) as job:
        job.healed("log")
        await reaches(1, registry, names.FOLLOWERS_HEALED, what="log")


async def test_jobs_are_told_apart_only_by_number() -> None:
    async with gateway() as (reports, registry):
        async with Reporter(reports.path) as first, Reporter(reports.path) as second:
            await reaches(2, registry, names.JOBS)
            first.cancelled("done")
            second.cancelled("done")
        await reaches(2, registry, names.CANCELS, outcome="done")


async def test_what_does_not_fit_is_counted_as_lost() -> None:
    async with gateway() as (reports, registry):
        async with Reporter(reports.path, every_s=60) as job:
            for _ in range(_MOST + 7):
                job.script("emit", 1.0)
        await reaches(7, registry, names.JOB_REPORTS_LOST)
        assert value(registry, names.SCRIPT + "_count", script="emit") == _MOST


async def test_a_job_whose_gateway_does_not_listen_works_all_the_same() -> None:
    async with Reporter("/nowhere/jobs") as job:
        job.healed("log")
        job.late(1.0)


async def test_a_job_outlives_its_gateway() -> None:
    async with gateway() as (reports, registry):
        job = await Reporter(reports.path, every_s=0.01).__aenter__()
        await reaches(1, registry, names.JOBS)
    for _ in range(3):
        job.healed("log")
        await asyncio.sleep(0)
    await job.__aexit__(None, None, None)


async def test_a_gateway_that_does_not_read_kept_its_jobs_from_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.voice_gateway.job_reports._LAST_S", 0.05)
    with socket.socket(socket.AF_UNIX) as stalled:
        stalled.bind(str(tmp_path / "jobs"))
        stalled.listen()
        async with asyncio.timeout(20):
            async with Reporter(str(tmp_path / "jobs"), every_s=60) as job:
                for _ in range(_MOST):  # more than the buffers between them take
                    job.accepted("harbour" * 20, "ok")


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense\n",
        b'[["__init__", []]]\n',
        b'[["script", ["emit"]]]\n',
        b'[["healed", [{"a": 1}]]]\n',
        b'[["provider", ["eyes", "acme", true]]]\n',
        b'[["late", ["very"]]]\n',
        b"[" + b" " * 1_100_000 + b"]\n",
    ],
    ids=["no json", "no observation", "too little", "no value", "no part", "no number", "too long"],
)
async def test_what_is_no_report_ends_its_connection_and_nothing_else(line: bytes) -> None:
    async with gateway() as (reports, registry):
        reader, writer = await asyncio.open_unix_connection(reports.path)
        writer.write(line)
        async with asyncio.timeout(5):
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
        writer.close()
        async with Reporter(reports.path) as job:
            job.healed("log")
        await reaches(1, registry, names.FOLLOWERS_HEALED, what="log")
        await reaches(0, registry, names.JOBS)


async def test_the_socket_is_for_this_user_only_and_gone_afterwards() -> None:
    async with gateway() as (reports, _):
        assert reports.folder.stat().st_mode & 0o077 == 0
    assert not reports.folder.exists()
