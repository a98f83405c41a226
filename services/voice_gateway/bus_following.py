"""Following a call's conversation as long as the call lasts: a subscription that breaks begins again where it was."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from libs.bus.feed import Feed
from libs.bus.pieces import Piece
from libs.bus.subscription import Subscription
from libs.contracts.errors import BotelError, BusUnavailable
from libs.contracts.events import AnyEvent

_log = logging.getLogger(__name__)
_AGAIN_S = 0.5


class Following:
    """`on_item` is told all that happens, in order; `on_broken` once, when nothing can come in any more, and why."""

    def __init__(
        self,
        feed: Feed,
        subscription: Subscription,
        on_item: Callable[[Piece | AnyEvent], None],
        on_broken: Callable[[str], None],
    ) -> None:
        self._feed, self._subscription, self._on_item, self._on_broken = feed, subscription, on_item, on_broken
        self._property, self._conversation = subscription.property_id, subscription.conversation_id
        self._listening = asyncio.create_task(self._listen(), name=f"call {self._conversation}")

    async def close(self) -> None:
        """Stop following; idempotent."""
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self._subscription.close()

    async def _listen(self) -> None:
        why = "the call's line is closed"
        try:
            await self._keep_following()
        except BotelError as error:
            why = f"the conversation cannot be followed any more: {error.code}"
            _log.warning("line lost", extra={"conversation_id": self._conversation, "reason": error.code})
        except Exception as error:
            why = f"the call's line broke: {type(error).__name__}"
            # An error's text may repeat the guest's words.
            _log.error("line broken", extra={"conversation_id": self._conversation, "error": type(error).__name__})
            _log.debug("line broken here", exc_info=True, extra={"conversation_id": self._conversation})
        finally:
            self._on_broken(why)

    async def _keep_following(self) -> None:
        """Until the feed closes; when the subscription breaks, follow again from where it was."""
        while True:
            try:
                async for item in self._subscription:
                    self._on_item(item)
                return
            except BotelError as error:
                _log.warning("following again", extra={"conversation_id": self._conversation, "reason": error.detail})
            await self._follow_again()

    async def _follow_again(self) -> None:
        number = self._subscription.number
        while True:
            try:
                self._subscription = await self._feed.follow(self._property, self._conversation, after=number)
                return
            except BusUnavailable:
                await asyncio.sleep(_AGAIN_S)
