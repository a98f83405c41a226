"""Nobody says anything: the guest is asked whether they are still there, and then the concierge takes leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from livekit.agents import AgentSession
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice import events as lk

from services.voice_gateway.domain.manners import SILENT_GOODBYE, STILL_THERE
from services.voice_gateway.ports import EndReason


class Silence:
    """`expected` says whether silence is what was asked for: the guest is on hold."""

    def __init__(
        self,
        session: AgentSession[Any],
        times: int,
        *,
        expected: Callable[[], bool],
        end: Callable[[EndReason], None],
    ) -> None:
        self._session, self._times, self._expected, self._end = session, times, expected, end
        self._asked = 0

    def broken(self) -> None:
        """The guest has said something."""
        self._asked = 0

    def on_state(self, event: lk.UserStateChangedEvent) -> None:
        if event.new_state != "away":
            return
        if self._expected():
            self._session.reset_away_timer()
        elif self._asked < self._times:
            self._asked += 1
            asked = self._session.say(STILL_THERE, add_to_chat_ctx=False)
            asked.add_done_callback(lambda _: self._session.reset_away_timer())
        else:
            self._session.say(SILENT_GOODBYE, add_to_chat_ctx=False).add_done_callback(self._on_goodbye)

    def _on_goodbye(self, said: SpeechHandle) -> None:
        if said.interrupted:
            self._asked = 0
        else:
            self._end(EndReason.SILENCE)
