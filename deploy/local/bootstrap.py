"""Sets the project up with nothing but Python: finds or installs uv, then makes .venv from the lock.

    python3 deploy/local/bootstrap.py

Standard library only, and it imports nothing of the project: it runs before anything is installed. Never asks for sudo,
writes only into .tools/ and .venv/. uv is looked for on PATH and in .tools, then installed by the first of these that
works: pip in a venv, pip --target, the wheel taken from the package index (its SHA-256 checked). The index is pip's own
setting (PIP_INDEX_URL, pip.conf), else PyPI.
"""

from __future__ import annotations

import base64
import configparser
import hashlib
import io
import json
import os
import platform
import re
import shutil
import ssl
import subprocess
import sys
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
UV_VERSION = "0.13.9"
UV_AT_LEAST = (0, 8)
PYPI = "https://pypi.org/simple"
PYTHONS = ((3, 11), (3, 14))
"""From, and up to but not including."""
TIMEOUT_S = 60


class SetupFailed(RuntimeError):
    """The text says what to do."""


def main() -> None:
    root = Path(os.environ.get("BOTEL_SETUP_ROOT", ROOT))
    try:
        uv = find_uv(root / ".tools") or install_uv(root / ".tools")
        sync(uv, root)
    except SetupFailed as error:
        sys.exit(f"set-up failed: {error}")
    (root / ".venv" / ".botel-setup").touch()


def say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr, flush=True)


def find_uv(tools: Path) -> str:
    """A uv that runs and is new enough, or ''."""
    names = [shutil.which("uv"), tools / "venv/bin/uv", tools / "pip/bin/uv", tools / "wheel/uv"]
    return next((str(name) for name in names if name and uv_version(str(name)) >= UV_AT_LEAST), "")


def uv_version(path: str) -> tuple[int, ...]:
    try:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return ()
    match = re.match(r"uv (\d+)\.(\d+)\.(\d+)", told.stdout)
    return tuple(map(int, match.groups())) if match else ()


def install_uv(tools: Path) -> str:
    """Install uv into `tools` by the first way that works; `SetupFailed` when none does."""
    ways: list[tuple[str, Callable[[Path], None]]] = [
        ("pip in a venv", _by_venv),
        ("pip --target", _by_target),
        ("the wheel", _by_wheel),
    ]
    reasons = []
    for name, way in ways:
        say(f"installing uv {UV_VERSION} with {name}")
        try:
            way(tools)
        except (OSError, subprocess.SubprocessError, ValueError, KeyError, zipfile.BadZipFile) as error:
            reasons.append(f"{name}: {error}")
            continue
        found = find_uv(tools)
        if found:
            return found
        reasons.append(f"{name}: what it installed does not run")
    raise SetupFailed(
        "uv could not be installed; install it from https://docs.astral.sh/uv/\n  " + "\n  ".join(reasons)
    )


def _by_venv(tools: Path) -> None:
    venv = tools / "venv"
    _run([sys.executable, "-m", "venv", "--clear", str(venv)])
    _run([str(venv / "bin/python"), "-m", "pip", "install", "--quiet", f"uv=={UV_VERSION}"])


