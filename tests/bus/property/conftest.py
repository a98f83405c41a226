"""The property tests call the scripts by a plain client, which knows one server only."""

from __future__ import annotations

import pytest


@pytest.fixture
def redis_url(direct_url: str) -> str:
    """URL of the server itself, also where the other suites go through sentinels."""
    return direct_url
