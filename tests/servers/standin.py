"""A service of the native stack in thirty lines, for tests of the launcher: answers HTTP, tells what it was given.

    python tests/servers/standin.py PORT [MODE]

MODE: `plain`; `deaf` to SIGTERM; `fails` at once; `late`: never ready; `parent` of a process that it does not end;
`herd`: drains with the help of a process that it has started, and says whether that one was still there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

CHILD = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"
HELPER = "import signal; signal.pause()"
HELP_S = 1.0


class Handler(BaseHTTPRequestHandler):
    mode = ""
    child = 0

    def do_GET(self) -> None:
        ready = self.mode != "late" and self.path in ("/readyz", "/env")
        told = {"pid": os.getpid(), "child": self.child, "env": dict(os.environ)}
        body = json.dumps(told).encode()
        self.send_response(200 if ready else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def drain(*_: object) -> None:
    say("drained")
    sys.exit(0)


def drain_with_help(helper: subprocess.Popen[bytes]) -> None:
    try:
        helper.wait(HELP_S)
    except subprocess.TimeoutExpired:
        drain()
    say("the helper has gone before its time")
    sys.exit(1)


def main(port: int, mode: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN if mode == "deaf" else drain)
    if mode == "herd":
        helper = subprocess.Popen([sys.executable, "-I", "-S", "-c", HELPER])
        signal.signal(signal.SIGTERM, lambda *_: drain_with_help(helper))
    if mode == "fails":
        say("no such setting: BOTEL_NONSENSE")
        sys.exit(3)
    Handler.mode = mode
    if mode == "parent":
        Handler.child = subprocess.Popen([sys.executable, "-I", "-S", "-c", CHILD]).pid
    say("up")
    HTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "plain")
