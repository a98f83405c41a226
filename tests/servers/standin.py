"""A service of the native stack in thirty lines, for tests of the launcher: answers HTTP, tells what it was given.

    python tests/servers/standin.py PORT [MODE]

MODE: `plain`; `deaf` to SIGTERM; `fails` at once; `late`: never ready; `parent` of a process that it does not end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

CHILD = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"


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


def main(port: int, mode: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN if mode == "deaf" else drain)
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
