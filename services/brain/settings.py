"""Settings of the brain, read once in `app`."""

from __future__ import annotations

import enum
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.brain.domain.cost import Prices
from services.brain.domain.desks import parse_desks


class ModelKind(enum.StrEnum):
    OFFLINE = "offline"
    OPENAI = "openai"
    """OpenAI, or whatever speaks its protocol at OPENAI_BASE_URL."""
    AZURE = "azure"


class ModelSettings(BaseSettings):
    """Environment: BRAIN_MODEL and BRAIN_MODEL_*, OPENAI_*, AZURE_OPENAI_*, BRAIN_OFFLINE_*. Durations in seconds."""

    model_config = SettingsConfigDict(
        frozen=True, populate_by_name=True, extra="ignore", env_ignore_empty=True, protected_namespaces=()
    )

    kind: ModelKind = Field(default=ModelKind.OFFLINE, validation_alias="BRAIN_MODEL")
    """`openai`: OpenAI, or whatever speaks its protocol at OPENAI_BASE_URL."""
    temperature: float = Field(default=0.3, ge=0, le=2, validation_alias="BRAIN_MODEL_TEMPERATURE")
    """The model's; 0 makes it say the same again."""
    timeout_s: float = Field(default=30.0, gt=0, validation_alias="BRAIN_MODEL_TIMEOUT_S")
    """Longest silence of the connection within one request."""
    connect_s: float = Field(default=2.0, gt=0, validation_alias="BRAIN_MODEL_CONNECT_S")
    """Longest try to connect."""
    gap_s: float = Field(default=10.0, gt=0, validation_alias="BRAIN_MODEL_GAP_S")
    """Longest wait for a first or a next token."""
    keepalive_s: float = Field(default=60.0, ge=0, validation_alias="BRAIN_MODEL_KEEPALIVE_S")
    """How long an idle connection is kept: guests pause longer than the client's default of five seconds."""
    max_connections: int = Field(default=200, ge=1, validation_alias="BRAIN_MODEL_MAX_CONNECTIONS")
    """To the provider, at once."""

    openai_api_key: SecretStr = Field(default=SecretStr(""), validation_alias="OPENAI_API_KEY")
    """OpenAI's, or any that the server at OPENAI_BASE_URL takes."""
    openai_base_url: str = Field(default="", validation_alias="OPENAI_BASE_URL")
    """'': OpenAI's own."""
    openai_model: str = Field(default="gpt-4.1-mini", validation_alias="OPENAI_MODEL")
    """Name of the model."""

    azure_api_key: SecretStr = Field(default=SecretStr(""), validation_alias="AZURE_OPENAI_API_KEY")
    """The resource's."""
    azure_endpoint: str = Field(default="", validation_alias="AZURE_OPENAI_ENDPOINT")
    """`https://<resource>.openai.azure.com`."""
    azure_deployment: str = Field(default="gpt-4.1-mini", validation_alias="AZURE_OPENAI_DEPLOYMENT")
    """The deployment's name."""
    azure_model: str = Field(default="gpt-4.1-mini", validation_alias="AZURE_OPENAI_MODEL")
    """The model that it deploys: named in history and metrics."""
    azure_api_version: str = Field(default="2024-10-21", validation_alias="AZURE_OPENAI_API_VERSION")
    """Of Azure OpenAI's API."""

    price_input: float = Field(default=0.0, ge=0, validation_alias="BRAIN_PRICE_INPUT")
    """Of a million input tokens, in whole units of your currency, as providers print it. 0: costs are not counted."""
    price_output: float = Field(default=0.0, ge=0, validation_alias="BRAIN_PRICE_OUTPUT")
    """Of a million output tokens."""
    price_cached: float | None = Field(default=None, ge=0, validation_alias="BRAIN_PRICE_CACHED")
    """Of a million input tokens that the provider had cached; not set: the price of input."""

    offline_first_token_s: float = Field(default=0.0, ge=0, le=60, validation_alias="BRAIN_OFFLINE_FIRST_TOKEN_S")
    """How long the offline model takes to its first token: for load tests."""
    offline_token_s: float = Field(default=0.0, ge=0, le=10, validation_alias="BRAIN_OFFLINE_TOKEN_S")
    """And to each one after it."""

    def prices(self) -> Prices:
        cached = self.price_input if self.price_cached is None else self.price_cached
        return Prices(input=self.price_input, output=self.price_output, cached=cached)


class BrainSettings(BaseSettings):
    """Environment: BRAIN_*, and BOTEL_HOTEL_PATH."""

    model_config = SettingsConfigDict(
        frozen=True, env_prefix="BRAIN_", populate_by_name=True, extra="ignore", env_ignore_empty=True
    )

    agent: str = ""
    """`package.module:factory` of an own LangChain agent; '' for the concierge."""
    slots: int = Field(default=64, ge=1, le=1_000)
    """Turns at once."""
    drain_s: float = Field(default=25.0, ge=0)
    """How long running answers may go on after SIGTERM, before they are handed over."""
    tool_timeout_s: float = Field(default=8.0, gt=0)
    """A tool that takes longer is given up; the outcome of a booking is looked up then."""
    store_url: str = ""
    """The context store, asked for what Redis has forgotten of a returning guest's conversation. '': not asked."""
    store_keys: SecretStr = SecretStr("")
    """Its API keys: `property:key,...`."""
    store_timeout_s: float = Field(default=0.5, gt=0)
    """A turn waits no longer for it."""
    desks: str = ""
    """Whom a caller can be put through to, by name, comma separated; '': nobody. The voice gateway knows their numbers
    (BOTEL_CALL_DESKS): a desk that is named here alone is promised in vain."""
    hotel_path: Path = Field(default=Path("var/hotel.sqlite3"), validation_alias="BOTEL_HOTEL_PATH")
    """The sample hotel's file, made at the first start; one that is there is used as it is."""
    pms_latency_s: float = Field(default=0.0, ge=0, le=30)
    """What a write to the sample hotel takes: half of it before the hotel has it, half after. Below the tools' timeout,
    or their outcome is looked up."""

    @field_validator("store_keys")
    @classmethod
    def _of_properties(cls, keys: SecretStr) -> SecretStr:
        if not all(property_id and key for property_id, _, key in _pairs(keys)):
            raise ValueError("not `property:key`, separated by commas")
        return keys

    @field_validator("desks")
    @classmethod
    def _names(cls, text: str) -> str:
        return ",".join(parse_desks(text))

    def keys_of_store(self) -> dict[str, str]:
        """By property."""
        return {property_id: key for property_id, _, key in _pairs(self.store_keys)}

    def desk_names(self) -> tuple[str, ...]:
        return parse_desks(self.desks)


def _pairs(keys: SecretStr) -> list[tuple[str, str, str]]:
    return [pair.strip().partition(":") for pair in keys.get_secret_value().split(",") if pair.strip()]
