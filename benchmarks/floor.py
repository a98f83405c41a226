"""The floor: one command at a time on one connection, without a client library or an event loop."""

from __future__ import annotations

import socket
import time

from deploy.local.ports import HOST

_COMMANDS = {
    "PING": b"*1\r\n$4\r\nPING\r\n",
    "XADD": b"*5\r\n$4\r\nXADD\r\n$11\r\nbench-floor\r\n$1\r\n*\r\n$1\r\nb\r\n$100\r\n" + b"x" * 100 + b"\r\n",
}


def measure(port: int, count: int) -> dict[str, list[float]]:
    """Milliseconds of each of so many round trips, by command."""
    with socket.create_connection((HOST, port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return {name: [_round_trip(sock, command) for _ in range(count)] for name, command in _COMMANDS.items()}


def _round_trip(sock: socket.socket, command: bytes) -> float:
    started = time.perf_counter()
    sock.sendall(command)
    sock.recv(256)
    return (time.perf_counter() - started) * 1000
