"""Serving one application until it is told to stop: drain first, then close."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Coroutine, Generator, Iterator, Sequence
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from libs.web.connection import impatient

_SEND_BUFFER = 131_072
"""Bytes that the kernel holds for a client: left alone it takes megabytes for one that does not read."""
_log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """Leaves the signals to the process: uvicorn would raise them again before the process has put its things away."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@contextlib.contextmanager
def stop_on_signals() -> Iterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set. A second signal ends the process the hard way."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def ask(number: signal.Signals) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask, number)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def serve(
    app: ASGIApp,
    *,
    host: str,
    port: int,
    stop: asyncio.Event,
    beside: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    grace_s: int = 10,
    stall_s: float = 30.0,
    request_s: float = 30.0,
    on_bound: Callable[[int], None] | None = None,
) -> None:
    """Serve until `stop` is set, then finish the requests at hand within `grace_s`.

    `beside` runs as long as it serves, and must: when one of it ends or fails, serving ends too, with its error.
    Who does not read for `stall_s`, or send a request whole within `request_s`, is cut off. `on_bound` is told the port
    (0: any free one) once it listens. Raises `OSError` when the port is taken.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        http=impatient(stall_s, request_s),
        timeout_graceful_shutdown=grace_s,
        server_header=False,
    )
    sock = _listen(host, port)
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[sock]), name="http")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    companions = [asyncio.create_task(work(), name=work.__qualname__) for work in beside]
    try:
        _announce(sock, on_bound)
        await asyncio.wait({serving, stopping, *companions}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
        for companion in companions:
            if companion.done():
                companion.result()
                raise RuntimeError(f"{companion.get_name()} has ended")
    finally:
        await _end(stopping, *companions)
        if not serving.done():
            server.force_exit = server.should_exit = True
            await asyncio.wait({serving})
        sock.close()


def _announce(sock: socket.socket, on_bound: Callable[[int], None] | None) -> None:
    host, port = sock.getsockname()[:2]
    _log.info("listens", extra={"host": host, "port": port})
    if on_bound:
        on_bound(port)


async def _end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def _listen(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)  # its connections inherit it
        sock.bind((host, port))
        sock.listen(512)
    except OSError:
        sock.close()
        raise
    return sock
