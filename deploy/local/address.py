"""Which Redis the operator's tools look at: the one of the stack that runs here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from deploy.local.env import merged_env, read_dotenv
from deploy.local.ports import HOST
from deploy.local.services import REDIS
from deploy.local.stack import DEFAULT_REDIS_PORT, ROOT
from deploy.local.state import Files, StackState, ports_of
from deploy.redis.passwords import PASSWORDS_FILE, operator_url


def redis_address() -> str:
    """URL by the environment, `.env` and the stack that runs in this checkout."""
    env = merged_env(os.environ, read_dotenv(ROOT / ".env"))
    directory = Path(env.get("BOTEL_VAR") or ROOT / "var")
    return choose_address(env, Files(directory).running(), directory)


def choose_address(env: Mapping[str, str], state: StackState | None, directory: Path) -> str:
    """REDIS_URL, else the port of the native stack that runs, else the usual one (Compose publishes Redis there).

    As the operator's user, with the password that is kept in the stack's `directory`.
    """
    if env.get("REDIS_URL"):
        return env["REDIS_URL"]
    ports = [row["port"] for row in state["rows"] if row["name"] == REDIS] if state else []
    port = ports[0] if ports else ports_of(env, {"REDIS": DEFAULT_REDIS_PORT})["REDIS"]
    return operator_url(directory / PASSWORDS_FILE, f"{HOST}:{port}")