def _by_target(tools: Path) -> None:
    target = str(tools / "pip")
    # --target is allowed on an externally managed Python (PEP 668); --user is not.
    _run([sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--target", target, f"uv=={UV_VERSION}"])


def _by_wheel(tools: Path) -> None:
    index = Index.configured()
    found = next((file for file in index.files("uv") if _fits(file.name)), None)
    if found is None:
        raise ValueError(f"no wheel of uv {UV_VERSION} for {platform.system()} {platform.machine()}")
    body = index.get(found.url)
    if hashlib.sha256(body).hexdigest() != found.sha256:
        raise ValueError(f"{found.name}: SHA-256 differs from the index's")
    with zipfile.ZipFile(io.BytesIO(body)) as wheel:
        program = wheel.read(f"uv-{UV_VERSION}.data/scripts/uv")
    path = tools / "wheel" / "uv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(program)
    path.chmod(0o755)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError((done.stderr or done.stdout).strip().splitlines()[-1:] or "failed")


def _fits(name: str) -> bool:
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    if platform.system() == "Darwin":
        kind = r"macosx_\d+_\d+_" + ("arm64" if machine == "aarch64" else machine)
    else:
        kind = ("manylinux" if platform.libc_ver()[0] == "glibc" else "musllinux") + rf"\w*_{machine}"
    return re.fullmatch(rf"uv-{re.escape(UV_VERSION)}-py3-none-[\w.]*{kind}[\w.]*\.whl", name) is not None


class File(NamedTuple):
    name: str
    url: str
    sha256: str


class Index:
    """A package index, read without pip."""

    def __init__(self, url: str, cert: str = "") -> None:
        parts = urllib.parse.urlsplit(url)
        self.url = urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])).rstrip("/")
        login = f"{urllib.parse.unquote(parts.username or '')}:{urllib.parse.unquote(parts.password or '')}"
        self._login = "Basic " + base64.b64encode(login.encode()).decode() if parts.username else ""
        self._tls = ssl.create_default_context(cafile=cert or None)

    @classmethod
    def configured(cls) -> Index:
        return cls(pip_setting("index-url") or PYPI, pip_setting("cert"))

    def files(self, project: str) -> Iterator[File]:
        """JSON (PEP 691), or the HTML (PEP 503) of an index that has no JSON."""
        page = f"{self.url}/{project}/"
        text = self.get(page, accept="application/vnd.pypi.simple.v1+json, text/html;q=0.5").decode()
        if text.lstrip().startswith("{"):
            for file in json.loads(text)["files"]:
                yield File(file["filename"], urllib.parse.urljoin(page, file["url"]), file["hashes"].get("sha256", ""))
            return
        for link in re.findall(r"""href=["']([^"']+)["']""", text):
            url, _, fragment = urllib.parse.urljoin(page, link).partition("#")
            yield File(url.rpartition("/")[2], url, fragment.removeprefix("sha256="))

    def get(self, url: str, accept: str = "*/*") -> bytes:
        headers = {"Accept": accept}
        if self._login and urllib.parse.urlsplit(url).netloc == urllib.parse.urlsplit(self.url).netloc:
            headers["Authorization"] = self._login
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=self._tls) as answer:
            body: bytes = answer.read()
            return body


def pip_setting(name: str) -> str:
    """A setting as pip would read it: environment first, then its files, the nearest last; '' when there is none."""
    told = os.environ.get("PIP_" + name.upper().replace("-", "_"))
    if told:
        return told
    own = os.environ.get("PIP_CONFIG_FILE", "")
    if own == os.devnull:
        return ""
    home = Path.home()
    files: list[str | Path] = [
        "/etc/xdg/pip/pip.conf",
        "/etc/pip.conf",
        home / ".pip/pip.conf",
        home / ".config/pip/pip.conf",
    ]
    files += [home / "Library/Application Support/pip/pip.conf", own or os.devnull]
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(files)
    return next((parser[part][name] for part in ("install", "global") if parser.has_option(part, name)), "")


def sync(uv: str, root: Path) -> None:
    """Make .venv as the lock says, with every extra."""
    env = dict(os.environ)
    index, cert = pip_setting("index-url"), pip_setting("cert")
    if cert:
        # Behind a proxy with a certificate of its own: pip was told, uv would not know.
        env.setdefault("SSL_CERT_FILE", cert)
    fresh = not (root / ".venv/bin/python").exists()
    python = ["--python", sys.executable] if fresh and PYTHONS[0] <= sys.version_info[:2] < PYTHONS[1] else []
    if not index or index.rstrip("/") == PYPI:
        say("uv sync --locked --all-extras")
        _uv([uv, "sync", "--quiet", "--locked", "--all-extras", *python], root, env)
        return
    # The lock names PyPI's addresses; the versions and hashes it pins hold for any other index too.
    say("installing the locked versions from the configured index")
    pins = root / ".tools" / "requirements.txt"
    pins.parent.mkdir(exist_ok=True)
    _uv([uv, "export", "--quiet", "--frozen", "--all-extras", "--no-emit-project", "-o", str(pins)], root, env)
    if fresh:
        _uv([uv, "venv", "--quiet", *python, ".venv"], root, env)
    env.update(UV_DEFAULT_INDEX=index, VIRTUAL_ENV=str(root / ".venv"))
    _uv([uv, "pip", "sync", "--quiet", "--require-hashes", str(pins)], root, env)


def _uv(command: list[str], root: Path, env: dict[str, str]) -> None:
    if subprocess.run(command, cwd=root, env=env, check=False).returncode:
        raise SetupFailed(f"`{' '.join(command[1:3])}` failed; its reason stands above")


if __name__ == "__main__":
    main()
