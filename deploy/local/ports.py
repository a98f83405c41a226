"""Free ports of loopback."""

from __future__ import annotations

import contextlib
import random
import socket
from collections import deque
from dataclasses import dataclass

HOST = "127.0.0.1"
_FIRST, _END = 20_000, 32_000
"""Below the ports that systems give to connections that go out: one of those could take a port chosen here, before
the server that it was chosen for listens on it."""
_TRIES = 1_000
_ANSWER_S = 1.0
_CHOICE = random.SystemRandom()
"""Not seeded: two runs with one seed would choose the same ports."""


@dataclass
class _Share:
    """Of those ports, the ones that this process chooses from."""

    first: int = _FIRST
    end: int = _END


_SHARE = _Share()
_GIVEN: deque[int] = deque(maxlen=1_000)
"""Given last, by this process: whoever got one may not listen on it yet, and nobody else is to get it meanwhile."""


def free_port() -> int:
    """A port that nobody listens on now. Another process may still take it before it is used: callers start again."""
    [port] = free_ports(1)
    return port


def free_ports(count: int) -> list[int]:
    """Distinct free ports: all are held while the next is looked for."""
    with contextlib.ExitStack() as held:
        return [_hold(held) for _ in range(count)]


def _hold(held: contextlib.ExitStack) -> int:
    for _ in range(_TRIES):
        port = _CHOICE.randrange(_SHARE.first, _SHARE.end)
        if port in _GIVEN:
            continue
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.bind((HOST, port))
        except OSError:
            sock.close()
            continue
        held.enter_context(sock)
        _GIVEN.append(port)
        return port
    raise OSError(f"no port of {HOST} between {_SHARE.first} and {_SHARE.end} is free")


def take_share(number: int, shares: int) -> None:
    """From now on this process gives ports of its own share only, `number` of so many, from 0: processes that start
    servers side by side then do not take each other's ports before anybody listens there."""
    each = (_END - _FIRST) // shares
    _SHARE.first, _SHARE.end = _FIRST + number * each, _FIRST + (number + 1) * each


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((HOST, port))
        except OSError:
            return False
        return True


def answers(port: int) -> bool:
    """Whether somebody listens on this port of loopback: of those that only root may listen on, too."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.settimeout(_ANSWER_S)
        return sock.connect_ex((HOST, port)) == 0
