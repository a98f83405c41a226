import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deploy.local.leash import Leash, group_lives

WAITS = "import signal, sys; print('up', flush=True); signal.pause()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
OWNER = """
import subprocess, sys, signal
from deploy.local.leash import Leash
leash = Leash(grace_s=0.3)
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], start_new_session=True, stdout=subprocess.PIPE)
child.stdout.readline()
leash.add(child.pid)
print("up", flush=True)
print(child.pid, flush=True)
signal.pause()
"""
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


@contextmanager
def started(*command: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True, start_new_session=True)
    with process:
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        yield process
        process.kill()


@pytest.mark.parametrize(("source", "ends_by"), [(WAITS, signal.SIGTERM), (DEAF, signal.SIGKILL)])
def test_what_is_held_ends_with_the_leash(source: str, ends_by: signal.Signals) -> None:
    leash = Leash(grace_s=0.3)
    with started("-c", source) as process:
        leash.add(process.pid)

        leash.close()

        assert process.wait(10) == -ends_by


def test_a_grandchild_ends_too() -> None:
    leash = Leash(grace_s=5)
    with started("-c", PARENT, WAITS) as parent:
        leash.add(parent.pid)

        leash.close()

        assert not group_lives(parent.pid)


def test_what_was_given_back_is_left_alone() -> None:
    leash = Leash(grace_s=0.3)
    with started("-c", WAITS) as process:
        leash.add(process.pid)
        leash.remove(process.pid)

        leash.close()

        assert process.poll() is None


def test_it_acts_when_its_owner_is_killed() -> None:
    with started("-c", OWNER, WAITS) as owner:
        assert owner.stdout
        child = int(owner.stdout.readline())

        owner.kill()

        # The leash inherited this pipe: it closes when both are gone, and the leash goes last.
        owner.communicate(timeout=10)
        assert not group_lives(child)
