"""A process that is started with a wrong setting names it and ends: no traceback, and no secret of its value."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ERASE = ("services.context_store", "erase", "--property", "harbour", "--customer", "C-1")


SERVICES = [("services.brain",), ("services.context_store",), ("services.text_gateway",), ("services.voice_gateway",)]
OPERATORS = [ERASE, ("libs.bus", "dead", "list"), ("deploy.local.lag", "--once"), ("deploy.local.tail",)]


def run(*command: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], env=env, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("command", [*SERVICES, *OPERATORS], ids=" ".join)
def test_it_names_the_setting_and_not_its_secret(command: tuple[str, ...]) -> None:
    env = {**os.environ, "REDIS_URL": "http://somebody:a-password@nowhere"}
    done = subprocess.run(
        [sys.executable, "-m", *command], env=env, capture_output=True, text=True, check=False, timeout=60
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "settings: REDIS_URL: " in said
    assert "Traceback" not in said
    assert "a-password" not in said


@pytest.mark.parametrize(
    ("service", "setting", "value"),
    [
        ("brain", "BRAIN_SLOTS", "many"),
        ("brain", "BRAIN_MODEL_TIMEOUT_S", "-1"),
        ("voice_gateway", "BOTEL_CALL_DESKS", "tel:+49"),
        ("context_store", "BOTEL_BUS_SHARDS", "0"),
        ("text_gateway", "BOTEL_LOG_LEVEL", "LOUD"),
        ("voice_gateway", "BOTEL_STT", "deepgram, whisper"),
        ("brain", "BRAIN_STORE_KEYS", "no-property"),
    ],
)
def test_it_is_named_as_it_is_set(service: str, setting: str, value: str) -> None:
    env = {**os.environ, setting: value}
    done = run(f"services.{service}", env=env)
    assert done.returncode == 1
    assert f"{service}: settings: {setting}: " in done.stderr
