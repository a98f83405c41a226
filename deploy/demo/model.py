"""The model of the demo: the offline one, or the real OpenAI client against the local OpenAI-compatible server."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import urlopen

from deploy.local.ports import free_port
from deploy.local.stack import StartFailed

_START_S = 30.0


def model_env(model: str, server_url: str) -> Mapping[str, str]:
    """What the services find in their environment. Speech stays local: the server's key is for its chat model only."""
    speech = {"BOTEL_STT": "local", "BOTEL_TTS": "local"}
    if model == "offline":
        return {**speech, "BRAIN_MODEL": "offline"}
    return {**speech, "BRAIN_MODEL": "openai", "OPENAI_BASE_URL": server_url, "OPENAI_API_KEY": "local"}


@contextmanager
def model_server(model: str) -> Iterator[str]:
    """The base URL of the local server while it runs; '' for the offline model, which needs none."""
    if model == "offline":
        yield ""
        return
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "services.brain.openai_server", "--port", str(port)])
    try:
        url = f"http://127.0.0.1:{port}/v1"
        _wait_for(f"{url}/models", process)
        yield url
    finally:
        process.terminate()
        process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(url, timeout=1):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise StartFailed("the local OpenAI-compatible server did not start")
