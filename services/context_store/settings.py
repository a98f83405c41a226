"""Settings of the context store, read once in app."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.context_store.adapters.sql_engine import Database


class StoreSettings(BaseSettings):
    """Environment: BOTEL_STORE_*."""

    model_config = SettingsConfigDict(env_prefix="BOTEL_STORE_", frozen=True, extra="ignore", env_ignore_empty=True)

    host: str = "127.0.0.1"
    """Beyond loopback it does not start with the development key."""
    port: int = Field(default=8081, ge=0, le=65_535)
    """0: any free one, told in the log."""
    path: Path = Path("var/store.sqlite3")
    """The embedded database. Its folder is made."""
    database_url: SecretStr = SecretStr("")
    """Another database instead: `postgresql+asyncpg://user:password@host:5432/database`. See docs/store.md."""
    database_pool: int = Field(default=5, ge=2, le=100)
    """Connections to PostgreSQL at most: one that writes, the others read."""
    database_timeout_s: float = Field(default=10.0, ge=0.1, le=300)
    """A statement on PostgreSQL that takes longer fails; what is written comes again."""
    tail_timeout_ms: int = Field(default=1_000, ge=50)
    """How long reading history waits for Redis before it answers with what is stored."""
    consumer: str = Field(default="store-1", min_length=1, max_length=64)
    """Name in the group: the same over restarts, so that what was read and not kept is taken up at once."""
    max_body_bytes: int = Field(default=65_536, ge=1_024)
    """The longest body of a request."""
    retire_after_s: int = Field(default=604_800, ge=0)
    """A conversation idle for so long leaves Redis and is served from here; at least as long as the bus remembers ids.
    0: never."""
    retire_every_s: float = Field(default=60.0, gt=0)
    """How often idle conversations are looked for."""
    lag_every_s: float = Field(default=1.0, gt=0)
    """How often the streams are looked at, for metrics."""
    grace_s: int = Field(default=10, ge=0)
    """How long requests may take to finish when the process is asked to stop."""

    @property
    def database(self) -> Database:
        url = self.database_url.get_secret_value() or f"sqlite+aiosqlite:///{self.path}"
        return Database(url=url, pool=self.database_pool, timeout_s=self.database_timeout_s)
