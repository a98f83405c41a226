"""When a lease is alive, and when a reaper looks. Pure: times come in as arguments."""

from __future__ import annotations

from collections.abc import Mapping


class Lease:
    """One worker's lease as it knows it itself. Seconds of a clock that only goes on, such as time.monotonic."""

    def __init__(self, lease_s: float, beat_s: float) -> None:
        self._lease_s = lease_s
        self._late_s = lease_s / 2 + beat_s
        """A beat that comes after so long was late: this process, the network or Redis stalled."""
        self._renewed: float | None = None
        self._gap_s = 0.0

    @property
    def taken(self) -> bool:
        """Whether it was ever renewed."""
        return self._renewed is not None

    def renewed(self, sent: float) -> None:
        """A beat sent at this time was answered: the lease counts from when it was sent, or later."""
        self._gap_s = 0.0 if self._renewed is None else sent - self._renewed
        self._renewed = sent

    def alive(self, now: float) -> bool:
        """Whether nobody can have taken this worker for dead."""
        return self._renewed is not None and now < self._renewed + self._lease_s

    def punctual(self, now: float) -> bool:
        """Whether this worker may judge others: its own last beats were not late, and none is overdue.

        A stalled Redis lets every lease run out at once; who has just noticed a stall does not reap.
        """
        if self._renewed is None or not self.alive(now):
            return False
        return self._gap_s <= self._late_s and now - self._renewed <= self._late_s


def expired(leases: Mapping[str, float], now_ms: float) -> list[str]:
    """Workers whose lease has run out."""
    return [worker for worker, until in leases.items() if until <= now_ms]


def next_look_ms(leases: Mapping[str, float], now_ms: float, longest_ms: float) -> float:
    """How long until the next lease runs out if it is not renewed; `longest_ms` at most, and never at once."""
    ahead = [until - now_ms for until in leases.values() if until > now_ms]
    return max(1.0, min([longest_ms, *(wait + 1 for wait in ahead)]))


class Sight:
    """Whether whoever looks at leases regularly may judge by what it sees. Seconds; the server's clock may step.

    A stalled Redis, or a step of its clock, lets every lease run out at once. Who notices that its own looks came late,
    or that the clocks part, gives everybody the time of one lease to renew; so does who has just begun to look.
    """

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._last: tuple[float, float] | None = None
        self._blind_until = 0.0

    def judges(self, now: float, server: float) -> bool:
        """A look was answered at this time, of a clock that only goes on; and what the server's clock said."""
        last, self._last = self._last, (now, server)
        late_s = self._lease_s / 2
        passed = now - last[0] if last else float("inf")
        if last is None or passed > late_s or abs(server - last[1] - passed) > late_s:
            self._blind_until = now + self._lease_s
        return now >= self._blind_until
