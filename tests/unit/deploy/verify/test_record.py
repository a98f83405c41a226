"""The record, the commands behind it, and the stand-ins that it is made with."""

from __future__ import annotations

import json
import re
import sys
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import yaml

from deploy.livekit.binary import VERSION
from deploy.local.bootstrap import UV_VERSION
from deploy.verify.journal import Journal, scrubbed
from deploy.verify.receiver import Receiver
from deploy.verify.shell import Shell, VerificationFailed, until
from deploy.verify.stack import OVERRIDE, SERVICES
from deploy.verify.standins import HERE, STANDINS

STACK = yaml.safe_load(Path("docker-compose.yml").read_text())["services"]


def test_the_longest_word_is_hidden_first() -> None:
    hidden = {"/tmp/work": "<work>", "/tmp/work/storage": "<storage>", "": "never"}

    assert scrubbed("in /tmp/work/storage and /tmp/work", hidden) == "in <storage> and <work>"


def test_a_record_names_no_secret_whoever_says_it(tmp_path: Path) -> None:
    shown: list[str] = []
    journal = Journal(tmp_path / "evidence/log", shown.append, {})
    journal.hide({"dev-secret": "<BOTEL_API_KEY>"})

    journal.title("a turn")
    journal.say("guest: hello\nkey dev-secret")
    journal.holds("it works")
    journal.fails("dev-secret was refused\nreally")

    text = (tmp_path / "evidence/log").read_text()
    assert text.splitlines() == [line for block in shown for line in block.splitlines()]
    assert "dev-secret" not in text
    assert "ok it works\nFAILED <BOTEL_API_KEY> was refused\nFAILED really\n" in text
    assert journal.passed == 1


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, {"WHO": "me"}, tmp_path / "commands.log")


def test_a_command_is_kept_with_what_it_wrote(shell: Shell, tmp_path: Path) -> None:
    out = shell.run(
        [sys.executable, "-c", "import os; print(os.environ['WHO'], os.environ['MORE'])"], env={"MORE": "x"}
    )

    assert out == "me x\n"
    assert "me x\n-> 0" in (tmp_path / "commands.log").read_text()


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ([sys.executable, "-c", "import sys; sys.exit('no room')"], "no room"),
        ([sys.executable, "-c", "while True: pass"], "timed out"),
        (["/nowhere/podman"], "No such file"),
    ],
)
def test_a_command_that_fails_says_why(shell: Shell, command: list[str], why: str) -> None:
    with pytest.raises(VerificationFailed, match=why):
        shell.run(command, timeout_s=0.5 if "while" in command[-1] else 30)


def test_waiting_ends_with_what_was_waited_for_or_says_so() -> None:
    answers = iter([0, 0, 7])

    assert until(lambda: next(answers), 30, "an answer") == 7
    with pytest.raises(VerificationFailed, match="an answer: not within 0 s"):
        until(lambda: None, 0, "an answer")


def test_alerts_are_written_as_lines(capsys: pytest.CaptureFixture[str]) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        alert = {
            "status": "firing",
            "labels": {"alertname": "NoBrain"},
            "annotations": {"summary": "No brain is alive"},
        }
        url = f"http://127.0.0.1:{server.server_port}/alerts"
        assert httpx.post(url, json={"alerts": [alert]}, trust_env=False).status_code == 200
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {"status": "firing", "alert": "NoBrain", "summary": "No brain is alive"}


def test_stand_ins_stand_for_what_is_used() -> None:
    text = Path("docker-compose.yml").read_text()
    tags = {one.name: one.tag for one in STANDINS}

    assert all((HERE / f"{one.name}.Dockerfile").exists() for one in STANDINS)
    assert all(f"${{{one.variable}:-" in text for one in STANDINS if one.variable)
    assert (tags["uv"], tags["livekit"]) == (UV_VERSION, VERSION)
    foreign = set(re.findall(r"\$\{(\w+_IMAGE):-", text)) - {one.variable for one in STANDINS}
    assert foreign == {"GRAFANA_IMAGE"}, "what has no stand-in is not verified: docs/images.md says so"


def test_the_file_beside_it_changes_nothing_but_limits_of_processes() -> None:
    beside = yaml.safe_load(OVERRIDE.read_text())["services"]

    assert set(beside) == set(SERVICES) == set(STACK) - {"grafana"}
    assert all(set(service) == {"ulimits"} for service in beside.values())
