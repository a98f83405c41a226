import asyncio
import os
import shutil
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError

from deploy.local.leash import group_lives
from deploy.local.ports import is_free
from deploy.local.process import State
from deploy.local.redis_server import find_redis
from deploy.local.services import GATEWAYS_END, Service
from deploy.local.stack import Stack, StartFailed
from deploy.redis.passwords import NAMES, PASSWORDS_FILE, USERS_FILE, kept_passwords
from tests.integration.local.standins import standins

WAIT_S = 20.0


class Watched:
    """A stack whose changes a test can wait for."""

    def __init__(self, directory: Path, services: tuple[Service, ...], **given: object) -> None:
        self.lines: list[tuple[str, str]] = []
        self._changed = asyncio.Event()
        self.stack = Stack(
            directory,
            env={"PATH": os.defpath, "COLOUR": "blue"},
            redis=find_redis(),
            services=services,
            durable=False,
            sink=lambda name, line: self.lines.append((name, line)),
            on_change=self._changed.set,
            **given,  # type: ignore[arg-type]
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                await self._changed.wait()
                self._changed.clear()

    def pids(self) -> dict[str, int]:
        return {row.name: row.pid for row in self.stack.rows()}


@asynccontextmanager
async def running(
    directory: Path, services: tuple[Service, ...] = standins(), **given: object
) -> AsyncIterator[Watched]:
    watched = Watched(directory, services, **given)
    async with watched.stack:
        yield watched


async def told(url: str) -> dict[str, object]:
    async with httpx.AsyncClient() as http:
        answer: dict[str, object] = (await http.get(f"{url}/env")).json()
        return answer


async def test_all_that_is_in_the_table_runs_and_nothing_is_left_of_it(tmp_path: Path) -> None:
    async with running(tmp_path) as watched:
        stack = watched.stack
        rows = stack.rows()
        answer = await told(stack.text_url)

    assert [row.name for row in rows] == ["redis", "context_store", "brain-1", "brain-2", "text_gateway"]
    assert {row.state for row in rows} == {State.READY}
    env = answer["env"]
    assert isinstance(env, dict)
    assert env["REDIS_URL"] == stack.redis_url_of("text_gateway")
    assert env["COLOUR"] == "blue"
    assert not any(group_lives(row.pid) for row in rows)
    assert all(is_free(row.port) for row in rows)
    assert [name for name, line in watched.lines if line == "drained"]


async def test_a_later_stage_waits_for_the_earlier_one(tmp_path: Path) -> None:
    async with running(tmp_path) as watched:
        ups = [name for name, line in watched.lines if line == "up"]

    assert ups[-1] == "text_gateway"
    assert set(ups[:-1]) == {"context_store", "brain-1", "brain-2"}


async def test_a_process_gets_its_own_number_and_the_data_directory(tmp_path: Path) -> None:
    async with running(tmp_path) as watched:
        port = watched.stack.process("brain-2").spec.port
        env = (await told(f"http://127.0.0.1:{port}"))["env"]

    assert isinstance(env, dict)
    assert (env["NUMBER"], env["DATA"]) == ("2", str(tmp_path))


@pytest.mark.parametrize("name", ["brain-1", "redis", "context_store"])
async def test_what_dies_is_started_again_on_its_port(tmp_path: Path, name: str) -> None:
    async with running(tmp_path) as watched:
        process = watched.stack.process(name)
        before = process.pid
        process.signal(signal.SIGKILL)

        await watched.until(lambda: process.deaths == 1 and process.state is State.READY)

        assert process.pid != before
        assert (name, "launcher: killed by SIGKILL, starts again in 0.25 s") in watched.lines


async def test_scaling_up_and_down_leaves_the_others_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as watched:
        first = watched.pids()

        await watched.stack.scale(4)
        four = watched.pids()
        await watched.stack.scale(1)
        one = watched.pids()

    assert [name for name in four if name.startswith("brain")] == ["brain-1", "brain-2", "brain-3", "brain-4"]
    assert [name for name in one if name.startswith("brain")] == ["brain-1"]
    assert first.items() <= four.items()
    assert one.items() <= first.items()
    assert not any(group_lives(four[f"brain-{number}"]) for number in (2, 3, 4))


@pytest.mark.parametrize("brains", [-1, 65])
async def test_a_number_of_brains_that_is_none_is_refused(tmp_path: Path, brains: int) -> None:
    async with running(tmp_path, standins()[2:]) as watched:
        with pytest.raises(ValueError, match="brains"):
            await watched.stack.scale(brains)


async def test_one_that_does_not_listen_is_killed_after_its_grace(tmp_path: Path) -> None:
    async with running(tmp_path, standins(brain="deaf", grace_s=0.3)) as watched:
        pids = watched.pids()

    assert ("brain-1", "launcher: still there after 0.3 s, killed") in watched.lines
    assert not any(group_lives(pid) for pid in pids.values())


async def test_gateways_drain_while_there_are_still_brains(tmp_path: Path) -> None:
    store, brain, text = standins(text="herd")
    async with running(tmp_path, (store, brain, replace(text, ends=GATEWAYS_END))) as watched:
        pass

    drained = [name for name, line in watched.lines if line == "drained"]
    assert drained[0] == "text_gateway"
    assert sorted(drained[1:]) == ["brain-1", "brain-2", "context_store"]


async def test_what_a_process_has_started_is_not_asked_to_end_while_that_drains(tmp_path: Path) -> None:
    async with running(tmp_path, standins(text="herd")) as watched:
        pass

    assert ("text_gateway", "drained") in watched.lines


async def test_what_a_process_started_ends_with_it(tmp_path: Path) -> None:
    async with running(tmp_path, standins(text="parent")) as watched:
        child = (await told(watched.stack.text_url))["child"]
        group = watched.pids()["text_gateway"]
        assert isinstance(child, int)
        assert os.getpgid(child) == group

    assert not group_lives(group)


async def test_one_that_dies_at_once_fails_the_start_with_its_last_words(tmp_path: Path) -> None:
    watched = Watched(tmp_path, standins(brain="fails"))

    with pytest.raises(StartFailed, match=r"(?s)brain-\d: dies .* no such setting: BOTEL_NONSENSE.* exited with 3"):
        await watched.stack.__aenter__()

    assert all(row.state is State.STOPPED for row in watched.stack.rows())


async def test_one_that_is_never_ready_fails_the_start_by_name(tmp_path: Path) -> None:
    watched = Watched(tmp_path, standins(text="late"), start_s=10.0)

    with pytest.raises(StartFailed, match="text_gateway: not ready in 10 s"):
        await watched.stack.__aenter__()

    assert all(is_free(row.port) for row in watched.stack.rows())


async def test_a_command_that_does_not_exist_is_said(tmp_path: Path) -> None:
    watched = Watched(tmp_path, (Service(name="ghost", argv=("/no/such/program",)),))

    with pytest.raises(StartFailed, match="/no/such/program: No such file"):
        await watched.stack.__aenter__()


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock.getsockname()[1]


async def test_a_taken_port_is_named_with_its_setting_and_nothing_is_started(tmp_path: Path, taken_port: int) -> None:
    watched = Watched(tmp_path, standins(), ports={"TEXT": taken_port})

    with pytest.raises(StartFailed, match=f"port {taken_port} is taken.*BOTEL_TEXT_PORT"):
        await watched.stack.__aenter__()

    assert watched.stack.rows() == []


async def test_long_and_odd_output_does_not_stop_the_pump(tmp_path: Path) -> None:
    source = "import sys; sys.stdout.buffer.write(b'x' * 300_000 + b'\\nafter \\xff\\n'); sys.stdout.flush(); "
    source += "import runpy; sys.argv = ['s', sys.argv[1]]; runpy.run_path({!r}, run_name='__main__')"
    argv = (sys.executable, "-I", "-S", "-c", source.format(standins()[0].argv[3]), "{port}")

    async with running(tmp_path, (Service(name="loud", argv=argv),)) as watched:
        await watched.until(lambda: any(line == "up" for _, line in watched.lines))

    lines = [line for _, line in watched.lines]
    assert sum(line.count("x") for line in lines if set(line) == {"x"}) == 300_000
    assert "after \ufffd" in lines


async def test_every_process_enters_redis_as_itself_and_nobody_without_a_password(tmp_path: Path) -> None:
    async with running(tmp_path) as watched:
        stack = watched.stack
        brain = await told(f"http://127.0.0.1:{stack.process('brain-1').spec.port}")
        users = {name: Redis.from_url(stack.redis_url_of(name), protocol=2) for name in NAMES}
        entered = {name: client.ping() for name, client in users.items()}
        with pytest.raises(AuthenticationError):
            Redis.from_url(stack.redis_url_of("")).ping()
        with pytest.raises(NoPermissionError):
            users["operator"].flushall()

    assert entered == dict.fromkeys(NAMES, True)
    assert brain["env"]["REDIS_URL"] == stack.redis_url_of("brain")  # type: ignore[index]
    assert len({stack.redis_url_of(name) for name in NAMES}) == len(NAMES)
    kept, file = tmp_path / PASSWORDS_FILE, tmp_path / "redis" / USERS_FILE
    assert {stat.S_IMODE(one.stat().st_mode) for one in (kept, file)} == {0o600}
    assert not any(password in file.read_text() for words in kept_passwords(kept).values() for password in words)
    assert not any(password in line for words in kept_passwords(kept).values() for password in words
                   for _, line in watched.lines)  # fmt: skip


async def test_passwords_outlive_the_stack_and_redis_s_data(tmp_path: Path) -> None:
    urls = []
    for _ in range(2):
        async with running(tmp_path, standins()[:1]) as watched:
            urls.append(watched.stack.redis_url.split("@")[0])
        shutil.rmtree(tmp_path / "redis")

    assert urls[0] == urls[1]


async def test_a_running_redis_is_used_as_it_is(tmp_path: Path) -> None:
    stack = Stack(tmp_path, env={}, redis="redis://10.0.0.1:6379/0", services=standins()[:1], sink=lambda *_: None)

    async with stack:
        assert [row.name for row in stack.rows()] == ["context_store"]
        assert stack.redis_url == "redis://10.0.0.1:6379/0"
