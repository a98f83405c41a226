"""What was said before Redis forgot it: asked of the context store, for a guest who comes back after a long time.

The store is off the hot path. It is asked only when a log does not reach back to its first event and is short, once for
a conversation; when it does not answer in time the concierge goes on with what Redis has.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence

import httpx2
import msgspec

from libs.contracts.codec import decode
from libs.contracts.errors import MalformedMessage
from libs.contracts.events import AnyEvent

_log = logging.getLogger(__name__)
_REMEMBERED = 64
"""Conversations whose earlier events are kept in memory: those in which guests talk now."""


class _Page(msgspec.Struct):
    events: list[msgspec.Raw]


class _Numbered(msgspec.Struct):
    number: int


class EarlierEvents:
    """`keys` are the store's API keys by property; `limit` is how many events a turn is answered with, at most."""

    def __init__(
        self, http: httpx2.AsyncClient, url: str, keys: Mapping[str, str], *, limit: int, timeout_s: float
    ) -> None:
        self._http, self._url, self._keys = http, url.rstrip("/"), keys
        self._limit, self._timeout_s = limit, timeout_s
        self._known: OrderedDict[tuple[str, int], Sequence[AnyEvent]] = OrderedDict()

    async def before(self, property_id: str, conversation_id: str, events: Sequence[AnyEvent]) -> Sequence[AnyEvent]:
        """The events before the first of `events`, as many as the limit leaves room for; on any failure none."""
        first, wanted = (events[0].number if events else 0), self._limit - len(events)
        if first <= 1 or wanted <= 0 or property_id not in self._keys:
            return ()
        at = (conversation_id, first)
        if at not in self._known:
            try:
                self._known[at] = await self._ask(property_id, conversation_id, max(0, first - 1 - wanted), first)
            except (httpx2.HTTPError, TimeoutError, msgspec.MsgspecError) as error:
                told = {"conversation_id": conversation_id, "error": type(error).__name__}
                _log.warning("earlier conversation is not known", extra=told)
                return ()
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(at)
        return self._known[at][-wanted:]  # the log has grown since it was asked

    async def _ask(self, property_id: str, conversation_id: str, after: int, before: int) -> Sequence[AnyEvent]:
        async with asyncio.timeout(self._timeout_s):
            answer = await self._http.get(
                f"{self._url}/conversations/{conversation_id}/events",
                params={"after": after, "limit": before - 1 - after},
                headers={"Authorization": f"Bearer {self._keys[property_id]}"},
            )
        answer.raise_for_status()
        page = msgspec.json.decode(answer.content, type=_Page)
        return tuple(event for body in page.events if (event := _event(bytes(body), before)))


def _event(body: bytes, before: int) -> AnyEvent | None:
    """None for what this release cannot read, and for what the log has itself."""
    number = msgspec.json.decode(body, type=_Numbered).number
    try:
        return decode(body, number) if number < before else None
    except MalformedMessage:
        return None


@contextlib.asynccontextmanager
async def earlier_events(
    url: str, keys: Mapping[str, str], *, limit: int, timeout_s: float
) -> AsyncIterator[EarlierEvents | None]:
    """Asks the store at `url` with the `keys` of properties; None without a URL."""
    if not url:
        yield None
        return
    async with httpx2.AsyncClient(trust_env=False) as http:
        yield EarlierEvents(http, url, keys, limit=limit, timeout_s=timeout_s)
