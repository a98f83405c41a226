"""Chat models by settings: offline, OpenAI or anything with its protocol, Azure OpenAI.

Retries are off everywhere: a failed model call ends in an apology or a failover, never in a guest who waits for three
attempts.
"""

from __future__ import annotations

from typing import ClassVar

import httpx2
from langchain_core.language_models import BaseChatModel
from langchain_openai import AzureChatOpenAI, ChatOpenAI
from pydantic import SecretStr

from libs.contracts.errors import BotelError
from services.brain.offline_model import OfflineChatModel
from services.brain.settings import ModelKind, ModelSettings

NO_KEY = SecretStr("not-needed")
"""For local servers: the client refuses to be made without any."""
OPENAI_URL = "https://api.openai.com/v1"


class ModelNotConfigured(BotelError):
    code: ClassVar[str] = "model-not-configured"
    advice = "Set what the detail names, or BRAIN_MODEL=offline."


def http_client(settings: ModelSettings) -> httpx2.AsyncClient:
    """The one client of a process; its pool keeps connections alive between the turns of a call."""
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(settings.timeout_s, connect=settings.connect_s),
        limits=httpx2.Limits(
            max_connections=settings.max_connections,
            max_keepalive_connections=settings.max_connections,
            keepalive_expiry=settings.keepalive_s,
        ),
    )


def make_model(settings: ModelSettings, http: httpx2.AsyncClient) -> BaseChatModel:
    """The model that the settings name; `ModelNotConfigured` when something is missing."""
    match settings.kind:
        case ModelKind.OPENAI:
            return _openai(settings, http)
        case ModelKind.AZURE:
            return _azure(settings, http)
        case ModelKind.OFFLINE:
            return OfflineChatModel(first_token_s=settings.offline_first_token_s, token_s=settings.offline_token_s)


def model_name(settings: ModelSettings) -> str:
    """What a reply is recorded under when the provider does not tell."""
    names = {ModelKind.OPENAI: settings.openai_model, ModelKind.AZURE: settings.azure_model}
    return names.get(settings.kind, settings.kind.value)


def address(settings: ModelSettings) -> str:
    """Where the model is reached; '' for one in this process."""
    match settings.kind:
        case ModelKind.OPENAI:
            return settings.openai_base_url or OPENAI_URL
        case ModelKind.AZURE:
            return settings.azure_endpoint
        case ModelKind.OFFLINE:
            return ""


def _openai(settings: ModelSettings, http: httpx2.AsyncClient) -> ChatOpenAI:
    if not settings.openai_api_key.get_secret_value() and not settings.openai_base_url:
        raise ModelNotConfigured("BRAIN_MODEL=openai needs OPENAI_API_KEY, or OPENAI_BASE_URL of a local server")
    return ChatOpenAI(
        model=settings.openai_model,
        base_url=settings.openai_base_url or OPENAI_URL,
        api_key=settings.openai_api_key if settings.openai_api_key.get_secret_value() else NO_KEY,
        temperature=settings.temperature,
        timeout=settings.timeout_s,
        max_retries=0,
        stream_usage=True,
        stream_chunk_timeout=settings.gap_s,
        use_responses_api=False,
        http_async_client=http,
    )


def _azure(settings: ModelSettings, http: httpx2.AsyncClient) -> AzureChatOpenAI:
    if not settings.azure_endpoint or not settings.azure_api_key.get_secret_value():
        raise ModelNotConfigured("BRAIN_MODEL=azure needs AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY")
    return AzureChatOpenAI(
        model=settings.azure_model,
        azure_endpoint=settings.azure_endpoint,
        azure_deployment=settings.azure_deployment,
        api_version=settings.azure_api_version,
        api_key=settings.azure_api_key,
        temperature=settings.temperature,
        timeout=settings.timeout_s,
        max_retries=0,
        stream_usage=True,
        stream_chunk_timeout=settings.gap_s,
        use_responses_api=False,
        http_async_client=http,
    )
