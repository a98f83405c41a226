"""An authority of the tests' own and certificates by it, made with openssl for loopback; gone with their folder."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple


class Certificate(NamedTuple):
    cert: Path
    key: Path


class Authority:
    """`issue` makes certificates that its own, `cert`, vouches for."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self.cert, self._key = folder / f"{name}.pem", folder / f"{name}.key"
        usage = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
        _openssl("req", "-x509", *_new(self._key), "-subj", f"/CN={name}", *usage, "-out", str(self.cert), "-days", "2")

    def issue(self, name: str, alternative: str = "IP:127.0.0.1") -> Certificate:
        """A certificate for the host in `alternative`, such as `DNS:redis.example`."""
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request, extensions = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alternative}\n")
        _openssl("req", *_new(made.key), "-subj", f"/CN={name}", "-out", str(request))
        signed = ("-CA", str(self.cert), "-CAkey", str(self._key), "-CAcreateserial", "-extfile", str(extensions))
        _openssl("x509", "-req", "-in", str(request), *signed, "-days", "2", "-out", str(made.cert))
        return made


def _new(key: Path) -> tuple[str, ...]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(key))


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)
