"""Takes Alertmanager's webhooks and writes each alert as a line: what an operator's receiver would be told.

Runs inside a container with nothing but Python: `python receiver.py`, on port 9000.
"""

from __future__ import annotations

import http.server
import json
import sys

PORT = 9_000
_MOST_BYTES = 1_000_000


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        length = min(int(self.headers.get("Content-Length", 0)), _MOST_BYTES)
        for alert in json.loads(self.rfile.read(length))["alerts"]:
            summary = alert["annotations"].get("summary", "")
            line = {"status": alert["status"], "alert": alert["labels"]["alertname"], "summary": summary}
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Only alerts are written."""


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("", PORT), Receiver).serve_forever()
