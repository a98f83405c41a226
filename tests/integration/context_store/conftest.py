"""An archive on disk, and Redis's end of conversations as a test wants it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.context_store.adapters.sql_archive import SqlArchive, open_archive
from tests.integration.context_store.hot import HotConversations


@pytest.fixture
def archive_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'new' / 'store.sqlite3'}"


@pytest.fixture
async def archive(archive_url: str) -> AsyncIterator[SqlArchive]:
    opened = await open_archive(archive_url)
    yield opened
    await opened.close()


@pytest.fixture
def hot() -> HotConversations:
    return HotConversations()
