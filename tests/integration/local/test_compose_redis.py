"""The command of docker-compose.yml's Redis, on a real server: the users that `make up` gives it, and nobody else."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from redis import Redis
from redis.exceptions import AuthenticationError

from deploy.local.compose import REDIS_PLACE, compose_env, kept
from deploy.local.leash import Leash
from deploy.local.ports import HOST, free_port
from deploy.local.redis_server import ask, find_redis
from deploy.local.services import SERVICES
from tests.eventually import eventually

STACK = yaml.safe_load(Path("docker-compose.yml").read_text())["services"]


@contextmanager
def container(tmp_path: Path, users: str, port: int) -> Iterator[None]:
    """As Compose runs it, but for the paths, the port and the server's place."""
    words = [word.replace("$$", "$").replace("/tmp/", f"{tmp_path}/") for word in STACK["redis"]["command"]]
    words = [find_redis().path if word == "redis-server" else word for word in words]
    words = ["64mb" if word.startswith("${") else word for word in words]
    env = {"PATH": "/usr/bin:/bin", "BOTEL_REDIS_USERS": users}
    leash = Leash()
    process = subprocess.Popen([*words, "--port", str(port), "--bind", HOST, "--dir", str(tmp_path)], env=env,
                               stdout=subprocess.DEVNULL)  # fmt: skip
    leash.add(process.pid)
    try:
        yield
    finally:
        process.kill()
        process.wait()
        leash.close()


async def test_every_service_enters_with_what_make_up_gives_it(tmp_path: Path) -> None:
    made, port = compose_env({"BOTEL_API_KEY": "dev-key"}, kept(tmp_path / "var")), free_port()

    async def answers() -> bool:
        return ask(HOST, port, b"PING\r\n").startswith(b"-NOAUTH")

    with container(tmp_path, made["BOTEL_REDIS_USERS"], port):
        await eventually(answers)
        for service in SERVICES:
            variable = STACK[service.name]["environment"]["REDIS_URL"].removeprefix("${").partition(":")[0]
            url = made[variable].replace(REDIS_PLACE, f"{HOST}:{port}")
            with Redis.from_url(url) as client:
                assert client.ping()
                assert f"://{service.redis_user}:" in url
        with Redis(port=port) as nobody, pytest.raises(AuthenticationError):
            nobody.ping()
    assert (tmp_path / "users.acl").stat().st_mode & 0o077 == 0
    assert not any(
        word in made["BOTEL_REDIS_USERS"] for words in kept(tmp_path / "var").redis.values() for word in words
    )


def test_a_redis_of_yours_is_used_by_all_and_looking_needs_no_password() -> None:
    yours = compose_env({"BOTEL_API_KEY": "k", "REDIS_URL": "rediss://mine/0"})
    assert {value for name, value in yours.items() if name.startswith("BOTEL_REDIS_URL_")} == {"rediss://mine/0"}
    assert all(compose_env({})[f"BOTEL_REDIS_URL_{service.name.upper()}"] for service in SERVICES)
