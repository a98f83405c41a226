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
_DENIED_IN_SCRIPT = ("ERR The user executing the script can't ", "ERR ACL failure in script")
"""Of Redis 7.0 and of Valkey: a command inside a script, or its key, is not the caller's to use."""
_UNTRUSTED = ("CERTIFICATE_VERIFY_FAILED", "CERTIFICATE_REQUIRED", "UNKNOWN_CA", "BAD_CERTIFICATE")
_REMEDY = (
    "the user of REDIS_URL lacks a right that this release needs: write its users file anew (python -m deploy.redis), "
    "then ACL LOAD; ACL LOG tells which command it was"
)


def not_serving(text: str) -> bool:
    """Whether this server cannot serve this command now, and another or a later try may."""
    return text.startswith(_NOT_SERVING)


def denied(text: str) -> bool:
    """Whether Redis knows nobody of this name and password, or allows them too little."""
    return text.startswith(_DENIED) or right_refused(text)


def right_refused(text: str) -> bool:
    """Whether Redis knows the user, and does not allow this command or key."""
    return text.startswith(("NOPERM", *_DENIED_IN_SCRIPT))


def untrusted(text: str) -> bool:
    """Whether TLS failed for a certificate: theirs, which we do not trust, or ours, which they ask for."""
    return any(sign in text for sign in _UNTRUSTED)


def typed(error: Exception) -> Exception:
    """What a caller can act on; an error that nobody can do anything about is a bug and stays as it is."""
    text = str(error)
    if text.startswith(_FULL):
        return BusFull(f"Redis refused: {text}")
    if right_refused(text):
        return BusDenied(f"Redis refused: {text.strip()}: {_REMEDY}", right=True)
    if denied(text):
        return BusDenied(f"REDIS_URL is refused: {text}")
    return error


def moved_to(text: str) -> tuple[str, int] | None:
    """The address that `MOVED <slot> <host>:<port>` names; None for other texts, and when the host is left out."""
    if not text.startswith("MOVED "):
        return None
    host, _, port = text.split(" ")[2].rpartition(":")
    return (host, int(port)) if host else None
