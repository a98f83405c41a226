"""Set-up on a machine that has Python only, against an index of its own that holds a small stand-in for uv."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.local.bootstrap import UV_VERSION, pip_setting

BASE = getattr(sys, "_base_executable", sys.executable)
"""The Python that .venv was made with: it has venv and pip, as a fresh machine's has."""
SCRIPT = Path("deploy/local/bootstrap.py").resolve()
UV = f"""#!/bin/sh
[ "$1" = --version ] && echo "uv {UV_VERSION} (stand-in)" && exit 0
echo "$0 $*" >> "$BOTEL_SETUP_ROOT/calls"
mkdir -p "$BOTEL_SETUP_ROOT/.venv"
"""


def wheel_name() -> str:
    machine = platform.machine()
    if platform.system() == "Darwin":
        return f"uv-{UV_VERSION}-py3-none-macosx_11_0_{machine}.whl"
    return f"uv-{UV_VERSION}-py3-none-manylinux_2_17_{machine}.manylinux2014_{machine}.whl"


def wheel() -> bytes:
    out, info = io.BytesIO(), f"uv-{UV_VERSION}.dist-info"
    with zipfile.ZipFile(out, "w") as archive:
        program = zipfile.ZipInfo(f"uv-{UV_VERSION}.data/scripts/uv")
        program.external_attr = 0o100755 << 16
        archive.writestr(program, UV)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: uv\nVersion: {UV_VERSION}\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", f"{info}/RECORD,,\n")
    return out.getvalue()


class PackageIndex:
    """Serves one project as PEP 691 JSON or PEP 503 HTML."""

    def __init__(self, *, as_json: bool = True, sha256: str = "") -> None:
        body = wheel()
        self._as_json = as_json
        self._sha256 = sha256 or hashlib.sha256(body).hexdigest()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = body if self.path.endswith(".whl") else outer.page().encode()
                self.send_response(200)
                kind = "application/vnd.pypi.simple.v1+json" if outer._as_json else "text/html"
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def page(self) -> str:
        name = wheel_name()
        if self._as_json:
            file = {"filename": name, "url": f"/files/{name}", "hashes": {"sha256": self._sha256}}
            return json.dumps({"meta": {"api-version": "1.0"}, "name": "uv", "files": [file]})
        return f'<!DOCTYPE html><html><body><a href="/files/{name}#sha256={self._sha256}">{name}</a></body></html>'

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}/simple"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path


def set_up(
    project: Path, *, index: str = "", path: Path | None = None, python: str = sys.executable, **more: str
) -> tuple[int, str]:
    env = {
        "PATH": str(path or project / "empty"),
        "HOME": str(project / "home"),
        "BOTEL_SETUP_ROOT": str(project),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_CONFIG_FILE": os.devnull,
    }
    env |= more
    if index:
        env["PIP_INDEX_URL"] = index
    done = subprocess.run([python, str(SCRIPT)], env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def calls(project: Path) -> list[str]:
    return (project / "calls").read_text().splitlines()


def without(project: Path, *modules: str) -> str:
    """A Python whose `-m` cannot run these modules."""
    fake = project / "python"
    cases = " ".join(f'[ "$2" = {module} ] && echo "No module named {module}" >&2 && exit 1;' for module in modules)
    fake.write_text(f'#!/bin/sh\n{cases}\nexec {BASE} "$@"\n')
    fake.chmod(0o755)
    site = project / "site"
    site.mkdir()
    # The script asks for sys.executable: make that the restricted one.
    (site / "sitecustomize.py").write_text(
        f"import os, sys; sys.executable = {str(fake)!r}; os.environ.pop('PYTHONPATH')\n"
    )
    runner = project / "runner"
    runner.write_text(f'#!/bin/sh\nPYTHONPATH={site} exec {BASE} "$@"\n')
    runner.chmod(0o755)
    return str(runner)


def test_uv_on_path_is_used_and_nothing_is_installed(project: Path) -> None:
    tools = project / "bin"
    tools.mkdir()
    (tools / "uv").write_text(UV)
    (tools / "uv").chmod(0o755)

    code, told = set_up(project, path=Path(f"{tools}{os.pathsep}/bin{os.pathsep}/usr/bin"))

    assert code == 0, told
    (call,) = calls(project)
    assert call.startswith(f"{tools}/uv sync --quiet --locked --all-extras")
    assert not (project / ".tools").exists()
    assert (project / ".venv/.botel-setup").exists()


@pytest.mark.parametrize(
    ("missing", "found_in"), [((), "venv/bin/uv"), (("venv",), "pip/bin/uv"), (("venv", "pip"), "wheel/uv")]
)
def test_uv_is_installed_by_what_this_python_has(project: Path, missing: tuple[str, ...], found_in: str) -> None:
    with PackageIndex() as index:
        code, told = set_up(project, index=index, path=Path("/bin:/usr/bin"), python=without(project, *missing))

    assert code == 0, told
    assert {call.split()[0] for call in calls(project)} == {f"{project}/.tools/{found_in}"}


def test_another_index_gets_the_locked_versions_with_their_hashes(project: Path) -> None:
    with PackageIndex(as_json=False) as index:
        code, told = set_up(project, index=index, path=Path("/bin:/usr/bin"), python=without(project, "venv", "pip"))

    assert code == 0, told
    verbs = [" ".join(call.split()[1:3]) for call in calls(project)]
    assert verbs == ["export --quiet", "venv --quiet", "pip sync"]
    assert "--require-hashes" in calls(project)[-1]


def test_uv_trusts_the_certificate_that_pip_was_told_of(project: Path) -> None:
    tools = project / "bin"
    tools.mkdir()
    (tools / "uv").write_text(UV + 'echo "$SSL_CERT_FILE" > "$BOTEL_SETUP_ROOT/cert"\n')
    (tools / "uv").chmod(0o755)

    code, told = set_up(project, path=Path(f"{tools}:/bin:/usr/bin"), PIP_CERT="/proxy/ca.pem")

    assert code == 0, told
    assert (project / "cert").read_text() == "/proxy/ca.pem\n"


def test_a_wheel_with_another_hash_is_refused(project: Path) -> None:
    with PackageIndex(sha256="0" * 64) as index:
        code, told = set_up(project, index=index, path=Path("/bin:/usr/bin"), python=without(project, "venv", "pip"))

    assert code == 1
    assert "SHA-256 differs" in told
    assert not (project / ".tools/wheel/uv").exists()
    assert "Traceback" not in told


def test_pip_files_are_read_as_pip_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    near = tmp_path / "near.conf"
    near.write_text("[global]\nindex-url = https://near.example/%40/simple\n")
    (tmp_path / ".pip").mkdir()
    (tmp_path / ".pip/pip.conf").write_text("[global]\nindex-url = https://home.example/simple\n")

    assert pip_setting("index-url") == "https://home.example/simple"
    monkeypatch.setenv("PIP_CONFIG_FILE", str(near))
    assert pip_setting("index-url") == "https://near.example/%40/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "https://env.example/simple")
    assert pip_setting("index-url") == "https://env.example/simple"
