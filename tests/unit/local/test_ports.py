"""Ports that are given are not given again while nobody listens on them yet."""

from __future__ import annotations

import pytest

from deploy.local import ports


class Dice:
    """Falls on the same port three times, then on the next ones."""

    def __init__(self) -> None:
        self._left: list[int] = [31_001, 31_001, 31_001, *range(31_002, 31_900)]

    def randrange(self, *_: int) -> int:
        return self._left.pop(0)


def test_a_port_that_was_given_is_not_given_again_before_its_server_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server got the port that another, which was still starting, had been given."""
    monkeypatch.setattr(ports, "_CHOICE", Dice())
    given = [ports.free_port(), ports.free_port(), *ports.free_ports(3)]
    assert len(set(given)) == 5
