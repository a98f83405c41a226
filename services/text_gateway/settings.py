"""Settings of the text gateway, read once in app."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class TextSettings(BaseSettings):
    """Environment: BOTEL_TEXT_*."""

    model_config = SettingsConfigDict(env_prefix="BOTEL_TEXT_", frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    """0: any free one, told in the log."""
    max_body_bytes: int = Field(default=262_144, ge=1_024)
    turn_deadline_ms: int = Field(default=60_000, ge=0)
    """A reply that nobody has begun by then is not begun. 0: none."""
    reply_timeout_s: float = Field(default=90.0, gt=0)
    """How long a request waits for its reply before it is told to come back."""
    heartbeat_s: float = Field(default=15.0, gt=0)
    max_streams: int = Field(default=2_000, ge=1)
    """Event streams open at once."""
    stall_s: float = Field(default=30.0, gt=0)
    """A client that reads nothing of what it is sent for so long is cut off; it resumes where it was."""
    grace_s: int = Field(default=20, ge=0)
    """How long replies may take to finish when the process is asked to stop."""
