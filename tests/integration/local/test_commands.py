"""The commands of `make`, with a Docker of four lines and without one."""

from __future__ import annotations

import argparse
import hashlib
import os
from pathlib import Path

import pytest

from deploy.local import background
from deploy.local.__main__ import COMMANDS, Context, main

ALL = "--profile voice --profile observability"
DOCKER = """#!/bin/sh
case "$*" in
  "compose version --short") echo "$COMPOSE_VERSION";;
  info*) [ -n "$ENGINE" ] && echo 28.0.0;;
  "compose ps --quiet") [ -n "$UP" ] && echo 0123456789ab;;
  *) echo "$* keys=$BOTEL_API_KEYS profiles=$COMPOSE_PROFILES postgres=$BOTEL_POSTGRES_PASSWORD" >> "$CALLS"
     exit "${FAILS:-0}";;
esac
"""


class Machine:
    """A machine with this environment, and what its docker was asked to do."""

    def __init__(self, root: Path, **environ: str) -> None:
        self.root = root
        self._calls = root / "calls"
        self.environ = {"PATH": f"{root}/bin:{os.defpath}", "CALLS": str(self._calls), **environ}

    def run(self, command: str, **arguments: object) -> int:
        given = {"brains": 2, "free_ports": True, "service": "", "lines": 10, "follow": False, **arguments}
        return COMMANDS[command](Context(self.root, self.environ), argparse.Namespace(**given))

    def docker(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []


@pytest.fixture
def with_docker(tmp_path: Path) -> Machine:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/docker").write_text(DOCKER)
    (tmp_path / "bin/docker").chmod(0o755)
    (tmp_path / "docker-compose.yml").write_text("services: {}\n")
    return Machine(tmp_path, COMPOSE_VERSION="2.29.1", ENGINE="yes", UP="yes")


def test_up_takes_compose_and_gives_it_the_digest_of_the_key_only(with_docker: Machine) -> None:
    assert with_docker.run("up", brains=3) == 0

    key = (with_docker.root / ".env").read_text().partition("=")[2].strip()
    digest = hashlib.sha256(key.encode()).hexdigest()
    password = (with_docker.root / "var/postgres.password").read_text().strip()
    assert with_docker.docker() == [
        "compose up --detach --build --wait --wait-timeout 300 --scale brain=3 "
        f"keys=harbour:{digest} profiles=voice,observability postgres={password}",
    ]


def test_up_names_what_containers_will_not_have_of_the_environment(
    with_docker: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    with_docker.environ["BRAIN_MODEL"] = "openai"
    assert with_docker.run("up") == 0
    assert "containers read .env, which says otherwise of these: BRAIN_MODEL\n" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["environment", ".env"])
def test_the_data_may_be_elsewhere(with_docker: Machine, where: str, tmp_path: Path) -> None:
    """Only the environment was asked: what `up` started was looked for in var/, and not found."""
    if where == ".env":
        (tmp_path / ".env").write_text(f"BOTEL_VAR={tmp_path}/elsewhere\n")
    else:
        with_docker.environ["BOTEL_VAR"] = f"{tmp_path}/elsewhere"
    assert with_docker.run("up") == 0
    assert (tmp_path / "elsewhere/postgres.password").exists()
    assert not (tmp_path / "var").exists()


def test_up_ends_with_where_everything_is(with_docker: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    with_docker.environ |= {"BOTEL_LLM_PORT": "8088", "BOTEL_GRAFANA_PORT": "3001"}

    assert with_docker.run("up") == 0

    told = capsys.readouterr().out
    for url in ("http://127.0.0.1:8080", "http://127.0.0.1:8088", "http://127.0.0.1:8081", "http://127.0.0.1:3001"):
        assert f"{url} " in told or f"{url}\n" in told
    assert "http://127.0.0.1:9090" in told
    assert "http://127.0.0.1:9093" in told
    assert "ws://127.0.0.1:7880" in told
    assert (with_docker.root / "var/postgres.password").read_text().strip() not in told


def test_up_that_fails_says_of_no_place_that_it_is_there(
    with_docker: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    with_docker.environ |= {"FAILS": "1", "BOTEL_LLM_PORT": "0"}

    assert with_docker.run("up") == 1
    assert "http://" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "arguments", "call"),
    [
        ("down", {}, f"compose {ALL} down"),
        ("ps", {}, f"compose {ALL} ps"),
        ("logs", {"service": "brain", "follow": True}, f"compose {ALL} logs --tail 10 --follow brain"),
        ("scale", {"brains": 4}, "compose up --detach --no-recreate --wait --scale brain=4 brain"),
    ],
)
def test_the_others_work_on_the_containers_that_run(
    with_docker: Machine, command: str, arguments: dict[str, object], call: str
) -> None:
    assert with_docker.run(command, **arguments) == 0
    assert with_docker.docker()[0].startswith(call + " ")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"COMPOSE_VERSION": "1.29.2"}, "older than 2.24"),
        ({"COMPOSE_VERSION": ""}, "no compose plugin"),
        ({"ENGINE": ""}, "no Docker engine answers"),
        ({"PATH": "/nowhere"}, "no docker command"),
    ],
)
def test_why_compose_cannot_be_used_is_said(with_docker: Machine, changed: dict[str, str], reason: str) -> None:
    with_docker.environ |= changed

    assert reason in Context(with_docker.root, with_docker.environ).compose.why_not()


