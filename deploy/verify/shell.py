"""Commands of other programs: run, timed out, kept in a file for whoever looks for a reason."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")
POLL_S = 0.5
TAIL_LINES = 15


class VerificationFailed(RuntimeError):
    """Something is not as it is promised; the text says what."""


class Done(NamedTuple):
    code: int
    out: str
    err: str


class Shell:
    """Runs commands in one directory. Everything that they write goes into `log` as well."""

    def __init__(self, directory: Path, env: Mapping[str, str], log: Path) -> None:
        self._directory = directory
        self._env = dict(env)
        self._log = log

    def try_(self, command: Sequence[str], *, env: Mapping[str, str] | None = None, timeout_s: float = 120.0) -> Done:
        """Run a command that may fail. `VerificationFailed` only when it does not end in time, or does not exist."""
        try:
            done = subprocess.run(
                list(command),
                cwd=self._directory,
                env={**self._env, **(env or {})},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise VerificationFailed(f"{command[0]}: {error}") from error
        with self._log.open("a") as log:
            log.write(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}-> {done.returncode}\n")
        return Done(done.returncode, done.stdout, done.stderr)

    def run(self, command: Sequence[str], *, env: Mapping[str, str] | None = None, timeout_s: float = 120.0) -> str:
        """What a command writes to its standard output; `VerificationFailed` with its last lines when it fails."""
        done = self.try_(command, env=env, timeout_s=timeout_s)
        if done.code:
            tail = "\n".join((done.out + done.err).strip().splitlines()[-TAIL_LINES:])
            raise VerificationFailed(f"{' '.join(command[:6])} ... -> {done.code}\n{tail}")
        return done.out


def until(probe: Callable[[], T | None], seconds: float, what: str) -> T:
    """The first true answer of `probe`; `VerificationFailed` when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            raise VerificationFailed(f"{what}: not within {seconds:g} s")
        time.sleep(POLL_S)
