"""The guest's other channel, and what the demo reads back: text gateway and context store over HTTP."""

from __future__ import annotations

from typing import Any

import aiohttp

from deploy.demo.script import CUSTOMER_ID, PROPERTY_ID


class Http:
    """Raises `aiohttp.ClientResponseError` with the problem's status."""

    def __init__(self, session: aiohttp.ClientSession, text_url: str, store_url: str, api_key: str) -> None:
        self._session, self._text, self._store = session, text_url, store_url
        self._headers = {"Authorization": f"Bearer {api_key}"}

    async def write(self, message: str) -> dict[str, Any]:
        """Send a text message as a known customer of the hotel; the answer names the conversation."""
        body = {"propertyId": PROPERTY_ID, "customerId": CUSTOMER_ID, "message": message}
        url = f"{self._text}/llm/conversations/"
        async with self._session.post(url, json=body, headers=self._headers, raise_for_status=True) as response:
            answer: dict[str, Any] = await response.json()
            return answer

    async def events(self, conversation_id: str) -> list[dict[str, Any]]:
        """Every event of the conversation."""
        return await self._items(f"{self._store}/conversations/{conversation_id}/events?limit=500", "events")

    async def messages(self, conversation_id: str) -> list[dict[str, Any]]:
        """The conversation as it is read: one order, both channels."""
        return await self._items(f"{self._store}/conversations/{conversation_id}/messages?limit=500", "messages")

    async def _items(self, url: str, name: str) -> list[dict[str, Any]]:
        async with self._session.get(url, headers=self._headers, raise_for_status=True) as response:
            items: list[dict[str, Any]] = (await response.json())[name]
            return items
