"""The query client on servers that answer as they like."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deploy.local.ports import free_port
from deploy.observe.client import NotUnderstood, PrometheusClient, PrometheusError, QueryRefused, Unreachable


@contextlib.asynccontextmanager
async def answering(body: str, status: int = 200) -> AsyncIterator[PrometheusClient]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body, status=status, content_type="application/json")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server, PrometheusClient(str(server.make_url("/"))) as client:
        yield client


async def test_nobody_there_is_said_and_may_be_tried_again() -> None:
    async with PrometheusClient(f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(Unreachable) as raised:
            await client.alerts()

    assert raised.value.retryable


async def test_a_server_that_is_silent_is_given_up() -> None:
    over = asyncio.Event()

    async def never(_: web.Request) -> web.Response:
        await over.wait()
        return web.Response()

    app = web.Application()
    app.router.add_get("/{path:.*}", never)
    async with TestServer(app) as server, PrometheusClient(str(server.make_url("/")), timeout_s=0.05) as client:
        with pytest.raises(Unreachable):
            await client.targets()
        over.set()


async def test_a_refusal_has_prometheus_own_word() -> None:
    async with answering('{"status": "error", "errorType": "bad_data", "error": "no such thing"}', 400) as client:
        with pytest.raises(QueryRefused, match="no such thing") as raised:
            await client.instant("(")

    assert raised.value.kind == "bad_data"
    assert not raised.value.retryable


@pytest.mark.parametrize("body", ["", "<html>", "[]", "{}", '{"status": "success", "data": []}'])
async def test_another_server_is_not_taken_for_prometheus(body: str) -> None:
    async with answering(body) as client:
        with pytest.raises(NotUnderstood):
            await client.instant("up")


async def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.observe.client.MAX_BYTES", 1_000)
    async with answering('"' + "x" * 2_000 + '"') as client:
        with pytest.raises(NotUnderstood, match="more than 1000 bytes"):
            await client.instant("up")


@pytest.mark.parametrize(
    "data", ['{"resultType": "matrix", "result": []}', '{"resultType": "string", "result": [0, "x"]}']
)
async def test_what_is_not_a_value_per_series_is_an_error(data: str) -> None:
    async with answering(f'{{"status": "success", "data": {data}}}') as client:
        with pytest.raises(PrometheusError, match="not a value per series"):
            await client.instant("up[1m]")


async def test_a_scalar_is_a_sample_and_missing_values_are_nan() -> None:
    async with answering('{"status": "success", "data": {"resultType": "scalar", "result": [1.5, "NaN"]}}') as client:
        [sample] = await client.instant("scalar(up)")

    assert sample.labels == {}
    assert sample.value != sample.value
