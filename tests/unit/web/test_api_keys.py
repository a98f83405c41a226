"""Keys decide the property; the development key stays at home."""

from __future__ import annotations

import hashlib

import pytest
from pydantic import SecretStr

from libs.web.api_keys import ApiKeySettings, ConfigurationError, load_api_keys


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def settings(keys: str = "", development: str = "") -> ApiKeySettings:
    return ApiKeySettings(api_keys=SecretStr(keys), api_key=SecretStr(development))


def test_each_key_opens_its_property() -> None:
    listed = f" harbour:{digest('one')}, hill:{digest('two').upper()},harbour:{digest('three')},"

    keys = load_api_keys(settings(listed), "0.0.0.0")

    opened = {key: keys.property_of(key) for key in ("one", "two", "three", "", "four", digest("one"), "é", "\udcff")}
    assert opened == {"one": "harbour", "two": "hill", "three": "harbour"} | dict.fromkeys(
        ("", "four", digest("one"), "é", "\udcff")
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_the_development_key_opens_the_sample_hotel_at_home(host: str) -> None:
    keys = load_api_keys(settings(development="dev"), host)

    assert keys.property_of("dev") == "harbour"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.com", ""])
def test_beyond_loopback_the_development_key_is_refused(host: str) -> None:
    listed = f"harbour:{digest('one')}"
    with pytest.raises(ConfigurationError, match="BOTEL_API_KEY") as caught:
        load_api_keys(settings(listed, "dev-secret"), host)

    assert "dev-secret" not in str(caught.value)
    assert load_api_keys(settings(listed), host).property_of("one") == "harbour"


@pytest.mark.parametrize("listed", ["", " ", ",", " , "])
def test_without_any_key_nothing_is_served(listed: str) -> None:
    with pytest.raises(ConfigurationError, match="no API key"):
        load_api_keys(settings(listed), "127.0.0.1")


@pytest.mark.parametrize(
    "listed",
    ["harbour", "harbour:", "harbour:secret", f":{digest('x')}", f"har bour:{digest('x')}", f"h:{digest('x')}0"],
)
def test_a_malformed_list_is_refused_without_repeating_it(listed: str) -> None:
    with pytest.raises(ConfigurationError, match="BOTEL_API_KEYS") as caught:
        load_api_keys(settings(listed), "127.0.0.1")

    assert "secret" not in str(caught.value)


def test_settings_come_from_the_environment_and_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOTEL_API_KEY", "dev-secret")
    monkeypatch.setenv("BOTEL_API_KEYS", f"hill:{digest('two')}")

    read = ApiKeySettings()

    assert load_api_keys(read, "127.0.0.1").property_of("two") == "hill"
    assert "dev-secret" not in repr(read)
