"""The worker's side of rooms: registers with LiveKit, takes calls for the properties served here, and hands each to a
process that stands ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from functools import partial

from livekit.agents import AgentServer, JobRequest

from libs.bus.calls import Calls
from libs.contracts.calls import AGENT_NAME, ticket_of
from libs.contracts.errors import BusUnavailable, InvalidRequest
from libs.observability.loop_lag import LoopLag
from libs.rooms import RoomSettings
from services.voice_gateway.job import entry, prewarm
from services.voice_gateway.job_reports import JobReports
from services.voice_gateway.room_ports import RoomsUnavailable
from services.voice_gateway.settings import GatewaySettings

_log = logging.getLogger(__name__)
_PRELOAD = ["services.voice_gateway.job"]
_FULL_LAG_S = 0.25
"""Lateness of timers at which this machine has enough to do."""
_REGISTERED_WITHIN_S = 20.0
_FOR_EVER = 1_000_000
_SHUTDOWN_S = 12.0
"""What a job may take to leave its call in order."""


class Worker:
    """One LiveKit agent server. `run` ends only by cancellation; LiveKit may come and go meanwhile."""

    def __init__(
        self, rooms: RoomSettings, gateway: GatewaySettings, calls: Calls, lag: LoopLag, reports: JobReports
    ) -> None:
        self._gateway, self._calls, self._lag = gateway, calls, lag
        self._properties = gateway.property_ids()
        self._running = False
        self._accepting = 0
        """Calls accepted and not yet in a process."""
        self._server = AgentServer(
            ws_url=rooms.url,
            api_key=rooms.api_key,
            api_secret=rooms.api_secret.get_secret_value(),
            host="127.0.0.1",
            port=0,
            num_idle_processes=gateway.idle_jobs,
            load_fnc=self._load,
            # Calls are counted here, those on their way among them: LiveKit's own guess takes one at a time.
            load_threshold=math.inf,
            drain_timeout=int(gateway.drain_s),
            shutdown_process_timeout=_SHUTDOWN_S,
            setup_fnc=partial(prewarm, reports=reports.path),
            preload_modules=_PRELOAD,
            max_retry=_FOR_EVER,
        )
        self._server.rtc_session(entry, agent_name=AGENT_NAME, on_request=self._on_request)
        self.registered = asyncio.Event()
        """LiveKit has taken this worker once: an agent that is sent may come here."""
        self._patient_until = 0.0
        self._server.on("worker_registered", self._on_registered)

    @property
    def calls(self) -> int:
        return len(self._server.active_jobs) if self._running else 0

    async def check(self) -> None:
        """For readiness: `RoomsUnavailable` until LiveKit has taken this worker, or is not to be reached at all: the
        rest works without rooms."""
        if not self.registered.is_set() and time.monotonic() < self._patient_until:
            raise RoomsUnavailable("this gateway is not registered with LiveKit yet")

    async def run(self) -> None:
        self._running = True
        self._patient_until = time.monotonic() + _REGISTERED_WITHIN_S
        await self._server.run()

    async def drain(self, grace_s: float) -> None:
        """No new calls; those on the line may end by themselves. What is left then is left to other gateways."""
        try:
            await self._server.drain(max(1, int(grace_s)))
        except TimeoutError:
            _log.info("calls are handed over", extra={"calls": self.calls})
        await self._server.aclose()

    def _on_registered(self, *_: object) -> None:
        self.registered.set()

    def _load(self, server: AgentServer) -> float:
        """1 is full: as many calls as this gateway takes, or an event loop that is late. Called in a thread."""
        calls = len(server.active_jobs) + self._accepting
        return max(calls / self._gateway.max_calls, self._lag.recent_s / _FULL_LAG_S)

    async def _on_request(self, request: JobRequest) -> None:
        try:
            ticket = ticket_of(request.room.name, request.job.metadata or request.room.metadata)
        except InvalidRequest as error:
            _log.warning("a room without a ticket", extra={"reason": error.detail})
            await request.reject(terminate=True)
            return
        if ticket.property_id not in self._properties:
            _log.warning("a call for a property that is not served here", extra={"call_id": ticket.call_id})
            await request.reject(terminate=False)
            return
        if self._server.draining or self._load(self._server) >= 1:
            _log.warning("a call is left to other gateways", extra={"call_id": ticket.call_id, "calls": self.calls})
            await request.reject(terminate=False)
            return
        self._accepting += 1
        try:
            with contextlib.suppress(BusUnavailable):  # then only a gateway that lives on answers it
                await self._calls.expect(ticket)
            await request.accept(name="Concierge", identity=f"concierge-{request.id}")
        finally:
            self._accepting -= 1


async def end_worker(worker: Worker, running: asyncio.Task[None], grace_s: float) -> None:
    """Drain, and wait for `run` to return."""
    await worker.drain(grace_s)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
