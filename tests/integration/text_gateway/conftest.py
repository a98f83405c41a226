"""A gateway and a brain on the test's own Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.integration.text_gateway.gateway import Concierge, Gateway, running_brain, running_gateway


@pytest.fixture
def concierge() -> Concierge:
    return Concierge()


@pytest.fixture
async def brain(redis_url: str, concierge: Concierge) -> AsyncIterator[None]:
    async with running_brain(redis_url, concierge):
        yield


@pytest.fixture
async def gateway(redis_url: str) -> AsyncIterator[Gateway]:
    async with running_gateway(redis_url) as made:
        yield made
