"""The bus suite on every kind of Redis, and the smoke run on a cluster; all servers are started here.

    python -m tests.bus.everywhere [redis | valkey | sentinel | cluster ...] [-- pytest arguments]

Prints a table; the exit code is 1 when anything failed or ran no test.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

from tests.servers.chosen import CHOICES
from tests.servers.redis import VARIABLE

CLUSTER = "cluster"
_SUITE, _SMOKE = "tests/bus", "tests/bus/deployments/test_cluster.py"
_COUNTED = re.compile(r"(\d+) (passed|failed|error|errors|skipped)\b")


class Outcome(NamedTuple):
    name: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    code: int

    @property
    def good(self) -> bool:
        return self.code == 0 and self.passed > 0

    def line(self) -> str:
        verdict = "ok" if self.good else "FAILED"
        return f"{self.name:<10}{self.passed:>8}{self.failed:>8}{self.skipped:>9}{self.seconds:>9.1f}  {verdict}"


def run(name: str, arguments: Sequence[str]) -> Outcome:
    """One suite run in a process of its own; its output goes to the terminal as it comes."""
    chosen = "redis" if name == CLUSTER else name
    command = [sys.executable, "-m", "pytest", "-q", _SMOKE if name == CLUSTER else _SUITE, *arguments]
    began, told = time.monotonic(), ""
    with subprocess.Popen(
        command, env={**os.environ, VARIABLE: chosen}, stdout=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        assert process.stdout
        for line in process.stdout:
            sys.stdout.write(line)
            told = line if _COUNTED.search(line) and " in " in line else told
    counts = {what: int(number) for number, what in _COUNTED.findall(told)}
    failed = counts.get("failed", 0) + counts.get("error", 0) + counts.get("errors", 0)
    passed, skipped = counts.get("passed", 0), counts.get("skipped", 0)
    return Outcome(name, passed, failed, skipped, time.monotonic() - began, process.returncode)


def main(arguments: Sequence[str]) -> int:
    split = list(arguments).index("--") if "--" in arguments else len(arguments)
    names, rest = arguments[:split] or (*CHOICES, CLUSTER), arguments[split + 1 :]
    if unknown := set(names) - {*CHOICES, CLUSTER}:
        sys.stdout.write(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join((*CHOICES, CLUSTER))}" + "\n")
        return 2
    outcomes = [run(name, rest) for name in names]
    sys.stdout.write(f"\n{'redis':<10}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}" + "\n")
    for outcome in outcomes:
        sys.stdout.write(outcome.line() + "\n")
    return 0 if all(outcome.good for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
