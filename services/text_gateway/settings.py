"""Settings of the text gateway, read once in app."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class TextSettings(BaseSettings):
    """Environment: BOTEL_TEXT_*."""

    model_config = SettingsConfigDict(env_prefix="BOTEL_TEXT_", frozen=True, extra="ignore", env_ignore_empty=True)

    host: str = "127.0.0.1"
    """Beyond loopback it does not start with the development key."""
    port: int = Field(default=8080, ge=0, le=65_535)
    """0: any free one, told in the log."""
    max_body_bytes: int = Field(default=262_144, ge=1_024)
    """The longest body of a request."""
    turn_deadline_ms: int = Field(default=60_000, ge=0)
    """A reply that nobody has begun by then is not begun. 0: none."""
    reply_timeout_s: float = Field(default=90.0, gt=0)
    """How long a request waits for its reply before it is told to come back."""
    heartbeat_s: float = Field(default=15.0, gt=0)
    """A comment in an event stream after so long without an event."""
    max_streams: int = Field(default=2_000, ge=1)
    """Event streams open at once."""
    max_streams_per_key: int = Field(default=1_500, ge=1)
    """So that one hotel's pages cannot keep out another's."""
    stall_s: float = Field(default=30.0, gt=0)
    """A client that reads nothing of what it is sent for so long is cut off; it resumes where it was."""
    grace_s: int = Field(default=20, ge=0)
    """How long replies may take to finish when the process is asked to stop."""


class VoiceSessionSettings(BaseSettings):
    """Environment: BOTEL_SESSION_*. Where LiveKit is: `libs.rooms.RoomSettings`."""

    model_config = SettingsConfigDict(env_prefix="BOTEL_SESSION_", frozen=True, extra="ignore", env_ignore_empty=True)

    token_ttl_s: int = Field(default=600, ge=10, le=3_600)
    """How long a token opens its room. A call may last longer."""
    empty_timeout_s: int = Field(default=60, ge=1)
    """A room that nobody has entered is closed after so long."""
    departure_timeout_s: int = Field(default=60, ge=1)
    """A room that the last person has left is closed after so long: until then they come back into the same call."""
    max_participants: int = Field(default=4, ge=2)
    """People in a room. Agents are not counted."""
    timeout_s: float = Field(default=2.0, gt=0)
    """How long LiveKit may take to answer before a session is refused."""
    max_webhook_bytes: int = Field(default=65_536, ge=1_024)
    """The longest body of LiveKit's webhook."""
