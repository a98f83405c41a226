"""Settings of the bus, read once by each composition root. Durations are milliseconds unless a name says else."""

from __future__ import annotations

from pydantic import Field, FilePath, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.bus.deployment import parse_deployment
from libs.contracts import limits


class BusSettings(BaseSettings):
    """Environment: REDIS_URL, and BOTEL_BUS_* for the rest."""

    model_config = SettingsConfigDict(
        frozen=True,
        env_prefix="BOTEL_BUS_",
        populate_by_name=True,
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    redis_url: SecretStr = Field(default=SecretStr("redis://127.0.0.1:6379/0"), validation_alias="REDIS_URL")
    """One server, sentinels or a cluster: see libs.bus.deployment."""
    tls_ca: FilePath | None = None
    """For rediss:// with an authority of one's own: its certificates, PEM. The machine's own are trusted as well."""
    tls_cert: FilePath | None = None
    """Certificate of this client, PEM, where Redis asks for one (`tls-auth-clients`), with its `tls_key`."""
    tls_key: FilePath | None = None
    """Its key, PEM."""
    shards: int = Field(default=1, ge=1, le=1024)
    """More than one only for Redis Cluster."""
    command_timeout_ms: int = Field(default=5_000, ge=50)
    """How long a command may wait, reconnects included, before `BusUnavailable`."""
    connect_timeout_ms: int = Field(default=2_000, ge=50)
    """How long one try to connect may take."""
    block_ms: int = Field(default=1_000, ge=10)
    """How long a blocking read waits on the server."""
    lease_ms: int = Field(default=900, ge=100)
    """A brain that was not heard of for so long is taken for dead: nearly all of a recovery is spent on this."""
    beat_ms: int = Field(default=200, ge=20)
    """How often a lease is renewed."""
    reap_ms: int = Field(default=500, ge=20)
    """The longest time between two looks for what nobody claimed; a lease that runs out is looked at when it does."""
    unclaimed_ms: int = Field(default=2_000, ge=100)
    """An entry read by a living brain and not claimed for so long is given to another."""
    run_cap_ms: int = Field(default=180_000, ge=1_000)
    """No turn runs longer."""
    call_lease_ms: int = Field(default=2_000, ge=100, le=60_000)
    """A voice gateway that was not heard of for so long does not answer its call any more: another is sent."""
    call_renew_ms: int = Field(default=500, ge=20)
    """How often a call's lease is renewed."""
    call_reserve_ms: int = Field(default=5_000, ge=100, le=60_000)
    """How long a watchdog looks after such a call alone; an agent that has not come by then is sent once more."""
    dedup_s: int = Field(default=86_400, ge=60)
    """How long an id is remembered."""
    subscription_ms: int = Field(default=60_000, ge=1_000)
    """How long a gateway that does not renew it follows a conversation."""
    poll_ms: int = Field(default=2_000, ge=100)
    """How often a feed looks for events whose hint was lost."""
    max_mailbox: int = Field(default=limits.MAX_MAILBOX, ge=1)
    """Turns of one conversation that may wait; the next is told `busy`."""
    max_waiting: int = Field(default=limits.MAX_WAITING, ge=1)
    """Conversations that may wait; the turn of another is told `overloaded`."""
    max_attempts: int = Field(default=limits.MAX_ATTEMPTS, ge=1)
    """Runs that may break over one turn, before it is a dead letter."""
    max_draft_bytes: int = Field(default=limits.MAX_DRAFT_BYTES, ge=1)
    """The longest reply; one that grows beyond it fails."""
    max_chunk_stream: int = Field(default=limits.MAX_CHUNK_STREAM, ge=100)
    """Entries that a gateway's stream keeps."""
    fairness: int = Field(default=4, ge=0)
    """Turns of one conversation that a worker answers in a row while others wait."""
    log_tail: int = Field(default=400, ge=1)
    """Events of a conversation that a claim reads with it."""

    @model_validator(mode="after")
    def _certificate_and_key(self) -> BusSettings:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("BOTEL_BUS_TLS_CERT and BOTEL_BUS_TLS_KEY go together")
        return self

    @field_validator("redis_url")
    @classmethod
    def _known_deployment(cls, value: SecretStr) -> SecretStr:
        parse_deployment(value.get_secret_value())
        return value
