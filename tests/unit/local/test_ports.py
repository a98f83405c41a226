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


def test_processes_that_start_servers_side_by_side_have_ports_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of one test process got the port that the other process had given and not used yet."""
    given = []
    for number in range(3):
        monkeypatch.setattr(ports, "_SHARE", ports._Share())
        ports.take_share(number, 3)
        given.append(ports.free_ports(20))
    assert max(given[0]) < min(given[1])
    assert max(given[1]) < min(given[2])
