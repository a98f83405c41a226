import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.local import background
from deploy.local.leash import group_lives
from deploy.local.state import Files, StackState, table

ROOT = Path.cwd()
# The launcher is meant to outlive whoever started it.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    files = Files(tmp_path / "var")
    yield files
    if files.running():
        background.stop(files)


def start(files: Files) -> StackState:
    command = [sys.executable, "-m", "tests.integration.local.standins", str(files.directory)]
    return background.start(files, ROOT, os.environ, command)


def groups(state: StackState) -> list[int]:
    return [row["pid"] for row in state["rows"]]


def test_up_scale_and_down(files: Files) -> None:
    state = start(files)
    assert httpx.get(f"{state['text_url']}/readyz").status_code == 200
    assert "redis-server" in state["redis"] or "valkey" in state["redis"]

    scaled = background.scale(files, 4)
    assert [row["name"] for row in scaled["rows"]].count("brain-4") == 1
    assert "brain-4" in table(scaled["rows"])

    background.stop(files)

    assert files.running() is None
    assert not any(group_lives(group) for group in groups(scaled))


def test_a_second_one_is_refused_and_leaves_the_first_alone(files: Files) -> None:
    first = start(files)

    with pytest.raises(background.Failed, match="already runs"):
        start(files)

    assert files.running() == first


def test_a_launcher_that_is_killed_leaves_no_process(files: Files) -> None:
    state = start(files)

    os.kill(state["pid"], signal.SIGKILL)

    left = groups(state)
    background._until(lambda: not any(group_lives(group) for group in left), 15, "processes are left")
    assert files.running() is None


def test_what_cannot_be_done_is_said(files: Files) -> None:
    with pytest.raises(background.NotRunning):
        background.stop(files)
    with pytest.raises(background.NotRunning):
        background.scale(files, 2)


def test_a_launcher_that_ends_gives_its_reason(files: Files) -> None:
    with pytest.raises(background.Failed, match="no such option"):
        background.start(files, ROOT, os.environ, [sys.executable, "-c", "import sys; sys.exit('no such option')"])


def test_a_log_is_followed_over_its_turning(tmp_path: Path) -> None:
    log = tmp_path / "stack.log"
    log.write_text("brain-1 | old\nredis | old\nbrain-1 | new\n")
    lines = background.follow(log, 1, only="brain-1")

    assert next(lines) == "brain-1 | new\n"
    with log.open("a") as out:
        out.write("redis | other\nbrain-1 | more\n")
    assert next(lines) == "brain-1 | more\n"
    log.rename(tmp_path / "stack.log.1")
    log.write_text("brain-1 | fresh\n")
    assert next(lines) == "brain-1 | fresh\n"


def test_lines_of_a_log_without_following(tmp_path: Path) -> None:
    log = tmp_path / "stack.log"
    log.write_text("".join(f"redis | {number}\n" for number in range(50)))

    assert list(background.follow(log, 2, on=False)) == ["redis | 48\n", "redis | 49\n"]
