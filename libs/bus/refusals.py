"""What an error reply of Redis means for its caller. Pure.

Most refusals say that another server serves now, or this one in a moment: the connection is given up, the server is
looked for again, and what had no reply is sent again in order, until the command's time is over (`BusUnavailable`).
"""

from __future__ import annotations

from libs.contracts.errors import BusDenied, BusFull

_NOT_SERVING = (
    "LOADING ",
    "READONLY ",
    "MASTERDOWN ",
    "NOREPLICAS ",
    "MOVED ",
    "ASK ",
    "TRYAGAIN ",
    "CLUSTERDOWN ",
    "UNBLOCKED ",
    "BUSY ",
)
"""Nothing was executed. LOADING after a restart; READONLY of a replica, once the master; NOREPLICAS of a master that is
cut off (min-replicas-to-write); MOVED, ASK, TRYAGAIN while a slot moves; UNBLOCKED of a read that a failover ended."""
_FULL = ("OOM ", "MISCONF ")
_DENIED = ("NOAUTH", "WRONGPASS", "NOPERM")


def not_serving(text: str) -> bool:
    """Whether this server cannot serve this command now, and another or a later try may."""
    return text.startswith(_NOT_SERVING)


def denied(text: str) -> bool:
    """Whether Redis knows nobody of this name and password, or allows them too little."""
    return text.startswith(_DENIED)


def typed(error: Exception) -> Exception:
    """What a caller can act on; an error that nobody can do anything about is a bug and stays as it is."""
    text = str(error)
    if text.startswith(_FULL):
        return BusFull(f"Redis refused: {text}")
    if denied(text):
        return BusDenied(f"REDIS_URL is refused: {text}")
    return error


def moved_to(text: str) -> tuple[str, int] | None:
    """The address that `MOVED <slot> <host>:<port>` names; None for other texts, and when the host is left out."""
    if not text.startswith("MOVED "):
        return None
    host, _, port = text.split(" ")[2].rpartition(":")
    return (host, int(port)) if host else None
