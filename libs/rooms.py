"""Where the LiveKit server is, for the services that have to do with rooms. Settings only: no service depends on
LiveKit's packages by reading them.
"""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class RoomSettings(BaseSettings):
    """Environment: LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET, as LiveKit's own tools read them."""

    model_config = SettingsConfigDict(env_prefix="LIVEKIT_", frozen=True, extra="ignore", env_ignore_empty=True)

    url: str = ""
    """Where this process reaches the server, ws:// or wss://. Empty: there are no rooms."""
    public_url: str = ""
    """Where guests reach it, when that is another address."""
    api_key: str = ""
    """Names the key pair; any server knows several."""
    api_secret: SecretStr = Field(default=SecretStr(""))
    """Signs guests' tokens and requests, checks webhooks."""

    @property
    def configured(self) -> bool:
        return bool(self.url and self.api_key and self.api_secret.get_secret_value())

    @property
    def guest_url(self) -> str:
        return self.public_url or self.url
