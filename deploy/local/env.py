"""What the processes of the native stack find in their environment, and the development key in `.env`."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

API_KEY = "BOTEL_API_KEY"
DEV_KEY_PREFIX = "dev-"
"""Marks a key that was made here, for people: it is for servers on loopback only."""
PRIVATE = (
    *("BOTEL_", "BRAIN_", "LIVEKIT_", "DEEPGRAM_", "OPENAI_", "AZURE_", "ELEVENLABS_", "LANGSMITH_", "LANGCHAIN_"),
    "OTEL_",
)
_LINE = re.compile(r"""(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(?:"([^"]*)"|'([^']*)'|(.*?))(?:\s+\#.*)?\s*""")


def read_dotenv(path: Path) -> dict[str, str]:
    """The settings of a `.env` file: KEY=VALUE lines, quotes taken off, comments left out; {} when there is no file.

    `ValueError` for what is no text.
    """
    matches = (_LINE.fullmatch(line) for line in _lines(path))
    return {m[1]: m[2] or m[3] or m[4] or "" for m in matches if m}


def unread_lines(path: Path) -> list[int]:
    """Numbers of the lines of a `.env` file that are neither settings nor comments; they set nothing."""
    told = enumerate(_lines(path), start=1)
    return [number for number, line in told if line and not line.startswith("#") and not _LINE.fullmatch(line)]


def _lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8") from error


def merged_env(environ: Mapping[str, str], dotenv: Mapping[str, str]) -> dict[str, str]:
    """The environment wins over `.env`; an empty value in `.env` sets nothing."""
    return {**{key: value for key, value in dotenv.items() if value}, **environ}


def without_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what anybody configured of this product and its providers: no key, no other Redis."""
    return {key: value for key, value in environ.items() if key != "REDIS_URL" and not key.startswith(PRIVATE)}


def ensure_api_key(path: Path, environ: Mapping[str, str]) -> bool:
    """Write a development key into `.env` if neither it nor the environment has one; True when one was made.

    The file is readable by its owner only, from its first byte on.
    """
    if environ.get(API_KEY) or read_dotenv(path).get(API_KEY):
        return False
    line = f"{API_KEY}={new_api_key()}\n"
    before = path.read_text() if path.exists() else ""
    kept = re.sub(rf"(?m)^(?:export\s+)?{API_KEY}\s*=.*\n?", "", before)
    separator = "" if not kept or kept.endswith("\n") else "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        path.chmod(0o600)
        out.write(kept + separator + line)
    return True


def new_api_key() -> str:
    return DEV_KEY_PREFIX + secrets.token_urlsafe(24)
