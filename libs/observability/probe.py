"""`python -m libs.observability.probe PORT`: exits 0 when /readyz answers 200 there. For images without curl."""

from __future__ import annotations

import http.client
import sys

TIMEOUT_S = 4.0


def ready(port: int) -> bool:
    """Whether the process on this port of loopback says that it can work."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if ready(int(sys.argv[1])) else 1)