@pytest.mark.parametrize("command", ["down", "ps"])
def test_with_nothing_up_that_is_said(with_docker: Machine, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with_docker.environ["UP"] = ""

    assert with_docker.run(command) == 0
    assert capsys.readouterr().out == "nothing runs\n"
    assert with_docker.docker() == []


@pytest.mark.parametrize("command", ["scale", "logs"])
def test_what_needs_a_stack_says_that_there_is_none(tmp_path: Path, command: str) -> None:
    with pytest.raises(background.NotRunning):
        Machine(tmp_path).run(command)


def test_doctor_tells_of_keys_only_whether_they_are_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-very-secret\n")

    Machine(tmp_path, DEEPGRAM_API_KEY="dg-very-secret").run("doctor")

    told = capsys.readouterr().out
    lines = {line.split()[1]: line for line in told.splitlines() if len(line.split()) > 2}
    assert "secret" not in told
    assert lines["OPENAI_API_KEY"].startswith("ok ")
    assert lines["DEEPGRAM_API_KEY"].startswith("ok ")
    assert "not set" in lines["ELEVENLABS_API_KEY"]


def test_doctor_says_whose_rooms_there_are_or_how_to_get_some(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(**environ: str) -> str:
        Machine(tmp_path, HOME=str(tmp_path), **environ).run("doctor")
        return next(line for line in capsys.readouterr().out.splitlines() if line.split()[1:2] == ["rooms"])

    assert "make livekit-server" in told()
    assert "LIVEKIT_API_KEY and LIVEKIT_API_SECRET not" in told(LIVEKIT_URL="wss://hotel.example")
    keys = {"LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": "very-secret"}
    line = told(LIVEKIT_URL="wss://hotel.example", **keys)
    assert line.startswith("ok ")
    assert "secret" not in line


def test_doctor_says_which_prometheus_is_started_or_how_to_get_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(**environ: str) -> str:
        Machine(tmp_path, **environ).run("doctor")
        return next(line for line in capsys.readouterr().out.splitlines() if line.split()[1:2] == ["prometheus"])

    assert told(PATH=str(tmp_path)).startswith("-  ")
    assert "apt install prometheus" in told(PATH=str(tmp_path))
    assert "BOTEL_PROMETHEUS=off" in told(BOTEL_PROMETHEUS="off")
    program = tmp_path / "prometheus"
    program.write_text("#!/bin/sh\necho 'prometheus, version 3.5.0'\n")
    program.chmod(0o755)
    assert "prometheus 3.5.0" in told(BOTEL_PROMETHEUS=str(program))


def test_doctor_calls_a_port_that_is_none_by_its_setting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Machine(tmp_path, BOTEL_TEXT_PORT="http").run("doctor") == 1
    assert "BOTEL_TEXT_PORT='http': not a port" in capsys.readouterr().out


@pytest.mark.parametrize("number", ["-1", "65", "many"])
def test_a_number_of_brains_that_is_none_is_a_usage_error(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["scale", "--", number])

    assert ended.value.code == 2
    assert "0 to 64" in capsys.readouterr().err
