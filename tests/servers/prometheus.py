"""A real Prometheus beside stacks of tests."""

from __future__ import annotations

import pytest

from deploy.observe.binary import NoPrometheus, PrometheusBinary, find_prometheus


def need_prometheus() -> PrometheusBinary:
    """The one of this machine; skips the test when there is none."""
    try:
        return find_prometheus()
    except NoPrometheus as error:
        pytest.skip(f"needs Prometheus: {error}")
