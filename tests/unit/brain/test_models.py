"""Models by settings: what is passed to the providers' clients, and what is missing is said."""

from __future__ import annotations

import httpx2
import pytest
from langchain_openai import AzureChatOpenAI, ChatOpenAI

from services.brain.models import ModelNotConfigured, address, http_client, make_model, model_name
from services.brain.offline_model import OfflineChatModel
from services.brain.settings import BrainSettings, ModelKind, ModelSettings


def settings(monkeypatch: pytest.MonkeyPatch, **env: str) -> ModelSettings:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return ModelSettings()


def test_without_settings_it_is_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(monkeypatch)

    assert isinstance(make_model(found, http_client(found)), OfflineChatModel)
    assert (model_name(found), address(found)) == ("offline", "")


def test_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(monkeypatch, BRAIN_MODEL="openai", OPENAI_API_KEY="sk-1", OPENAI_MODEL="gpt-x")
    http = http_client(found)
    model = make_model(found, http)

    assert isinstance(model, ChatOpenAI)
    assert (model.max_retries, model.stream_usage, model.use_responses_api) == (0, True, False)
    assert model.request_timeout == 30
    assert model.http_async_client is http
    assert address(found) == "https://api.openai.com/v1"
    assert "sk-1" not in repr(found) + repr(model)


def test_a_local_server_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "http://127.0.0.1:11434/v1"
    found = settings(monkeypatch, BRAIN_MODEL="openai", OPENAI_BASE_URL=url, OPENAI_MODEL="llama3.1")
    model = make_model(found, http_client(found))

    assert isinstance(model, ChatOpenAI)
    assert (model.openai_api_base, model.model_name) == (url, "llama3.1")


def test_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(
        monkeypatch,
        BRAIN_MODEL="azure",
        AZURE_OPENAI_API_KEY="key",
        AZURE_OPENAI_ENDPOINT="https://hotel.openai.azure.com",
    )
    model = make_model(found, http_client(found))

    assert isinstance(model, AzureChatOpenAI)
    assert (model.deployment_name, model.model_name, model.max_retries) == ("gpt-4.1-mini", "gpt-4.1-mini", 0)
    assert model.stream_usage is True


@pytest.mark.parametrize(
    ("env", "part"),
    [
        ({"BRAIN_MODEL": "openai"}, "OPENAI_API_KEY"),
        ({"BRAIN_MODEL": "azure"}, "AZURE_OPENAI_ENDPOINT"),
        ({"BRAIN_MODEL": "azure", "AZURE_OPENAI_ENDPOINT": "https://x"}, "AZURE_OPENAI_API_KEY"),
    ],
)
def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, env: dict[str, str], part: str) -> None:
    found = settings(monkeypatch, **env)

    with pytest.raises(ModelNotConfigured, match=part):
        make_model(found, http_client(found))


def test_connections_outlive_a_guests_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(monkeypatch, BRAIN_MODEL_KEEPALIVE_S="45")

    assert found.keepalive_s == 45
    assert isinstance(http_client(found), httpx2.AsyncClient)


def test_the_hotel_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOTEL_HOTEL_PATH", "/data/hotel.sqlite3")
    monkeypatch.setenv("BRAIN_SLOTS", "8")

    found = BrainSettings()
    assert (str(found.hotel_path), found.slots) == ("/data/hotel.sqlite3", 8)
    assert ModelSettings().kind is ModelKind.OFFLINE
