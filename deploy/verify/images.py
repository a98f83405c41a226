"""What the images of the services must be, whatever runs in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from deploy.verify.engine import Engine

UID = 10_001
USER = f"{UID}:{UID}"
OURS = ("context_store", "brain", "voice_gateway", "text_gateway")
FOREIGN_CODE: Mapping[str, tuple[str, ...]] = {
    "context_store": ("langchain", "livekit", "pocketsphinx"),
    "brain": ("livekit", "fastapi", "pocketsphinx", "asyncpg"),
    "voice_gateway": ("langchain", "langchain_core", "fastapi", "sqlalchemy"),
    "text_gateway": ("langchain", "pocketsphinx", "sqlalchemy"),
}
"""Packages of other services: an image has the extra of its own and nothing else."""
TOOLS = ("pip", "pytest", "mypy", "ruff", "hypothesis", "playwright")
_SECRET_NAMES = re.compile(r"^(\.env(\..*)?|id_(rsa|ed25519)|.*\.(key|p12|pfx|keys|password))$")
_PRIVATE_KEY = re.compile(rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}")
_MOST_BYTES = 4_000_000


class Image(NamedTuple):
    service: str
    name: str
    size: int
    settings: Mapping[str, Any]

    @property
    def labels(self) -> Mapping[str, str]:
        return self.settings["Config"].get("Labels") or {}


def image_of(engine: Engine, service: str, version: str) -> Image:
    name = f"localhost/botel-{service.replace('_', '-')}:{version}"
    [settings] = json.loads(engine.podman("image", "inspect", name))
    return Image(service, name, settings["Size"], settings)


def size_of(engine: Engine, name: str) -> int:
    """Bytes, all layers."""
    return int(engine.podman("image", "inspect", name, "--format", "{{.Size}}"))


def faults(engine: Engine, image: Image, secrets: Mapping[str, str]) -> list[str]:
    """What is wrong with an image. `secrets`: values that must not be in it, by what they are."""
    root = Path(engine.podman("image", "mount", image.name).strip())
    try:
        return [*of_settings(image, secrets), *of_files(root, image.service, secrets)]
    finally:
        engine.podman("image", "unmount", image.name)


def of_settings(image: Image, secrets: Mapping[str, str]) -> Iterator[str]:
    """In what the image says of itself: its user, and no secret in its environment, labels or history."""
    if image.settings["Config"].get("User") != USER:
        yield f"runs as {image.settings['Config'].get('User')!r}"
    text = json.dumps(image.settings)
    yield from (f"{what} is in its settings" for what, value in secrets.items() if value in text)
    if image.labels.get("org.opencontainers.image.title") != f"botel-{image.service}":
        yield "is not labelled with its name"


def of_files(root: Path, service: str, secrets: Mapping[str, str]) -> Iterator[str]:
    """In its files: only this service, only its packages, no tool, nothing secret, nothing it could change."""
    app = root / "app"
    code = {path.name for path in (app / "services").iterdir() if path.is_dir() and path.name != "__pycache__"}
    if code != {service}:
        yield f"has the code of {sorted(code)}"
    packages = {path.name for path in app.glob(".venv/lib/python3.*/site-packages/*")}
    yield from (f"has {name}" for name in (*FOREIGN_CODE[service], *TOOLS) if name in packages)
    if (root / "usr/local/bin/uv").exists():
        yield "has uv"
    for path in sorted(app.rglob("*")):
        where = path.relative_to(root)
        if path.is_symlink() or not path.is_file():
            continue
        if path.stat().st_uid == UID or path.stat().st_mode & 0o002:
            yield f"{where} can be changed"
        if _SECRET_NAMES.match(path.name):
            yield f"{where} is named like a secret"
        if path.stat().st_size <= _MOST_BYTES:
            yield from (f"{where}: {what}" for what in found_in(path.read_bytes(), secrets))


def found_in(content: bytes, secrets: Mapping[str, str]) -> list[str]:
    """Secrets in a file, by what they are. Keys inside programs are none: libraries test themselves with some."""
    found = [what for what, value in secrets.items() if value.encode() in content]
    key = b"\0" not in content and _PRIVATE_KEY.search(content)
    return [*found, *(["a private key"] if key else [])]
