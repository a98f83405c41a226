"""A password for every user of Redis, kept beside the other keys, and what is made of them: users file and URLs.

The rights are in libs.bus.access. A user may have several passwords for as long as they are changed: the first one is
given to whoever starts, all are accepted.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from deploy.livekit.config import write_private
from libs.bus.access import OPERATOR, ROLES, users_file

PASSWORDS_FILE = "redis.keys"
USERS_FILE = "users.acl"
NAMES = tuple(role.name for role in ROLES)
Passwords = Mapping[str, Sequence[str]]


def new_password() -> str:
    """43 characters that need no quoting in a URL."""
    return secrets.token_urlsafe(32)


def kept_passwords(path: Path) -> dict[str, list[str]]:
    """The passwords in this file, by user; those that are missing are made. Only its owner may read it."""
    found = _read(path)
    known = {name: found.get(name) or [new_password()] for name in NAMES}
    if known != found:
        _write(path, known)
    return known


def begin_change(path: Path, user: str) -> None:
    """A new password for this user; those that it has stay good until `end_change`. `ValueError` for no such user."""
    known = kept_passwords(path)
    _of(known, user).insert(0, new_password())
    _write(path, known)


def end_change(path: Path, user: str) -> None:
    """Only the newest password of this user is good from now on."""
    known = kept_passwords(path)
    del _of(known, user)[1:]
    _write(path, known)


def write_users(path: Path, passwords: Passwords, *, more: Iterable[str] = ()) -> None:
    """The file for `aclfile`. It bears digests only; nobody else has to read it all the same."""
    write_private(path, users_file(passwords, more=more))


def url_of(user: str, passwords: Passwords, address: str, *, scheme: str = "redis") -> str:
    """REDIS_URL of a user; `address` is `host:port`. `ValueError` for no such user."""
    return f"{scheme}://{user}:{_of(passwords, user)[0]}@{address}/0"


def operator_url(path: Path, address: str) -> str:
    """For the operator's tools: with a password where there is one, and without when the file was never made."""
    found = _read(path)
    return url_of(OPERATOR.name, found, address) if found.get(OPERATOR.name) else f"redis://{address}/0"


def _of(passwords: Passwords, user: str) -> list[str]:
    if user not in passwords:
        raise ValueError(f"no user {user!r}: one of {', '.join(NAMES)}")
    return passwords[user]  # type: ignore[return-value]


def _read(path: Path) -> dict[str, list[str]]:
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = (line.partition(": ") for line in lines)
    return {name: words.split() for name, _, words in pairs if name in NAMES and words.split()}


def _write(path: Path, passwords: Passwords) -> None:
    write_private(path, "".join(f"{name}: {' '.join(words)}\n" for name, words in passwords.items()))
