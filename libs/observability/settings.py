"""How a process logs and where it answers its operator. Read once, in a service's `app`."""

from __future__ import annotations

import enum

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class LogFormat(enum.StrEnum):
    AUTO = "auto"
    """Text on a terminal, JSON otherwise."""
    JSON = "json"
    TEXT = "text"


class LogLevel(enum.StrEnum):
    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class ObservabilitySettings(BaseSettings):
    """Environment: BOTEL_LOG_LEVEL, BOTEL_LOG_FORMAT, BOTEL_SHOW_WORDS, BOTEL_HEALTH_HOST, BOTEL_HEALTH_PORT."""

    model_config = SettingsConfigDict(env_prefix="BOTEL_", frozen=True, extra="ignore", env_ignore_empty=True)

    log_level: LogLevel = LogLevel.INFO
    """What is logged at all."""
    log_format: LogFormat = LogFormat.AUTO
    """`auto`: text on a terminal, else JSON."""
    show_words: bool = False
    """Guests' and the concierge's words, tools' arguments and exceptions' texts in logs and traces: personal data of
    guests, for whoever reads those. For a developer's machine."""
    health_host: str = "127.0.0.1"
    """Where a worker that has no HTTP of its own tells health and metrics."""
    health_port: int = Field(default=0, ge=0, le=65_535)
    """Of a worker that has no HTTP of its own; 0: any free port, told in the log."""
