"""API keys decide the property. Only SHA-256 digests are held; comparison takes the same time whatever was sent."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.contracts.ids import is_id
from libs.web.errors import Unauthorized, WrongProperty

DEVELOPMENT_PROPERTY = "harbour"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_bearer = HTTPBearer(auto_error=False, description="The property's API key")


class ConfigurationError(Exception):
    """The settings cannot be served with; the text says what to change, and never repeats a key."""


class ApiKeySettings(BaseSettings):
    """Environment: BOTEL_API_KEYS, BOTEL_API_KEY."""

    model_config = SettingsConfigDict(env_prefix="BOTEL_", frozen=True, extra="ignore", env_ignore_empty=True)

    api_keys: SecretStr = Field(default=SecretStr(""))
    """`property:sha256hex,...`; a property may have several, for changing keys without a gap."""
    api_key: SecretStr = Field(default=SecretStr(""))
    """The development key itself, of the sample hotel. Loopback only."""


class ApiKeys:
    """Which property a key opens."""

    def __init__(self, digests: dict[str, str]) -> None:
        """`digests`: property id by the SHA-256 of its key, in lower-case hex."""
        self._digests = {digest.encode(): property_id for digest, property_id in digests.items()}

    def property_of(self, key: str) -> str | None:
        """The property of a key; None for a key that opens none."""
        digest = _digest(key)
        found = None
        for known, property_id in self._digests.items():
            if hmac.compare_digest(known, digest):
                found = property_id
        return found


def key_id(key: str) -> str:
    """What a key is called where it is counted: the beginning of its digest."""
    return _digest(key)[:16].decode()


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest().encode()


def load_api_keys(settings: ApiKeySettings, host: str) -> ApiKeys:
    """The keys of a server that will listen on `host`.

    Raises `ConfigurationError` for a malformed list, for no key at all, and for the development key on anything but
    loopback.
    """
    digests: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in settings.api_keys.get_secret_value().split(","))):
        property_id, _, digest = item.partition(":")
        if not is_id(property_id) or not _DIGEST.fullmatch(digest.lower()):
            raise ConfigurationError("BOTEL_API_KEYS: expected `property:sha256 in hex`, separated by commas")
        digests[digest.lower()] = property_id
    if development := settings.api_key.get_secret_value():
        if not _is_loopback(host):
            raise ConfigurationError(
                f"BOTEL_API_KEY is a development key and this server would listen on {host}: "
                "set BOTEL_API_KEYS instead, or listen on 127.0.0.1"
            )
        digests[hashlib.sha256(development.encode()).hexdigest()] = DEVELOPMENT_PROPERTY
    if not digests:
        raise ConfigurationError("no API key: set BOTEL_API_KEYS, or BOTEL_API_KEY for development")
    return ApiKeys(digests)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def caller(request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> str:
    """The property of the request's key. The application keeps its `ApiKeys` in `app.state.api_keys`."""
    keys: ApiKeys = request.app.state.api_keys
    property_id = keys.property_of(credentials.credentials) if credentials else None
    if property_id is None or credentials is None:
        raise Unauthorized
    request.state.key_id = key_id(credentials.credentials)
    return property_id


Caller = Annotated[str, Depends(caller)]
"""Parameter type of a route: the property that the key opens; 401 without one."""


def same_property(named: str | None, property_id: str) -> None:
    """`WrongProperty` when the request names a property that is not its key's, whether that one exists or not."""
    if named is not None and named != property_id:
        raise WrongProperty
