"""The local server is held to OpenAI's protocol by the official client, and to manners on bad input."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionToolParam

from tests.servers.openai import RunningOpenAI

POOL: ChatCompletionToolParam = {
    "type": "function",
    "function": {"name": "property_info", "parameters": {"type": "object", "properties": {}}},
}


@pytest.fixture
async def client(openai_server: RunningOpenAI) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=openai_server.url, api_key="local", max_retries=0) as made:
        yield made


async def test_an_answer_whole_and_streamed(client: openai.AsyncOpenAI) -> None:
    whole = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}])
    stream = await client.chat.completions.create(
        model="m",
        messages=[{"role": "user", "content": "hello"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]

    assert whole.choices[0].message.content
    told = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert told == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage
    assert whole.choices[0].finish_reason == "stop"


async def test_tool_calls_whole_and_streamed(client: openai.AsyncOpenAI) -> None:
    asked = "is there a pool and a gym"
    whole = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": asked}], tools=[POOL])
    stream = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": asked}], tools=[POOL], stream=True
    )
    joined: dict[int, str] = {}
    async for chunk in stream:
        for call in chunk.choices[0].delta.tool_calls or ():
            assert call.function
            joined[call.index] = joined.get(call.index, "") + (call.function.arguments or "")

    calls = whole.choices[0].message.tool_calls
    assert calls
    assert whole.choices[0].finish_reason == "tool_calls"
    assert list(joined.values()) == [call.function.arguments for call in calls if call.type == "function"]
    assert list(joined.values()) == ['{"topic": "pool"}', '{"topic": "gym"}']


async def test_without_tools_it_is_honest(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "is there a pool"}])

    assert "not sure" in (answer.choices[0].message.content or "")


async def test_models_are_listed(client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["offline-concierge"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"messages": []}',
        b'{"messages": "x"}',
        b'{"messages": [1]}',
        b'{"messages": [{"role": "martian", "content": "x"}]}',
        b'{"messages": [{"role": "tool", "content": "x"}]}',
        b'{"messages": [{"role": "user", "content": "x"}], "tools": [{}]}',
        b"\xff\xfe",
    ],
)
async def test_bad_requests_are_refused(openai_server: RunningOpenAI, body: bytes) -> None:
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{openai_server.url}/chat/completions", content=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
