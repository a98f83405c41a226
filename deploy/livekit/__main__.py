"""`python -m deploy.livekit build|serve`: make livekit-server, and the process that the native stack runs."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from deploy.livekit.binary import NoLiveKit, cache_path
from deploy.livekit.build import build, sha256_of
from deploy.livekit.config import KEYS_FILE, kept_keys, loopback_config, write_private
from deploy.local.bootstrap import ROOT
from deploy.local.ports import free_port


def main() -> int:
    options = _parser().parse_args()
    try:
        return _serve(options) if options.command == "serve" else _build()
    except NoLiveKit as error:
        print(error, file=sys.stderr)
        return 1


def _build() -> int:
    binary = build(os.environ, ROOT, lambda text: print(text, flush=True))
    print(f"{binary}\n{binary.path}\nsha256 {sha256_of(cache_path())}")
    return 0


def _serve(options: argparse.Namespace) -> int:
    """Becomes the server: whoever supervises this process supervises that one. Media gets any free port each time."""
    config = options.data / "livekit.yaml"
    keys = kept_keys(options.data / KEYS_FILE)
    write_private(config, loopback_config(keys, port=options.port, udp_port=free_port(), webhooks=options.webhook))
    os.execv(options.server, [options.server, "--config", str(config)])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.livekit")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build the server, unless that is done")
    serve = commands.add_parser("serve", help="run it on loopback")
    serve.add_argument("--port", type=int, required=True)
    serve.add_argument("--server", required=True, help="its program")
    serve.add_argument("--data", type=Path, required=True, help="where its keys are, and its configuration goes")
    serve.add_argument("--webhook", action="append", default=[], help="URL that is told of rooms and participants")
    return parser


if __name__ == "__main__":
    sys.exit(main())
