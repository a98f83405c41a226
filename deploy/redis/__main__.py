"""`python -m deploy.redis users|url|exports|change`: users of a Redis of yours, and changing passwords.

    users PATH                  write the users file there (for `aclfile`), with the passwords in var/redis.keys
    url USER [--at HOST:PORT]   print the REDIS_URL of a user; it contains the password
    exports                     what docker-compose.yml wants of Redis, for a shell; it contains the passwords
    change USER                 make a new password; the one before stays good until
    change USER --end           only the newest is good: when every process was started with it

After `users` tell a running Redis `ACL LOAD`; the operator's user may. docs/security.md has the steps.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.compose import redis_env
from deploy.local.env import merged_env, read_dotenv
from deploy.local.ports import HOST
from deploy.redis.passwords import (
    NAMES,
    PASSWORDS_FILE,
    begin_change,
    end_change,
    kept_passwords,
    url_of,
    write_users,
)

ROOT = Path(__file__).resolve().parent.parent.parent


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command; answers the exit code."""
    options = _parser().parse_args(arguments)
    env = merged_env(environ, read_dotenv(ROOT / ".env"))
    directory = Path(env.get("BOTEL_VAR") or ROOT / "var")
    directory.mkdir(parents=True, exist_ok=True)
    kept = directory / PASSWORDS_FILE
    match options.command:
        case "users":
            write_users(options.path, kept_passwords(kept))
            print(f"written: {options.path}; passwords are in {kept}")
        case "url":
            print(url_of(options.user, kept_passwords(kept), options.at))
        case "exports":
            for name, value in redis_env(env.get("REDIS_URL", ""), kept_passwords(kept)).items():
                print(f"export {name}={shlex.quote(value)}")
        case _:
            (end_change if options.end else begin_change)(kept, options.user)
            print(f"{options.user}: {'only the newest password is good' if options.end else 'a further password'}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.redis", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("users", help="write the users file").add_argument("path", type=Path)
    url = commands.add_parser("url", help="print a user's REDIS_URL")
    url.add_argument("user", choices=NAMES)
    url.add_argument("--at", default=f"{HOST}:6390", help="host:port of Redis")
    commands.add_parser("exports", help="for Compose without make up")
    change = commands.add_parser("change", help="change a password without an outage")
    change.add_argument("user", choices=NAMES)
    change.add_argument("--end", action="store_true", help="the passwords before the newest are not good any more")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
