"""Pytest plugin: every folder of tests/ is a suite. A run closes with what ran, what did not, and why.

With CI=true a skip for a reason outside ALLOWED_SKIPS fails the run: a suite that silently stops running is worse than
a red one.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from deploy.local.env import without_settings
from deploy.local.ports import take_share

SUITES = {
    "unit": "starts no server",
    "bus": "the turn protocol on a real Redis",
    "integration": "one service and its parts",
    "e2e": "the whole stack, audio included",
    "rooms": "calls in rooms of a real LiveKit server: make test-rooms",
    "panels": "every panel of the dashboards under real traffic: make test-panels",
    "chaos": "faults",
}
ALLOWED_SKIPS = (
    "needs Docker",
    "needs promtool",
    "needs Prometheus",
    "needs a LiveKit server: none is installed, and no Go to build one",
    "needs macOS",
    "pocketsphinx has no wheel",
)
"""Beginnings of reasons that are no surprise on a CI machine."""
KEPT = ("BOTEL_REDIS_SERVER", "BOTEL_LIVEKIT_SERVER", "BOTEL_TEST_")


def forget_private_settings(environ: os._Environ[str]) -> None:
    """Tests behave the same whatever keys their user has, and never spend money."""
    for name in environ.keys() - without_settings(environ).keys():
        if not name.startswith(KEPT):
            del environ[name]


class Suites:
    """Counts outcomes by suite as pytest reports them."""

    def __init__(self, tests: Path, *, ci: bool) -> None:
        self._tests = tests
        self._ci = ci
        self.counts = {suite: Counter[str]() for suite in SUITES}
        self.skips: dict[str, Counter[str]] = {suite: Counter() for suite in SUITES}

    def suite_of(self, path: Path) -> str:
        """The folder under tests/, or '' for a file elsewhere."""
        inside = path.is_relative_to(self._tests) and path != self._tests
        first = path.relative_to(self._tests).parts[0] if inside else ""
        return first if first in SUITES else ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: Sequence[pytest.Item]) -> None:
        for item in items:
            suite = self.suite_of(item.path)
            if not suite:
                raise pytest.UsageError(f"{item.path}: not in a suite; the suites are {', '.join(SUITES)}")
            item.add_marker(suite)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        for item in items:
            self.counts[self.suite_of(item.path)]["deselected"] += 1

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Each process has seen the same tests: the last one's count stands."""
        for suite, left_out in getattr(node, "workeroutput", {}).get("left_out", {}).items():
            self.counts[suite]["deselected"] = left_out

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        suite = self.suite_of(self._tests.parent / report.nodeid.partition("::")[0])
        if not suite:
            return
        if report.skipped:
            self._skip(suite, report)
        elif report.failed:
            self.counts[suite]["failed"] += 1
        elif report.when == "call":
            self.counts[suite]["passed"] += 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        suite = self.suite_of(self._tests.parent / report.nodeid)
        if suite and report.skipped:
            self._skip(suite, report)
        elif suite and report.failed:
            self.counts[suite]["failed"] += 1

    def _skip(self, suite: str, report: pytest.TestReport | pytest.CollectReport) -> None:
        self.counts[suite]["skipped"] += 1
        longrepr = report.longrepr
        reason = str(longrepr[2]) if isinstance(longrepr, tuple) else getattr(report, "wasxfail", str(longrepr))
        self.skips[suite][reason.removeprefix("Skipped: ")] += 1

    def surprises(self) -> list[str]:
        """Reasons of skips that CI does not allow."""
        reasons = {reason for skips in self.skips.values() for reason in skips}
        return sorted(reason for reason in reasons if not reason.startswith(ALLOWED_SKIPS))

    def table(self) -> list[str]:
        head = f"{'suite':<13}{'passed':>8}{'failed':>8}{'skipped':>8}  "
        lines = [head + "about"]
        for suite, about in SUITES.items():
            count = self.counts[suite]
            ran = count["passed"] + count["failed"] + count["skipped"]
            note = about if ran else f"not run: {'deselected' if count['deselected'] else 'not asked for'}"
            lines.append(f"{suite:<13}{count['passed']:>8}{count['failed']:>8}{count['skipped']:>8}  {note}")
        if left_out := sum(count["deselected"] for count in self.counts.values()):
            lines.append(f"left out: {left_out} (those marked long run with make test-long)")
        for suite, reasons in self.skips.items():
            lines.extend(f"skipped in {suite}: {times} x {reason}" for reason, times in sorted(reasons.items()))
        return lines

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        # Outside of every other wrapper: the table stands below pytest's own summary.
        fails = self._ci and self.surprises() and session.exitstatus in (pytest.ExitCode.OK, 5)
        if fails:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        yield
        if (told := getattr(session.config, "workeroutput", None)) is not None:
            # One of several processes (pytest-xdist): outcomes are passed on as they come, this is not.
            told["left_out"] = {suite: count["deselected"] for suite, count in self.counts.items()}
        terminal = session.config.pluginmanager.get_plugin("terminalreporter")
        if terminal is None or session.config.option.collectonly:
            return
        terminal.write_line("")
        for line in self.table():
            terminal.write_line(line)
        if self._ci:
            for reason in self.surprises():
                terminal.write_line(f"FAILED: CI allows no skip because of: {reason}", red=True)


def pytest_configure(config: pytest.Config) -> None:
    for suite, about in SUITES.items():
        config.addinivalue_line("markers", f"{suite}: {about} (by folder)")
    ci = os.environ.get("CI", "").lower() in ("1", "true", "yes")
    config.pluginmanager.register(Suites(config.rootpath / "tests", ci=ci), "botel-suites")
    forget_private_settings(os.environ)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if worker.isdigit():
        take_share(int(worker), int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))
