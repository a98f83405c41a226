"""A real Redis with the users of libs.bus.access, and one of the tests' own who may do everything."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.local.ports import HOST
from deploy.local.redis_server import RedisBinary, ask
from deploy.redis.passwords import USERS_FILE, Passwords, kept_passwords, url_of, write_users
from tests.servers.redis import START_S, RedisServer, running_redis

HARNESS = "harness"
HARNESS_USER = f"user {HARNESS} on nopass ~* &* +@all"


class GuardedRedis:
    """A running server, and who may enter it."""

    def __init__(self, server: RedisServer, file: Path, passwords: Passwords, more: Sequence[str]) -> None:
        self.server, self.file, self.passwords, self._more = server, file, passwords, more

    def url(self, user: str) -> str:
        address = f"{HOST}:{self.server.port}"
        return f"redis://{HARNESS}:any@{address}/0" if user == HARNESS else url_of(user, self.passwords, address)

    def rewrite(self, passwords: Passwords) -> None:
        """Another users file; the server reads it when it is told to."""
        write_users(self.file, passwords, more=self._more)
        self.passwords = passwords

    def refusals(self) -> bytes:
        """The server's log of what it refused; `*0` when there was nothing."""
        request = f"AUTH {HARNESS} any\r\nACL LOG\r\n"
        return ask(HOST, self.server.port, request.encode(), lines=2, timeout_s=START_S).removeprefix(b"+OK\r\n")


@contextmanager
def running_with_users(
    binary: RedisBinary | None = None, *, more: Sequence[str] = (), durable: bool = False
) -> Iterator[GuardedRedis]:
    """`more`: lines of further users. `durable`: its data outlives a restart."""
    with tempfile.TemporaryDirectory(prefix="botel-users-") as folder:
        file, passwords = Path(folder) / USERS_FILE, kept_passwords(Path(folder) / "keys")
        write_users(file, passwords, more=(HARNESS_USER, *more))
        with running_redis(binary=binary, durable=durable, options=("--aclfile", str(file))) as server:
            yield GuardedRedis(server, file, passwords, (HARNESS_USER, *more))
