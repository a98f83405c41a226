"""Settings of the voice gateway, read once in `app`."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.voice_gateway.domain.control import desk_name, is_address
from services.voice_gateway.domain.manners import GREETING, Patience
from services.voice_gateway.speech.settings import SpeechSettings, SttProvider, TtsProvider

__all__ = ["CallSettings", "GatewaySettings", "SpeechSettings", "SttProvider", "TtsProvider"]


class CallSettings(BaseSettings):
    """Environment: BOTEL_CALL_*. Durations are seconds."""

    model_config = SettingsConfigDict(frozen=True, env_prefix="BOTEL_CALL_", extra="ignore", env_ignore_empty=True)

    greeting: str = Field(default=GREETING, max_length=500)
    """Said when the call stands; `off`: the guest speaks first."""
    filler_s: float = Field(default=1.0, gt=0)
    """Without words of the answer by then a filler is said."""
    first_words_s: float = Field(default=8.0, gt=0)
    """Without words of the answer by then the concierge apologises."""
    stall_s: float = Field(default=5.0, gt=0)
    """An answer that does not go on for so long ends in an apology."""
    endpointing_s: float = Field(default=0.5, ge=0.1)
    """Silence after which the guest's turn is over."""
    max_endpointing_s: float = Field(default=3.0, ge=0.1)
    """The longest silence that is waited for the guest to go on."""
    interrupt_after_s: float = Field(default=0.5, ge=0.1)
    """Guest speech that pauses the concierge."""
    interrupt_words: int = Field(default=2, ge=1)
    """Recognised words that end the concierge's answer."""
    resume_after_s: float = Field(default=1.0, ge=0.1)
    """Silence after which a pause without words was none."""
    confidence_floor: float = Field(default=0.3, ge=0, le=1)
    """Below it the guest is asked to repeat."""
    max_duration_s: float = Field(default=3_600.0, gt=0)
    """A call that lasts longer is ended."""
    silence_s: float = Field(default=15.0, gt=0)
    """Silence of both after which the guest is asked whether they are still there."""
    silences: int = Field(default=2, ge=1)
    """Times that this is asked, before the concierge says goodbye and hangs up."""
    after_hang_up_s: float = Field(default=3.0, ge=0)
    """In a room: how long a guest who has left may take to come back into the call."""
    after_loss_s: float = Field(default=30.0, ge=0)
    """In a room: the same for a guest whose connection broke."""
    sip_trunk: str = ""
    """LiveKit's id of the SIP trunk by which staff is called into a room."""
    guest_wait_s: float = Field(default=60.0, gt=0)
    """In a room: how long the concierge waits for the guest to come at all."""
    desks: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict, max_length=16)
    """Where guests can be put through to: JSON, `{"reception": "tel:+4940123"}`. The brain knows the names only."""

    @field_validator("greeting")
    @classmethod
    def _or_none(cls, greeting: str) -> str:
        return "" if greeting.strip().lower() == "off" else greeting

    @field_validator("desks", mode="before")
    @classmethod
    def _from_json(cls, given: Any) -> Any:
        """Read here: pydantic-settings would name the field, and not the setting, of what is no JSON."""
        if not isinstance(given, str):
            return given
        try:
            return json.loads(given)
        except ValueError as error:
            raise ValueError('no JSON such as {"reception": "tel:+4940123"}') from error

    @field_validator("desks")
    @classmethod
    def _can_be_dialled(cls, desks: dict[str, str]) -> dict[str, str]:
        for name, address in desks.items():
            if not desk_name(name) or not is_address(address):
                raise ValueError(f"desk {name!r}: a name, and tel:+... or sip:name@host")
        return desks

    def patience(self) -> Patience:
        return Patience(filler_s=self.filler_s, first_words_s=self.first_words_s, stall_s=self.stall_s)


class GatewaySettings(BaseSettings):
    """Environment: BOTEL_VOICE_HOST, BOTEL_VOICE_PORT, ..."""

    model_config = SettingsConfigDict(frozen=True, env_prefix="BOTEL_VOICE_", extra="ignore", env_ignore_empty=True)

    host: str = "127.0.0.1"
    """The audio door has no guest authentication: it refuses to listen beyond loopback."""
    port: int = Field(default=8082, ge=0, le=65_535)
    """0: any free port, told in the log."""
    properties: str = "harbour"
    """Properties whose calls are taken, comma separated."""
    max_calls: int = Field(default=20, ge=1)
    """Calls at once; beyond it the audio door refuses, and rooms go to other gateways."""
    idle_jobs: int = Field(default=1, ge=0)
    """Processes that stand ready for calls in rooms, models loaded."""
    drain_s: float = Field(default=20.0, ge=0)
    """How long running calls may go on after SIGTERM."""

    def property_ids(self) -> frozenset[str]:
        return frozenset(name.strip() for name in self.properties.split(","))
