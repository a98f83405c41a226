"""The way into a room: asked of the text gateway, with the property's key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

import aiohttp

from deploy.call.guest import CallFailed

_ANSWER_S = 15.0


class Way(NamedTuple):
    """Where the room is, what opens it, and the conversation that the call will be part of."""

    url: str
    token: str
    room: str
    conversation_id: str


async def open_session(text_url: str, api_key: str, guest: Mapping[str, str]) -> Way:
    """`guest`: propertyId, and of customerId, reservationId and conversationId those that are known.

    `CallFailed` says what the gateway said, or that nobody answers.
    """
    url = f"{text_url.rstrip('/')}/llm/voice/sessions"
    headers = {"Authorization": f"Bearer {api_key}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_S)) as http,
            http.post(url, json=dict(guest), headers=headers) as response,
        ):
            body = await response.text()
            status = response.status
    except (aiohttp.ClientError, TimeoutError) as error:
        raise CallFailed(f"nobody answers at {text_url} ({error}): make up starts the stack") from error
    try:
        told = json.loads(body)
        if status < 300:
            return Way(told["url"], told["token"], told["room"], told["conversationId"])
        said = "; ".join(str(told[name]) for name in ("title", "detail", "advice") if told.get(name))
    except (ValueError, KeyError, TypeError):
        said = body[:200]
    raise CallFailed(f"no session: {status} {said}")
