"""Keys and configuration of a LiveKit server that only this machine reaches."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from deploy.local.ports import HOST

KEYS_FILE = "livekit.keys"
SECRET_BYTES = 32
"""The server complains about secrets of under 32 characters: these are 43."""


class RoomKeys(NamedTuple):
    """What signs guests' tokens, the services' own requests and the server's webhooks."""

    key: str
    secret: str


def new_keys() -> RoomKeys:
    return RoomKeys(f"botel{secrets.token_hex(6)}", secrets.token_urlsafe(SECRET_BYTES))


def kept_keys(path: Path) -> RoomKeys:
    """The keys in this file; made on first use. Only its owner may read it, from its first byte on."""
    if path.exists():
        key, _, secret = path.read_text().strip().partition(": ")
        if key and len(secret) >= SECRET_BYTES:
            return RoomKeys(key, secret)
    keys = new_keys()
    write_private(path, f"{keys.key}: {keys.secret}\n")
    return keys


def write_private(path: Path, text: str) -> None:
    """Replace a file by one that only its owner may read."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)


def loopback_config(
    keys: RoomKeys, *, port: int, udp_port: int, webhooks: Sequence[str] = (), log_level: str = "info"
) -> str:
    """A configuration file for loopback (JSON, which is YAML): one TCP port for HTTP, one UDP port for media.

    No media over TCP: the server would listen on every address of the machine. `webhooks` are URLs that are told of
    rooms and participants, signed with the same keys.
    """
    config = {
        "port": port,
        "bind_addresses": [HOST],
        "keys": {keys.key: keys.secret},
        "rtc": {
            "node_ip": HOST,
            "use_external_ip": False,
            "enable_loopback_candidate": True,
            "interfaces": {"includes": ["lo", "lo0"]},
            "tcp_port": 0,
            "udp_port": udp_port,
        },
        "logging": {"level": log_level, "json": False},
        **({"webhook": {"api_key": keys.key, "urls": list(webhooks)}} if webhooks else {}),
    }
    return json.dumps(config, indent=1) + "\n"
