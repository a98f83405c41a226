"""`make redis C="INFO memory"`: redis-cli on the stack's Redis, as the operator; the password is no argument of it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from urllib.parse import unquote, urlsplit

from deploy.local.address import redis_address
from deploy.local.env import merged_env, read_dotenv
from deploy.local.stack import ROOT
from libs.bus.deployment import Shape, parse_deployment

_NAMES = ("redis-cli", "valkey-cli")
_CERTIFICATES = {"BOTEL_BUS_TLS_CA": "--cacert", "BOTEL_BUS_TLS_CERT": "--cert", "BOTEL_BUS_TLS_KEY": "--key"}
_PASSWORD = "REDISCLI_AUTH"  # noqa: S105  # its name in the environment


def command_line(url: str, environ: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Arguments of redis-cli and what it needs in its environment. `ValueError` for an address that it cannot take."""
    if parse_deployment(url).shape is not Shape.SINGLE:
        raise ValueError(
            "make redis takes one server: give REDIS_URL that of the master, redis://USER:PASSWORD@HOST:PORT"
        )
    parts = urlsplit(url)
    if parts.scheme == "unix":
        arguments = ["-s", unquote(parts.path)]
    else:
        arguments = ["-h", parts.hostname or "127.0.0.1", "-p", str(parts.port or 6379)]
        arguments += ["-n", parts.path.strip("/") or "0"]
    if parts.scheme == "rediss":
        given = [(option, environ[name]) for name, option in _CERTIFICATES.items() if environ.get(name)]
        arguments += ["--tls", *(word for pair in given for word in pair)]
    if parts.username:
        arguments += ["--user", unquote(parts.username)]
    return arguments, {_PASSWORD: unquote(parts.password)} if parts.password else {}


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Does not return when redis-cli could be started: it takes the place of this process."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), "")
    if not found:
        print("redis-cli is not installed: apt-get install redis-tools, brew install redis", file=sys.stderr)
        return 1
    try:
        given, secret = command_line(redis_address(), merged_env(environ, read_dotenv(ROOT / ".env")))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    os.execvpe(found, [found, *given, *arguments], {**environ, **secret})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
